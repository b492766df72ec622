//! Skipping a test when the machine lacks something: loudly, and with
//! `SOCKEXEC_TESTS_STRICT=1` a missing tool is a failure.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Write;
use std::path::PathBuf;
use std::{env, thread};

/// Reports that the running test is skipped. Bypasses the test harness, which would keep
/// the line to itself because the test passes.
pub fn say(reason: &str) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name}: {reason}");
}

/// True for root. Otherwise the test is skipped.
pub fn unless_root() -> bool {
    let root = super::process::own_user().0 == 0;
    if !root {
        say("needs root");
    }
    root
}

/// Raises our own limit of descriptors as far as it goes. Otherwise the test is skipped.
pub fn unless_descriptors(count: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < count {
        say(&format!("{count} descriptors are needed, {hard} allowed"));
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    true
}

/// Finds a program in PATH and the directories of system programs. Otherwise the test
/// is skipped, or fails where strictness is asked for.
pub fn unless_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = directories.map(|d| d.join(name)).find(|p| p.is_file());
    if found.is_none() {
        missing(&format!("there is no {name}"));
    }
    found
}

/// Reports that a tool is missing that a package in `tests/packages` would bring.
pub fn missing(what: &str) {
    let strict = env::var_os("SOCKEXEC_TESTS_STRICT").is_some_and(|v| v == "1");
    assert!(!strict, "{what}, and SOCKEXEC_TESTS_STRICT=1 is set");
    say(what);
}
