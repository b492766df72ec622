//! Why a server does not start, where standard error is the journal and where it is not.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::temporary::Directory;
use crate::common::user::NOBODY;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// A server whose standard error is the journal, as far as it can know: the variable names it.
fn in_the_journal(arguments: &[&str]) -> Command {
    by("JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2)", arguments)
}

/// A server with this variable.
fn by(variable: &str, arguments: &[&str]) -> Command {
    let mut command = command("/bin/sh");
    let script = format!("{variable} exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM]).args(arguments);
    command
}

/// Its exit code, and what it writes to standard error.
fn failure(command: &mut Command) -> (i32, String) {
    let output = finish(command);
    let code = output.status.code().unwrap();
    (code, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_journal_gets_each_reason_once_as_an_error_without_advice() {
    let directory = Directory::new();
    let file = |name: &str, text: &str| directory.file(name, 0o644, text);
    let bad = file("bad", "\nqueue = 0\n");
    let rule = file("rule", "[[allow]]\nuser = \"no such user\"\n");
    let open = directory.file("open", 0o666, "queue = 5\n");
    let good = file("good", "queue = 5\n");
    let socket = directory.join("no/such/socket");
    let socket = socket.to_str().unwrap();
    for (arguments, code, reason) in [
        (
            &["-m", "0", "x"][..],
            100,
            "invalid value '0' for '--max-connections <N>': not a number from 1 to 1000000",
        ),
        (
            &["--time", "5"],
            100,
            "unexpected argument '--time' found; tip: a similar argument exists: '--timeout'",
        ),
        (&["--config", &bad, "x"], 100, "bad:2: queue: not a number"),
        (
            &["--check", "--config", &bad],
            100,
            "bad:2: queue: not a number",
        ),
        (&["--check", "--quiet", "--config", &rule], 100, "rule:2: "),
        (&["--config", &open, "x"], 100, "others could change it"),
        (&["--config", "/no/such/file", "x"], 100, "/no/such/file: "),
        (&["--config", &good], 100, "no PATH to listen at"),
        (&["--config", &good, socket], 111, socket),
        (
            &["--config", &good, "--job-user", "no such user", "x"],
            100,
            "--job-user: there is no user",
        ),
    ] {
        let (found, text) = failure(&mut in_the_journal(arguments));
        assert_eq!(found, code, "{arguments:?}: {text}");
        let last = text.lines().last().unwrap();
        // The log, once it is started, has a label in front of its errors.
        let told = last.strip_prefix("<3>").expect(last);
        assert!(told.contains(reason), "{arguments:?}: {text}");
        let errors = text.lines().filter(|line| line.starts_with("<3>"));
        assert_eq!(errors.count(), 1, "{text}");
        for unwanted in ["sockexec: ", "--help'", "Usage:"] {
            assert!(!text.contains(unwanted), "{text}");
        }
    }
}

#[test]
fn elsewhere_the_name_is_in_front_and_options_come_with_advice() {
    let directory = Directory::new();
    let bad = directory.file("bad", 0o644, "\nqueue = 0\n");
    // The variable of another process's standard error.
    let other = "JOURNAL_STREAM=8:1234";
    let (_, text) = failure(&mut by(other, &["--config", &bad, "x"]));
    assert!(
        text.starts_with(&format!("sockexec: {bad}:2: queue")),
        "{text}"
    );
    let (_, text) = failure(&mut by(other, &["-m", "0", "x"]));
    assert!(text.starts_with("error: invalid value '0'"), "{text}");
    assert!(text.contains("try '--help'"), "{text}");
}

#[test]
fn warnings_of_a_check_are_warnings_in_the_journal() {
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, "burst = 5\ndefault = \"allow\"\n");
    let warning = "<4>warning: burst has no effect without requests-per-second\n";
    let (code, text) = failure(&mut in_the_journal(&["--check", "--config", &file]));
    assert_eq!(code, 0);
    assert!(text.contains(warning), "{text}");
}

#[test]
fn a_quiet_check_prints_only_what_is_wrong() {
    let directory = Directory::new();
    let check = |text: &str| {
        let file = directory.file("f.toml", 0o644, text);
        let output = finish(command(PROGRAM).args(["--check", "--quiet", "--config", &file]));
        (output.status.code(), output.stdout, output.stderr)
    };
    assert_eq!(check("burst = 5\n"), (Some(0), vec![], vec![]));
    let (code, told, error) = check("burst = 0\n");
    assert_eq!((code, told), (Some(100), vec![]));
    assert!(
        String::from_utf8(error)
            .unwrap()
            .contains("f.toml:1: burst")
    );
    let output = finish(command(PROGRAM).args(["--quiet", "x"]));
    assert_eq!(output.status.code(), Some(100));
}

#[test]
fn a_check_by_the_unit_finds_that_privileges_are_missing() {
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, "run-as = \"daemon\"\n");
    let check = |variable: &str| {
        let mut command = by(variable, &["--check", "--config", &file]);
        if own_user().0 == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        failure(&mut command)
    };
    let (code, text) = check("SYSTEMD_EXEC_PID=$$");
    assert_eq!(code, 100, "{text}");
    assert!(text.contains("run-as needs capabilities"), "{text}");
    // By hand, or by a process of a unit, anyone may check the file of another user's server.
    for other in ["SYSTEMD_EXEC_PID=1", "SYSTEMD_EXEC_PID="] {
        assert_eq!(check(other).0, 0);
    }
}
