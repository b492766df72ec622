//! `--check`: whether the configuration is valid, without a server.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::temporary::Directory;
use std::process::Output;

fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = finish(command(PROGRAM).arg("--check").args(arguments));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_valid_file_is_said_with_its_rules() {
    let directory = Directory::new();
    let file = |text: &str| directory.file("f.toml", 0o644, text);
    let rule = "[[allow]]\nprogram = \"/usr/bin/id\"\n";
    for (text, rules) in [
        (
            "queue = 5\n",
            "no rules: any client that can connect may run anything",
        ),
        (
            rule,
            "1 rule; any other request is refused\nrule 1: every client; program /usr/bin/id",
        ),
        (
            "default = \"deny\"\n",
            "no rules, and the default is to deny: no program may run",
        ),
    ] {
        let path = file(text);
        let told = format!("{path} is valid; {rules}\n");
        let (code, stdout, stderr) = check(&["--config", &path]);
        assert_eq!((code, stdout), (Some(0), told));
        // A user other than root runs programs that can change the file.
        let runs_some = !rules.contains("any client") && !rules.contains("no program");
        let warned = own_user().0 != 0 && runs_some;
        assert_eq!(stderr.contains("can change the rules"), warned, "{stderr}");
    }
    for (text, users) in [
        ("run-as = \"nobody\"\n", "; programs run as nobody"),
        (
            "run-as = \"peer\"\n",
            "; programs run as their client's user",
        ),
        (
            &format!("run-as = \"peer\"\n{rule}run-as = \"nobody\"\n{rule}"),
            "; programs run as their client's user, unless their rule has another",
        ),
        (
            &format!("{rule}run-as = \"nobody\"\n{rule}"),
            "; programs run as the server's user, unless their rule has another",
        ),
        (
            &format!("{rule}run-as = \"nobody\"\n"),
            "; programs run as nobody",
        ),
        (
            &format!("{rule}run-as = \"nobody\"\n{rule}run-as = \"peer\"\n"),
            "; programs run as the users of their rules",
        ),
    ] {
        let (code, told, _) = check(&["--config", &file(text)]);
        assert_eq!(code, Some(0));
        assert!(told.contains(&format!("{users}\n")), "{told}");
    }
    // The character device is an empty file on purpose.
    let (code, told, _) = check(&["--config", "/dev/null"]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with("/dev/null is valid; no rules"), "{told}");
}

#[test]
fn each_rule_has_a_line_and_one_that_never_decides_has_a_warning() {
    let directory = Directory::new();
    let text = "[[allow]]\nuser = 0\nprogram = \"/usr/bin/\"\nmax-jobs = 2\n[[allow]]\nuser = 0\n\
                program = \"/usr/bin/id\"\n";
    let path = directory.file("f.toml", 0o644, text);
    let (code, stdout, stderr) = check(&["--config", &path]);
    let lines: Vec<_> = stdout.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "rule 1: user 0; program /usr/bin/; max-jobs 2",
            "rule 2: user 0; program /usr/bin/id"
        ]
    );
    let warning = "sockexec: warning: rule 2 is never reached: rule 1 matches every request that \
                   it matches\n";
    assert!(stderr.contains(warning), "{stderr}");
    assert_eq!(code, Some(0));
}

#[test]
fn what_would_keep_the_server_from_starting_is_an_error() {
    let directory = Directory::new();
    let good = directory.file("good", 0o644, "queue = 5\n");
    let bad = directory.file("bad", 0o644, "\nqueue = 0\n");
    let empty = directory.file("empty", 0o644, "");
    for (arguments, error) in [
        (
            &["--config", &bad][..],
            "bad:2: queue: not a number from 1 to 65535",
        ),
        (&["--config", &bad, "-q", "5", "/some/path"], "bad:2: queue"),
        (&["--config", &empty], "empty: it is empty"),
        (
            &["--config", "/nonexistent/f"],
            "/nonexistent/f: No such file or directory\n",
        ),
        (&["--config", &good, "-t", "-1"], "--timeout"),
        // Not a place to listen at, but what was meant to be checked.
        (&[&bad], "--config names the configuration file"),
    ] {
        let (code, stdout, stderr) = check(arguments);
        assert_eq!((code, &stdout[..]), (Some(100), ""), "{stderr}");
        assert!(stderr.contains(error), "{arguments:?}: {stderr}");
    }
}

