//! Runs local programs for the clients of a UNIX socket.
//!
//! The daemon is `sockexec`, described in sockexec(8); the protocol is described in
//! sockexec-protocol(7). Other programs may use [`client`]; everything else serves the daemon and
//! may change.
//!
//! # Layout
//!
//! In the order of a byte's way, from the command line to a program and back:
//!
//! | module | content |
//! |---|---|
//! | [`config`] | the command line and the configuration file |
//! | [`settings`] | the table of settings: name, range, default, how each may be changed |
//! | [`rules`] | the rules: which client may run which program |
//! | [`mod@log`] | log lines and their destination |
//! | [`os`] | all uses of the system: sockets, programs, signals, the poller |
//! | [`id`] | the number of a connection, a plain value |
//! | [`execution`] | how a program is executed: its user, its cgroup, its limits |
//! | [`program`] | plain values about a program: arguments, outputs, exit |
//! | [`signal`] | signals by name and by number |
//! | [`wire`] | the bytes on the sockets: buffers, framing, one file for each protocol |
//! | [`session`] | the state machine of one connection, its timers and limits |
//! | [`control`] | the messages of the control socket, and their client |
//! | [`quota`] | shared totals, and the charge of each connection, given back once |
//! | [`schedule`] | which connections are served, and which program starts next |
//! | [`history`] | the last ended jobs, and totals by group |
//! | [`record`] | the record of a job: in the log, on SIGUSR1, in `jobs` |
//! | [`connection`] | the descriptors of one client and its program: moves bytes |
//! | [`statistics`] | counts, and durations of recent jobs |
//! | [`server`] | the loop: wait, dispatch, expire, admit, remove |
//! | [`client`] | the other side, for Rust programs |
//!
//! [`rules`], [`wire`] and [`session`] make no system call, read no clock and never log; [`os`] knows
//! no protocol. `tests/tidy.rs` checks that.

pub mod client;
pub mod config;
pub mod connection;
pub mod control;
pub mod execution;
pub mod history;
pub mod id;
pub mod log;
pub mod os;
pub mod program;
pub mod quota;
pub mod record;
pub mod rules;
pub mod schedule;
pub mod server;
pub mod session;
pub mod settings;
pub mod signal;
pub mod statistics;
pub mod wire;
