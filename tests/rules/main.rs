//! Rules, enforced by a real daemon: rules of the configuration file, their limits, and the
//! share of the slots that one user may have.

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod change;
mod default;
mod explain;
mod jobs;
mod people;
mod prefix;
mod programs;
mod rates;
mod share;
mod timeout;
mod titles;

use common::{Client, Daemon, Setup, shell};

/// A daemon with these rules, and a control socket.
#[track_caller]
fn start(rules: &str) -> Daemon {
    Setup::new().control().config(rules).start()
}

/// A job that runs until its input ends.
#[track_caller]
fn held(daemon: &Daemon) -> Client {
    let mut client = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(client.line(), "up");
    client
}

/// Ends it.
#[track_caller]
fn end(mut client: Client) {
    client.send("0:,");
    client.reply().succeeded();
}
