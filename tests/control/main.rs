//! The control socket of a real daemon: each command against real jobs, the framing, the
//! permissions, and that a bad client does not affect others.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod commands;
mod config;
mod crowds;
mod drain;
mod exposition;
mod flow;
mod framing;
mod history;
mod jobs;
mod kill;
mod kills;
mod metrics;
mod page;
mod reload;
mod rules;
mod set;
mod status;
mod undrain;
mod wrong_socket;

use common::{Daemon, Setup};

/// A daemon with a control socket, and these arguments.
#[track_caller]
fn start(arguments: &[&str]) -> Daemon {
    Setup::new().control().arguments(arguments).start()
}
