//! The daemon from an administrator's view: flags, the socket's file, signals, the log, the
//! supervisor, and shortages of the system.

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod audit;
mod costs;
mod grace;
mod journal;
mod log;
mod memory;
mod notify;
mod records;
mod shortage;
mod signals;
mod socket_file;
mod syslog;
mod usage;
