//! Files that are read, and files that keep the daemon from starting.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::own_user;
use crate::common::temporary::Directory;
use crate::common::{Daemon, End, Setup, skip};

/// Starts a daemon that must refuse to start, and returns its message.
#[track_caller]
fn refused(file: &str, arguments: &[&str]) -> String {
    let output = finish(
        command(PROGRAM)
            .args(["--config", file])
            .args(arguments)
            .arg("/nonexistent/never-bound"),
    );
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(100), "{error}");
    assert!(output.stdout.is_empty());
    error
}

fn killed(daemon: &Daemon) -> End {
    daemon.shell("kill -TERM $$").end
}

#[test]
fn a_mistake_is_told_with_file_line_and_what_is_accepted() {
    let directory = Directory::new();
    for (text, line, error) in [
        (
            "# queue\nqueue = 70000\n",
            2,
            "queue: not a number from 1 to 65535",
        ),
        ("queue = \n", 1, ""),
        ("\nquue = 5\n", 2, "quue: not a key"),
        (
            "[[allow]]\nuser = \"no such user\"\n",
            2,
            "user: there is no user \"no such user\"",
        ),
    ] {
        let file = directory.file("f.toml", 0o644, text);
        let told = refused(&file, &[]);
        let expected = format!("sockexec: {file}:{line}: {error}");
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[test]
fn a_mistake_counts_where_an_option_would_win() {
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o644, "queue = 0");
    assert!(refused(&file, &["-q", "5"]).contains(":1: queue"));
}

#[test]
fn the_second_name_reads_a_file_too() {
    let directory = Directory::new();
    let name = directory.join("sockproc");
    std::os::unix::fs::symlink(PROGRAM, &name).unwrap();
    let file = directory.file("f.toml", 0o644, "queue = 0");
    let output = finish(command(name).args(["--config", &file, "--foreground", "13000"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(100), "{error}");
    assert!(error.contains(":1: queue"), "{error}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let told = refused("/nonexistent/f.toml", &[]);
    assert!(told.contains("/nonexistent/f.toml: No such file"), "{told}");
}

#[test]
fn what_cannot_be_read_again_is_refused() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    for path in [&fifo[..], directory.path().to_str().unwrap()] {
        let told = refused(path, &[]);
        assert!(told.contains("not a regular file"), "{told}");
    }
    let large = directory.file("large", 0o644, vec![b'#'; 1024 * 1024 + 1]);
    let told = refused(&large, &[]);
    assert!(told.contains("larger than 1048576 bytes"), "{told}");
}

#[test]
fn an_unreadable_file_is_refused() {
    if own_user().0 == 0 {
        skip::say("root can read every file");
        return;
    }
    let directory = Directory::new();
    let file = directory.file("f.toml", 0o000, "");
    let told = refused(&file, &[]);
    assert!(told.contains("Permission denied"), "{told}");
}

#[test]
fn settings_of_the_file_are_in_force() {
    let daemon = Setup::new()
        .config("termsig = \"name\"\ntimeout = 0.3\nmode = \"0600\"\nlog-level = \"debug\"")
        .start();
    assert_eq!(killed(&daemon), End::Signal("TERM".into()));
    assert_eq!(
        daemon.run(&["sleep", "1000"]).end,
        End::Signal("TERM".into())
    );
    let mode = nix::sys::stat::stat(daemon.path()).unwrap().st_mode;
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn options_win_over_the_file() {
    let daemon = Setup::new()
        .config("termsig = \"name\"\ntimeout = 0.3\nmode = \"0600\"")
        .arguments(["--termsig", "number", "--mode", "0660"])
        .start();
    assert_eq!(killed(&daemon), End::Signal("15".into()));
    let mode = nix::sys::stat::stat(daemon.path()).unwrap().st_mode;
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_log_level_is_kept_to() {
    let daemon = Setup::new()
        .config("log-level = \"info\"")
        .arguments(["--log-level", "warn"])
        .start();
    daemon.serves();
    daemon
        .run(&["no such program"])
        .refused(127, &["No such file"]);
    daemon
        .log
        .wait_for("the fault", |line| line.contains("no such program"));
    assert!(!daemon.log.all().iter().any(|line| line.contains("served")));
}
