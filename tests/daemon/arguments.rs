//! The command line: the seed's flags, their long names, and errors that help.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::{Daemon, End};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

fn run(arguments: &[&str]) -> Output {
    finish(command(PROGRAM).args(arguments))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_flag_and_default() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for word in [
        "-v, --version",
        "-d, --debug",
        "-q, --queue",
        "-M, --mode",
        "-m, --max-connections",
        "-t, --timeout",
        "-k, --kill-timeout",
        "--stop-grace",
        "--log",
        "--inetd",
        "--termsig",
        "--idle-exit",
        "--help",
        "PATH",
        "100",
        "0660",
        "60",
        "10",
    ] {
        assert!(help.contains(word), "no {word} in {help}");
    }
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

/// The long names in a text, each behind `prefix`.
fn names<'a>(lines: impl Iterator<Item = &'a str>, prefix: &str) -> BTreeSet<&'a str> {
    let part = |c: char| c.is_ascii_lowercase() || c == '-';
    lines
        .flat_map(|line| {
            line.match_indices(prefix)
                .map(|(at, _)| &line[at + prefix.len()..])
        })
        .map(|rest| &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())])
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn manual_and_completions_have_the_same_options() {
    let output = run(&["--help"]);
    let help = text(&output.stdout);
    let options = |line: &&str| line.trim_start().starts_with('-');
    let wanted = names(help.lines().filter(options), "--");
    assert!(wanted.len() > 5, "{wanted:?}");
    for (path, start, prefix) in [
        ("man/sockexec.8", ".It Fl ", " -"),
        ("completions/sockexec.bash", "        -", "--"),
        ("completions/_sockexec", "    '", "--"),
        ("completions/sockexec.fish", "complete ", " -l "),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let found = fs::read_to_string(&path).unwrap();
        let lines = found.lines().filter(|line| line.starts_with(start));
        // The words of a question follow --explain, and are no options of the server.
        let lines = lines.filter(|line| !line.contains(" -n '__fish_contains_opt explain'"));
        assert_eq!(names(lines, prefix), wanted, "{}", path.display());
    }
}

#[test]
fn the_version_is_the_packages() {
    for flag in ["-v", "--version"] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        let version = text(&output.stdout);
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    }
}

#[test]
fn usage_errors_name_the_flag_and_the_range() {
    let path = "/nonexistent/never-bound";
    for (arguments, words) in [
        (&["-m", "0", path][..], &["--max-connections", "1"][..]),
        (&["-m", "-1", path], &["--max-connections", "1 to 1000000"]),
        (&["-q", "-1", path], &["--queue", "1 to 65535"]),
        (&["-M", "-1", path], &["--mode", "0 to 0777"]),
        (&["-k", "-1", path], &["--kill-timeout", "0 to 315360000"]),
        (&["-m", "many", path], &["--max-connections", "many", "1"]),
        (
            &["-m", "99999999999999999999", path],
            &["--max-connections", "1"],
        ),
        (&["-q", "0", path], &["--queue", "1"]),
        (&["-q", "", path], &["--queue", "1"]),
        (&["-M", "999", path], &["--mode", "0777"]),
        (&["-M", "1777", path], &["--mode", "0777"]),
        (&["-M", "rw", path], &["--mode", "0777"]),
        (&["-t", "-1", path], &["--timeout", "0 to 315360000"]),
        (&["-t", "soon", path], &["--timeout", "soon", "0"]),
        (&["-t", "NaN", path], &["--timeout", "0"]),
        (&["-t", "inf", path], &["--timeout", "0"]),
        (&["-t", "1e30", path], &["--timeout", "0"]),
        (&["-k", "x", path], &["--kill-timeout", "x"]),
        (&["--stop-grace", "-1", path], &["--stop-grace", "0 to"]),
        (&["--idle-exit", "-1", path], &["--idle-exit", "0 to"]),
        (&["--sockproc", "-1", path], &["--sockproc", "1 to 65535"]),
        (&["--stop-grace", "x", path], &["--stop-grace", "x"]),
        (&["--log", "printer", path], &["--log", "syslog", "stderr"]),
        (
            &["--termsig", "both", path],
            &["--termsig", "number", "name"],
        ),
        (&["--idle-exit", "x", path], &["--idle-exit"]),
        (&["--no-such-flag", path], &["--no-such-flag"]),
        (&["-z", path], &["-z"]),
        (&[], &["PATH"]),
        (&["-m", "5"], &["PATH"]),
        (&[path, "another"], &["another"]),
    ] {
        let output = run(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(100), "{arguments:?}: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?}: no {word} in {error}");
        }
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
}

#[test]
fn a_path_that_cannot_be_bound_is_a_system_error() {
    let output = run(&["--log", "stderr", "/nonexistent/s"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(111), "{error}");
    let words = "/nonexistent/s: there is no directory /nonexistent";
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_path_that_is_too_long_is_named_with_the_limit() {
    let path = format!("/tmp/{}", "x".repeat(200));
    let output = run(&["--log", "stderr", &path]);
    let error = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(100 | 111)), "{error}");
    assert!(error.contains("107"), "{error}");
}

#[test]
fn a_path_of_full_length_is_served() {
    let setup = crate::common::Setup::new();
    let directory = setup.directory.path().to_str().unwrap().len();
    let path = setup.directory.join(&"x".repeat(107 - directory - 1));
    setup.socket(path).start().serves();
}

#[test]
fn long_names_do_the_same() {
    let daemon = Daemon::start(&[
        "--debug",
        "--queue",
        "10",
        "--mode",
        "0600",
        "--max-connections",
        "5",
        "--timeout",
        "0.3",
        "--kill-timeout=0.5",
    ]);
    assert_eq!(daemon.run(&["sleep", "1000"]).end, End::Signal("15".into()));
    daemon.serves();
}

#[test]
fn flags_may_follow_the_path_and_values_their_flag() {
    let setup = crate::common::Setup::new().without_path();
    let path = setup
        .directory
        .join("s")
        .into_os_string()
        .into_string()
        .unwrap();
    let daemon = setup.arguments(["-m5", &path, "-t0.3"]).start();
    assert_eq!(daemon.run(&["sleep", "1000"]).end, End::Signal("15".into()));
}
