//! The system calls of a new process before it executes its program: none more than asked for.

use crate::common::inject::Injection;
use crate::common::process::eventually;
use crate::common::{Daemon, Setup, skip};
use nix::sys::resource::{Resource, setrlimit};

/// The calls of the process that executes `/usr/bin/true`, up to that.
#[track_caller]
fn calls(daemon: &Daemon) -> Option<Vec<String>> {
    let injection = Injection::watch_programs(daemon)?;
    daemon.run(&["/usr/bin/true"]).succeeded();
    let executed = || {
        let text = injection.text();
        let line = text
            .lines()
            .find(|line| line.contains(" execve(\"/usr/bin/true\""))?;
        let pid = line.split(' ').next()?.to_owned();
        Some((text.clone(), pid))
    };
    eventually("the program is executed", || executed().is_some());
    let (text, pid) = executed().unwrap();
    let own = text.lines().filter_map(|line| line.strip_prefix(&pid));
    // A call that was interrupted by another process's has two lines.
    let own = own
        .map(str::trim_start)
        .filter(|line| !line.starts_with('<'));
    let names = own.map(|line| line[..line.find('(').unwrap_or(line.len())].to_owned());
    let names = names.take_while(|name| name != "execve").collect();
    Some(names)
}

/// A daemon that does not change the limit of descriptors for its programs.
fn start(config: &str) -> Daemon {
    let limit = || Ok(setrlimit(Resource::RLIMIT_NOFILE, 1024, 1024)?);
    Setup::new().config(config).before_exec(limit).start()
}

const PLAIN: [&str; 11] = [
    "close_range",
    "dup3",
    "dup3",
    "dup3",
    "close_range",
    "setsid",
    "rt_sigaction",
    "rt_sigaction",
    "prctl",
    "getppid",
    "rt_sigprocmask",
];

#[test]
fn a_program_with_nothing_asked_for_costs_no_call_more() {
    let daemon = start("");
    let Some(calls) = calls(&daemon) else {
        return;
    };
    assert_eq!(calls, PLAIN);
}

#[test]
fn each_thing_asked_for_costs_its_own_calls() {
    if !skip::unless_root() {
        return;
    }
    let daemon = start(
        "run-as = \"nobody\"\nnice = 1\numask = \"077\"\ndirectory = \"/\"\n\
         limits = { core = 0, processes = 5000 }\n",
    );
    let Some(calls) = calls(&daemon) else {
        return;
    };
    assert_eq!(
        calls,
        [
            &PLAIN[..4],
            // Its streams, opened to its user.
            &["fchmod"; 3],
            &PLAIN[4..8],
            &["setpriority", "umask", "prlimit64", "prlimit64"],
            &["setgroups", "setresgid", "setresuid"],
            // Its memory, and no capabilities.
            &["prctl", "capset"],
            &["prlimit64", "prlimit64", "prctl", "chdir"],
            &PLAIN[8..],
        ]
        .concat()
    );
}
