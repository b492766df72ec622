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
//! | module | what it knows |
//! |---|---|
//! | [`config`] | the command line and the configuration file |
//! | [`rules`] | who may run which program |
//! | [`mod@log`] | where log lines go |
//! | [`os`] | what the server asks of the system: sockets, programs, signals, the poller |
//! | [`id`] | the number of a connection, a plain value for all |
//! | [`program`] | plain values about a program: arguments, outputs, how it ended |
//! | [`signal`] | signals by name and by number |
//! | [`wire`] | what goes over the sockets: buffers, framing, one file for each protocol |
//! | [`session`] | what one connection does next: the state machine, its timers and limits |
//! | [`control`] | the messages of the control socket, and their client |
//! | [`quota`] | totals that connections share: what each holds, and gives back once |
//! | [`schedule`] | which connections are served, and whose program starts next |
//! | [`record`] | what is said of a job: in the log, at SIGUSR1, in `jobs` |
//! | [`connection`] | the descriptors of one client and its program: moves bytes |
//! | [`statistics`] | counts, and how long jobs took lately |
//! | [`server`] | the loop: wait, dispatch, expire, admit, remove |
//! | [`client`] | the other side, for Rust programs |
//!
//! [`rules`], [`wire`] and [`session`] make no system call, read no clock and never log; [`os`] knows
//! no protocol. `tests/tidy.rs` sees to that.

pub mod client;
pub mod config;
pub mod connection;
pub mod control;
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
pub mod signal;
pub mod statistics;
pub mod wire;
