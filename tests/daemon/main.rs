//! The daemon as an administrator has it: flags, the socket's file, signals, the log, the
//! supervisor, and what it does when the system is short of something.

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod audit;
mod grace;
mod log;
mod memory;
mod notify;
mod shortage;
mod signals;
mod socket_file;
mod syslog;
