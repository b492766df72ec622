//! The limits of a program, its niceness and its umask.

use crate::common::{End, skip};
use crate::{line, start};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;

/// The soft and the hard limit in the line of this name in `/proc/self/limits`.
#[track_caller]
fn limits_of(text: &str, name: &str) -> [String; 2] {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    let mut words = line.split_whitespace().map(str::to_owned);
    [(); 2].map(|()| words.next().unwrap())
}

#[test]
fn each_limit_is_soft_and_hard() {
    let daemon = start(
        "limits = { cpu = 10, memory = \"1G\", file-size = \"1M\", processes = 5000, \
         open-files = 64, core = 0 }\n",
    );
    let text = daemon.run(&["cat", "/proc/self/limits"]).succeeded();
    for (name, soft, hard) in [
        // The program gets SIGXCPU first, and a moment to end.
        ("Max cpu time", "10", "11"),
        ("Max address space", "1073741824", "1073741824"),
        ("Max file size", "1048576", "1048576"),
        ("Max processes", "5000", "5000"),
        ("Max open files", "64", "64"),
        ("Max core file size", "0", "0"),
    ] {
        assert_eq!(limits_of(&text, name), [soft, hard], "{name}");
    }
}

#[test]
fn a_rule_limits_its_own_programs_only() {
    let daemon = start(
        "limits = { open-files = 128 }\n\
         [[allow]]\nprogram = \"/usr/bin/cat\"\nlimits = { file-size = 4096 }\n\
         [[allow]]\nprogram = \"*\"\nlimits = { open-files = 32 }\n",
    );
    let cat = daemon.run(&["cat", "/proc/self/limits"]).succeeded();
    assert_eq!(limits_of(&cat, "Max file size"), ["4096", "4096"]);
    assert_eq!(limits_of(&cat, "Max open files"), ["128", "128"]);
    let head = daemon
        .run(&["head", "-n", "99", "/proc/self/limits"])
        .succeeded();
    assert_eq!(limits_of(&head, "Max open files"), ["32", "32"]);
    let (size, _) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    if size == nix::libc::RLIM_INFINITY {
        assert_eq!(limits_of(&head, "Max file size")[0], "unlimited");
    }
}

#[test]
fn a_limit_is_never_above_the_servers() {
    let daemon = crate::common::Setup::new()
        .config("limits = { core = \"1G\", file-size = \"1G\" }\n")
        .before_exec(|| {
            let of_file = Resource::RLIMIT_FSIZE;
            nix::sys::resource::setrlimit(Resource::RLIMIT_CORE, 4096, 8192)?;
            Ok(nix::sys::resource::setrlimit(of_file, 1 << 20, 1 << 21)?)
        })
        .start();
    let text = daemon.run(&["cat", "/proc/self/limits"]).succeeded();
    assert_eq!(limits_of(&text, "Max core file size"), ["8192", "8192"]);
    assert_eq!(limits_of(&text, "Max file size"), ["2097152", "2097152"]);
}

#[test]
fn a_limit_that_strikes_is_seen_as_itself() {
    let daemon = start("limits = { file-size = 10, cpu = 1 }\n");
    let file = daemon.directory.join("file");
    let script = format!("exec head -c 100 /dev/zero > {}", file.display());
    let end = daemon.shell(&script).end;
    assert_eq!(end, End::Signal((Signal::SIGXFSZ as i32).to_string()));
    let end = daemon.shell("while :; do :; done").end;
    assert_eq!(end, End::Signal((Signal::SIGXCPU as i32).to_string()));
}

#[test]
fn niceness_and_umask_are_those_of_the_configuration() {
    let daemon = start("nice = 7\numask = \"0027\"\n");
    assert_eq!(line(&daemon, "nice; umask"), "7\n0027");
    let daemon = start("");
    // SAFETY: asks for a number.
    let own = unsafe { nix::libc::getpriority(nix::libc::PRIO_PROCESS, 0) };
    assert_eq!(line(&daemon, "nice"), own.to_string());
}

#[test]
fn a_limit_above_the_servers_own_is_a_warning() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let more = 1_u64 << 30;
    if hard >= more {
        return skip::say("this process may have any number of descriptors");
    }
    let daemon = start(&format!(
        "limits = {{ open-files = {more} }}\n[[allow]]\nname = \"a\"\nprogram = \"*\"\n\
         limits = {{ open-files = {} }}\n",
        more - 1
    ));
    for (place, limit) in [("", more), ("rule 1 (a): ", more - 1)] {
        let warning = format!(
            "warning: {place}limits.open-files: {limit} is above the server's own limit, {hard}, \
             which holds"
        );
        daemon
            .log
            .wait_for("the warning", |line| line.ends_with(&warning));
    }
}
