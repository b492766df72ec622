//! The command line.

use std::path::Path;
use std::process::Command;

use sockexec::settings::KEYS;

use crate::server::{PROGRAM, stderr_of, tool};

#[test]
fn command_lines_without_sense_exit_100_and_name_the_range() {
    let nowhere = Path::new("/nonexistent/control.sock");
    for (args, part) in [
        (&[][..], "Usage"),
        (&["no-such-command"], "no-such-command"),
        (&["status", "more"], "more"),
        (&["kill"], "<ID|--user"),
        (&["kill", "--all", "12"], "--all"),
        (&["kill", "--all", "--user", "0"], "--all"),
        (&["kill", "12", "--rule", "web"], "--rule"),
        (
            &["kill", "--user", "no such user"],
            "there is no user \"no such user\"",
        ),
        (&["kill", "0"], "number of a job, 1 or more"),
        (
            &["kill", "KILL"],
            "a signal is given as -9, -KILL or with --signal",
        ),
        (&["kill", "-9"], "<ID|--user"),
        (&["kill", "4", "--signl", "9"], "'--signal'"),
        (&["statu"], "'status'"),
        (&["help", "no-such"], "no-such"),
        (&["kill", "one"], "[ID]"),
        (&["set"], "<NAME=VALUE>"),
        (&["set", "timeout"], "NAME=VALUE"),
        (&["set", "-1"], "not of the form NAME=VALUE"),
        (&["set", "timeout=1", "timeout=2"], "twice"),
        (&["--timeout", "0", "ping"], "0.001 to 86400"),
        (&["--timeout", "2d", "ping"], "0.001 to 86400"),
        (&["--timeout", "5min", "ping"], "90s, 5m, 1h30m"),
        (&["top", "--interval", "nan"], "--interval"),
        (&["top", "--interval", "1e9"], "0.001 to 86400"),
        (&["top", "--interval", "-1"], "0.001 to 86400"),
        (&["--timeout", "-1", "ping"], "0.001 to 86400"),
        (&["ping", "--timeout", "-0.5"], "0.001 to 86400"),
        (&["top", "--count", "0"], "1 to "),
        (&["top", "--count", "-1"], "1 to "),
    ] {
        let output = tool(nowhere, []).args(args).output().unwrap();
        let stderr = stderr_of(&output);
        assert_eq!(output.status.code(), Some(100), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_and_version_need_no_server() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["-V"],
        &["-v"],
        &["help"],
        &["help", "kill"],
        &["kill", "--help"],
    ] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn help_of_set_names_all_that_it_may_change() {
    let settable = KEYS.iter().filter(|key| key.is.settable.is_some());
    let names: Vec<_> = settable.map(|key| key.name).collect();
    for args in [&["--help"][..], &["set", "--help"]] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        // The list may be wrapped.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&names.join(", ")), "{args:?}: {help}");
    }
}
