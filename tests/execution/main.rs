//! How programs are executed: their limits, their surroundings, and the users as which they run.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod combined;
mod directory;
mod ends;
mod limits;
mod peers;
mod privileges;
mod servers;
mod surroundings;
mod users;

use common::{Daemon, Setup};

/// A daemon with this configuration.
#[track_caller]
fn start(config: &str) -> Daemon {
    Setup::new().config(config).start()
}

/// The only line of the reply to a shell script.
#[track_caller]
fn line(daemon: &Daemon, script: &str) -> String {
    daemon.shell(script).succeeded().trim_end().to_owned()
}
