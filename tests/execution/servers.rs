//! Servers with the privileges to run programs as other users, or without.

use crate::common::user::NOBODY;
use crate::common::{Daemon, Setup};
use std::os::unix::fs::chown;

/// `CAP_KILL`, `CAP_SETGID` and `CAP_SETUID`, as bits.
pub(crate) const THREE: u64 = 1 << 5 | 1 << 6 | 1 << 7;

pub(crate) fn numbers(all: impl IntoIterator<Item = u32>) -> String {
    let all: Vec<_> = all.into_iter().map(|n| n.to_string()).collect();
    all.join("\t")
}

/// A daemon of another user than root, to which its manager gives these capabilities.
pub(crate) fn ordinary(capabilities: &str) -> Setup {
    let capabilities = format!("-all{capabilities}");
    let setup = Setup::by(&[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        &format!("--inh-caps={capabilities}"),
        &format!("--ambient-caps={capabilities}"),
        &format!("--bounding-set={capabilities}"),
    ]);
    chown(setup.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    setup
}

/// A daemon with what the unit gives it.
#[track_caller]
pub(crate) fn unprivileged(config: &str) -> Daemon {
    ordinary(",+setuid,+setgid,+kill").config(config).start()
}

/// A daemon that root starts, and that becomes another user by itself.
#[track_caller]
pub(crate) fn stepped_down(config: &str) -> Daemon {
    Setup::new()
        .arguments(["--user", "nobody"])
        .config(config)
        .start()
}