#[test]
fn nothing_is_bound_and_other_options_do_no_harm() {
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, "queue = 5\n");
    let path = directory.join("s");
    let socket = path.to_str().unwrap();
    for arguments in [
        &["--config", &file, "-d", "-m", "5", "--control", "c", socket][..],
        &["--inetd", "--config", &file],
    ] {
        let (code, stdout, stderr) = check(arguments);
        assert_eq!((code, &stderr[..]), (Some(0), ""));
        assert!(stdout.contains("is valid"), "{stdout}");
    }
    assert!(!path.exists());
}

#[test]
fn the_second_name_checks_too_with_and_without_an_address() {
    let directory = Directory::new();
    let name = directory.join("sockproc");
    std::os::unix::fs::symlink(PROGRAM, &name).unwrap();
    let good = directory.file("good", 0o644, "queue = 5\n");
    let bad = directory.file("bad", 0o644, "queue = 0\n");
    for (arguments, code) in [
        (&["--check", "--config", &good][..], 0),
        (&["--check", "--config", &good, "13000", "pidfile"], 0),
        (&["--check", "--config", &bad], 100),
        (&["--config", &good], 100),
    ] {
        let output = finish(command(&name).args(arguments));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn the_last_file_that_is_named_counts() {
    let directory = Directory::new();
    let good = directory.file("good", 0o644, "queue = 5\n");
    let (code, told, _) = check(&["--config", "/nonexistent", "--config", &good]);
    assert_eq!(code, Some(0));
    assert!(told.starts_with(&good), "{told}");
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let directory = Directory::new();
    let rule = "[[allow]]\nprogram = \"/usr/bin/id\"\n";
    let other = |text: &str| format!("[[allow]]\nname = \"a\"\n{text}\n");
    for (text, warning) in [
        (
            "burst = 5",
            "burst has no effect without requests-per-second",
        ),
        (
            "detached-max = 5\ncontain = true",
            "detached-max has no effect without detach = true",
        ),
        (
            "log = \"stderr\"\nlog-facility = \"local0\"",
            "log-facility has no effect with log = \"stderr\"",
        ),
        (
            &format!("{rule}run-as = \"root\"\nlimits = {{ processes = 5 }}"),
            "rule 1: limits.processes has no effect on programs of root",
        ),
        (
            "directory = \"/no such\"",
            "directory: /no such does not exist",
        ),
        (
            "directory = \"/etc/passwd/\"",
            "directory: /etc/passwd/ is not a directory",
        ),
        (
            &format!("directory = \"/\"\n{rule}directory = \"/etc/passwd\""),
            "rule 1: directory: /etc/passwd is not a directory",
        ),
        (
            &other("program = \"/etc/passwd/\""),
            "rule 1 (a): /etc/passwd/ is not a directory",
        ),
        (
            &other("program = \"/etc/passwd\""),
            "rule 1 (a): /etc/passwd is not executable",
        ),
    ] {
        let path = directory.file("f.toml", 0o644, text);
        let (code, _, stderr) = check(&["--config", &path]);
        assert_eq!(code, Some(0), "{stderr}");
        let lines: Vec<_> = stderr
            .lines()
            .filter(|line| line.contains(warning))
            .collect();
        let [line] = lines[..] else {
            panic!("{stderr}");
        };
        let line = line.strip_prefix("sockexec: warning: ").unwrap();
        // A rule has a line.
        let place = line.strip_suffix(warning).unwrap();
        let is_place = |place: &str| {
            let number = place.strip_prefix(&format!("{path}:"));
            number.is_some_and(|number| matches!(number.strip_suffix(": "), Some("1" | "2" | "3")))
        };
        assert!(place.is_empty() || is_place(place), "{stderr}");
    }
    let (_, _, stderr) = check(&["--config", "/dev/null", "--cgroup", "/tmp"]);
    let warning = "sockexec: warning: --cgroup has no effect without contain = true\n";
    assert_eq!(stderr, warning);
    for text in [
        "burst = 5\nrequests-per-second = 1\nlog-facility = \"local0\"",
        "detached-max = 5\ncontain = true\ndetach = true\ndirectory = \"/\"",
    ] {
        let path = directory.file("f.toml", 0o644, text);
        let (_, _, stderr) = check(&["--config", &path]);
        assert!(!stderr.contains("effect"), "{stderr}");
    }
}
