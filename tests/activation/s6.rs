//! Sockets from s6, as descriptor 0.

use crate::common::daemon::{PROGRAM, command};
use crate::common::lines::Lines;
use crate::common::process::{children, eventually};
use crate::common::skip;
use crate::common::temporary::Directory;
use crate::{Starter, run, serves};
use std::process::{ChildStdout, Stdio};

/// The standard output of a starter, which prints a line there when it listens.
fn wait_line(output: ChildStdout) {
    Lines::read(output).wait_for("an empty line", |_| true);
}

#[test]
fn s6_hands_over_a_listening_socket() {
    let Some(program) = skip::unless_tool("s6-ipcserver-socketbinder") else {
        return;
    };
    let directory = Directory::new();
    let path = directory.join("s");
    let mut starter = Starter::spawn(
        command(program)
            .arg("--")
            .arg(&path)
            .arg(PROGRAM)
            .args(["--inetd", "--idle-exit", "1", "--log", "stderr"])
            .stdout(Stdio::null()),
    );
    starter.wait_for("serving");
    serves(&path);
    assert_eq!(starter.wait().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn s6_hands_over_a_connection() {
    let Some(program) = skip::unless_tool("s6-ipcserver") else {
        return;
    };
    let directory = Directory::new();
    let path = directory.join("s");
    let mut starter = Starter::spawn(
        command(program)
            .args(["-1", "--"])
            .arg(&path)
            .arg(PROGRAM)
            .args(["--inetd", "--log", "stderr"])
            .stdout(Stdio::piped()),
    );
    wait_line(starter.child.stdout.take().unwrap());
    serves(&path);
    // The superserver's information about the client is used for the program, too.
    let env = run(&path, "exec env").succeeded();
    let count = env.lines().filter(|l| l.starts_with("PROTO=")).count();
    assert_eq!(count, 1, "{env}");
    eventually("all have ended", || children(starter.pid()).is_empty());
}
