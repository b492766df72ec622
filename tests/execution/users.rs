//! Programs that run as another user than the server.

use crate::common::process::field_of;
use crate::common::user::NOBODY;
use crate::common::{Daemon, Setup, skip};
use crate::start;
use nix::unistd::{Gid, User, getgrouplist};
use std::ffi::CString;
use std::os::unix::fs::chown;

/// The user of the tests' programs, which every Debian has.
const USER: &str = "daemon";

/// `CAP_KILL`, `CAP_SETGID` and `CAP_SETUID`, as bits.
const THREE: u64 = 1 << 5 | 1 << 6 | 1 << 7;

fn user(name: &str) -> User {
    User::from_name(name).unwrap().unwrap()
}

fn numbers(all: impl IntoIterator<Item = u32>) -> String {
    let all: Vec<_> = all.into_iter().map(|n| n.to_string()).collect();
    all.join("\t")
}

/// Checks that the program with this status is the user's, with its groups and no others, and has
/// no privileges and cannot gain any.
#[track_caller]
fn is_only(name: &str, status: &str) {
    let user = user(name);
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    assert_eq!(field_of(status, "Uid"), numbers([uid; 4]));
    assert_eq!(field_of(status, "Gid"), numbers([gid; 4]));
    let groups = getgrouplist(&CString::new(name).unwrap(), user.gid).unwrap();
    let mut groups: Vec<_> = groups.into_iter().map(Gid::as_raw).collect();
    groups.sort_unstable();
    assert_eq!(
        field_of(status, "Groups")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("\t"),
        numbers(groups)
    );
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field_of(status, set), "0".repeat(16), "{set}");
    }
    assert_eq!(field_of(status, "NoNewPrivs"), "1");
}

/// A daemon of another user than root, with the capabilities that the unit gives it.
#[track_caller]
fn unprivileged(config: &str) -> Daemon {
    let setup = Setup::by(&[
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+setuid,+setgid,+kill",
        "--ambient-caps=-all,+setuid,+setgid,+kill",
        "--bounding-set=-all,+setuid,+setgid,+kill",
    ])
    .config(config);
    chown(setup.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    setup.start()
}

#[test]
fn a_program_is_its_user_with_its_groups_and_without_privileges() {
    if !skip::unless_root() {
        return;
    }
    for name in [USER, "nobody", "www-data"] {
        let config = format!("run-as = \"{name}\"\n");
        // Root may empty the set of what can be gained at all; others have what they came with.
        for (daemon, bounding) in [(start(&config), 0), (unprivileged(&config), THREE)] {
            let status = daemon.run(&["cat", "/proc/self/status"]).succeeded();
            is_only(name, &status);
            assert_eq!(field_of(&status, "CapBnd"), format!("{bounding:016x}"));
        }
    }
}
