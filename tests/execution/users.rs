//! Programs that run as another user than the server.

use crate::common::inject::Injection;
use crate::common::process::{self, field_of};
use crate::common::{End, Setup, shell, skip};
use crate::servers::{THREE, numbers, stepped_down, unprivileged};
use crate::{line, start};
use nix::unistd::{Gid, User, getgrouplist};
use std::ffi::CString;

/// The user of the tests' programs, which every Debian has.
const USER: &str = "daemon";

fn user(name: &str) -> User {
    User::from_name(name).unwrap().unwrap()
}

/// Checks that the program with this status is the user's, with its groups and no others, and has
/// no privileges and cannot gain any.
#[track_caller]
pub fn is_only(name: &str, status: &str) {
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

#[test]
fn a_program_is_its_user_with_its_groups_and_without_privileges() {
    if !skip::unless_root() {
        return;
    }
    for name in [USER, "man", "www-data"] {
        let config = format!("run-as = \"{name}\"\n");
        for daemon in [start(&config), unprivileged(&config), stepped_down(&config)] {
            let status = daemon.run(&["cat", "/proc/self/status"]).succeeded();
            is_only(name, &status);
            let bounding = process::status(daemon.pid(), "CapBnd");
            assert_eq!(field_of(&status, "CapBnd"), bounding);
        }
    }
}

#[test]
fn a_program_has_the_home_of_its_user_and_nothing_of_the_servers() {
    if !skip::unless_root() {
        return;
    }
    let daemon = Setup::new()
        .config("run-as = \"daemon\"\nenvironment = { SHELL = \"/own\", A = \"b c\" }\n")
        .env("HOME", "/the/servers")
        .env("USER", "root")
        .env("XDG_RUNTIME_DIR", "/run/user/0")
        .env("KEPT", "1")
        .start();
    let text = daemon.run(&["env"]).succeeded();
    let mut lines: Vec<_> = text.lines().map(|l| l.split('=').next().unwrap()).collect();
    lines.sort_unstable();
    let count = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), count, "{text}");
    assert!(!lines.contains(&"XDG_RUNTIME_DIR"), "{text}");
    let home = format!("HOME={}", user(USER).dir.display());
    for line in [
        &home[..],
        "USER=daemon",
        "LOGNAME=daemon",
        "SHELL=/own",
        "A=b c",
        "KEPT=1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
}

#[test]
fn the_servers_groups_are_left_behind() {
    if !skip::unless_root() {
        return;
    }
    let daemon = Setup::by(&["setpriv", "--groups", "4,24,1234"])
        .config("run-as = \"nobody\"\n")
        .start();
    is_only(
        "nobody",
        &daemon.run(&["cat", "/proc/self/status"]).succeeded(),
    );
}

#[test]
fn a_program_never_runs_as_another_user_than_configured() {
    if !skip::unless_root() {
        return;
    }
    for call in ["setgroups", "setresgid", "setresuid", "capset"] {
        let daemon = start("run-as = \"daemon\"\n");
        let made = daemon.directory.join("made");
        let failure = format!("{call}:error=EPERM");
        let Some(injection) = Injection::start_in_programs(&daemon, &failure) else {
            return;
        };
        let reply = daemon.run(&["touch".as_bytes(), made.as_os_str().as_encoded_bytes()]);
        reply.refused(126, &["cannot become daemon: Operation not permitted"]);
        injection.wait_hits(1);
        assert!(!made.exists(), "{call}");
    }
}

#[test]
fn its_outputs_can_be_opened_by_name() {
    if !skip::unless_root() {
        return;
    }
    let daemon = unprivileged("run-as = \"daemon\"\n");
    let reply = daemon.shell("echo out > /dev/stdout; echo err > /dev/stderr; cat < /dev/stdin");
    assert_eq!((&*reply.out(), &*reply.err()), ("out\n", "err\n"));
    assert_eq!(reply.end, End::Exit(0));
}

#[test]
fn root_by_a_rule_has_no_capabilities_unless_it_may_gain_some() {
    if !skip::unless_root() {
        return;
    }
    let daemon = unprivileged(
        "[[allow]]\nprogram = \"/usr/bin/cat\"\nrun-as = \"root\"\n\
         [[allow]]\nprogram = \"/usr/bin/head\"\nrun-as = \"root\"\nno-new-privileges = false\n",
    );
    let status = daemon.run(&["cat", "/proc/self/status"]).succeeded();
    is_only("root", &status);
    let status = daemon
        .run(&["head", "-n99", "/proc/self/status"])
        .succeeded();
    assert_eq!(field_of(&status, "Uid"), numbers([0; 4]));
    assert_eq!(field_of(&status, "NoNewPrivs"), "0");
    // As much as the server's unit leaves for any process.
    assert_eq!(field_of(&status, "CapEff"), format!("{THREE:016x}"));
}

#[test]
fn a_limit_of_processes_is_no_limit_of_programs() {
    // A user of Debian's of whom nothing else runs.
    const LIMITED: &str = "games";
    if !skip::unless_root() {
        return;
    }
    if User::from_name(LIMITED).unwrap().is_none() {
        return skip::missing("there is no user games");
    }
    let daemon = start(&format!(
        "run-as = \"{LIMITED}\"\nlimits = {{ processes = 1 }}\n"
    ));
    let mut first = daemon.begin(shell("echo $$; exec sleep 1000"));
    first.line();
    // The second is executed, and cannot make another process.
    assert_eq!(line(&daemon, "echo here"), "here");
    let reply = daemon.shell("echo here; /usr/bin/true; :");
    assert_eq!(reply.out(), "here\n");
    assert!(reply.err().contains("fork"), "{}", reply.err());
}
