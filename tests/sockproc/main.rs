//! The sockproc protocol, by the real daemon: as its document shows it, on UNIX sockets
//! and TCP, with much input and output, and under the name of the program that it replaces.

#[path = "../common/mod.rs"]
mod common;

mod ending;
mod large;
mod replies;
mod second_name;
mod tcp;

use common::{Daemon, Setup};

/// A daemon that serves sockproc, and nothing else, with these arguments.
#[track_caller]
fn start(arguments: &[&str]) -> Daemon {
    Setup::new().sockproc().arguments(arguments).start()
}

/// The same, with this configuration file.
#[track_caller]
fn configured(text: &str) -> Daemon {
    Setup::new().sockproc().config(text).start()
}
