//! The file of a program's name: as in execvp(3), but never through a shell.

use crate::common::temporary::Directory;
use crate::common::{Daemon, Setup};

/// A daemon whose PATH has these directories of its own directory before the usual ones.
fn daemon(prepare: impl FnOnce(&Directory), path: &[&str]) -> Daemon {
    let setup = Setup::new();
    prepare(&setup.directory);
    let mut all: Vec<String> = path
        .iter()
        .map(|name| setup.directory.join(name).to_str().unwrap().to_owned())
        .collect();
    all.push("/usr/bin:/bin".to_owned());
    setup.env("PATH", all.join(":")).start()
}

fn directory(parent: &Directory, name: &str) {
    std::fs::create_dir(parent.join(name)).unwrap();
}

#[test]
fn the_first_executable_file_is_taken() {
    let daemon = daemon(
        |parent| {
            for name in ["a", "b", "c"] {
                directory(parent, name);
            }
            parent.file("a/tool", 0o644, "#!/bin/sh\necho not executable\n");
            parent.file("b/tool", 0o755, "#!/bin/sh\necho \"$0 $1\"\n");
            parent.file("c/tool", 0o755, "#!/bin/sh\necho too late\n");
        },
        &["missing", "a", "b", "c"],
    );
    let out = daemon.run(&["tool", "x"]).succeeded();
    let wanted = daemon.directory.join("b/tool");
    assert_eq!(out, format!("{} x\n", wanted.display()));
}

#[test]
fn what_may_not_be_executed_is_126_when_there_is_nothing_else() {
    let daemon = daemon(
        |parent| {
            directory(parent, "a");
            parent.file("a/locked-tool", 0o644, "#!/bin/sh\n");
            directory(parent, "a/some-directory");
        },
        &["a"],
    );
    let reply = daemon.run(&["locked-tool"]);
    reply.refused(126, &["locked-tool", "Permission denied"]);
    let reply = daemon.run(&["some-directory"]);
    reply.refused(126, &["some-directory", "Permission denied"]);
    daemon.run(&["neither"]).refused(127, &["neither"]);
}

#[test]
fn a_name_with_a_slash_is_not_looked_up() {
    let daemon = daemon(
        |parent| {
            directory(parent, "a");
            directory(parent, "a/b");
            parent.file("a/b/tool", 0o755, "#!/bin/sh\necho found\n");
        },
        &["a"],
    );
    daemon.run(&["b/tool"]).refused(127, &["b/tool"]);
}

#[test]
fn there_is_a_path_without_path() {
    // inetd gives none.
    let mut setup = Setup::new();
    setup.command.env_remove("PATH");
    let daemon = setup.start();
    assert_eq!(daemon.run(&["/bin/echo", "x"]).succeeded(), "x\n");
    assert_eq!(daemon.run(&["echo", "x"]).succeeded(), "x\n");
    daemon.run(&["no-such-program"]).refused(127, &[]);
}

#[test]
fn a_path_of_any_length_is_searched() {
    let long = "/nowhere/".to_owned() + &"x".repeat(3000);
    let path = format!("{long}:{long}::/usr/bin:/bin");
    let daemon = Setup::new().env("PATH", path).start();
    daemon.serves();
    let name = "y".repeat(5000);
    let reply = daemon.run(&[&name]);
    assert!(reply.err().contains("name too long") || reply.err().contains("No such file"));
    daemon.serves();
}

#[test]
fn the_reason_does_not_carry_control_characters_away() {
    // Whatever the name is, the pair around it is sound and the code is right.
    let daemon = Daemon::start(&[]);
    for name in [&b"a\nb"[..], b"\x1b[2J", b"\xff\xfe", b"%s%n", b" "] {
        let reply = daemon.run(&[name]);
        reply.refused(127, &["No such file or directory"]);
    }
}
