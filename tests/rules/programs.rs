//! Which programs a rule is about.

use crate::common::sockproc;
use crate::common::{Daemon, Setup, skip};
use crate::start;
use std::path::Path;

#[track_caller]
fn refused(daemon: &Daemon, program: &str) {
    daemon.run(&[program]).refused(126, &[program, "rule"]);
}

#[test]
fn without_a_rule_everything_is_allowed() {
    let setup = Setup::new();
    let script = setup.directory.file("any", 0o755, "#!/bin/sh\necho any\n");
    let daemon = setup.config("timeout = 50\n").start();
    assert_eq!(daemon.run(&[&script]).succeeded(), "any\n");
    let directory = daemon.directory.path();
    let name = directory.file_name().unwrap().to_str().unwrap();
    let upwards = format!("{}/../{name}/any", directory.display());
    assert_eq!(daemon.run(&[&upwards]).succeeded(), "any\n");
}

#[test]
fn what_no_rule_allows_is_refused_with_the_reason_and_a_line() {
    let daemon = start("[[allow]]\nprogram = \"/usr/bin/echo\"\n");
    let reply = daemon.run(&["cat", "/etc/passwd"]);
    reply.refused(126, &["cat", "rule"]);
    assert_eq!(
        (reply.err().lines().count(), &reply.stdout[..]),
        (1, &b""[..])
    );
    let line = daemon
        .log
        .wait_for("the refusal", |line| line.contains("/etc/passwd"));
    let (uid, _) = crate::common::process::own_user();
    for part in [
        "job ",
        &format!("uid={uid} "),
        "argv=cat /etc/passwd",
        "rule",
    ] {
        assert!(line.contains(part), "no {part}: {line}");
    }
    // Nothing was started, and standard input does no harm.
    let mut client = daemon.begin("1:1,3:cat,");
    client.send_netstring(&[b'x'; 100_000]);
    client.send("0:,");
    client.reply().refused(126, &["rule"]);
    let status = daemon.status();
    assert_eq!(status["outcomes"]["refused"], 2);
    assert_eq!(status["spawn-failures"], serde_json::json!({}));
}

#[test]
fn sockproc_hears_the_reason_in_stderr() {
    let setup = Setup::new().config("[[allow]]\nprogram = \"/usr/bin/echo\"\n");
    let daemon = setup.sockproc().start();
    let reply = sockproc::run_with_stdin(&daemon, "echo hi", b"input");
    reply.refused(126, &["sh", "rule"]);
    assert_eq!(reply.status, 126 * 256);
    daemon
        .log
        .wait_for("the refusal", |line| line.contains("echo hi"));
    // What is asked for there is a shell.
    let setup = Setup::new().config("[[allow]]\nprogram = \"/bin/sh\"\n");
    let daemon = setup.sockproc().start();
    assert_eq!(sockproc::run(&daemon, "echo hi").succeeded(), "hi\n");
}

#[test]
fn a_path_is_itself_and_what_path_finds() {
    let setup = Setup::new();
    let one = setup
        .directory
        .file("one", 0o755, "#!/bin/sh\necho one $0\n");
    let two = setup.directory.file("two", 0o755, "#!/bin/sh\necho two\n");
    let directory = setup.directory.path().display().to_string();
    let daemon = setup
        .env("PATH", format!("{directory}:/usr/bin:/bin"))
        .config(&format!("[[allow]]\nprogram = \"{one}\"\n"))
        .start();
    for name in [&one, "one", &one.replace("/one", "//./one")] {
        assert_eq!(
            daemon.run(&[name]).succeeded(),
            format!("one {one}\n"),
            "{name}"
        );
    }
    for name in [&two, "two", "sh", "/bin/sh", &format!("{one}x")] {
        refused(&daemon, name);
    }
    // Not the server's working directory.
    refused(&daemon, "./one");
    daemon.run(&[format!("{one}/")]).refused(126, &[]);
    // A missing program is missing for every client.
    daemon
        .run(&["no-such-program"])
        .refused(127, &["No such file"]);
}

#[test]
fn a_name_does_not_get_past_by_dots() {
    let setup = Setup::new();
    let one = setup.directory.file("one", 0o755, "#!/bin/sh\necho one\n");
    let directory = setup.directory.path().display().to_string();
    let daemon = setup
        .config(&format!(
            "[[allow]]\nprogram = [\"{directory}/\", \"/usr/bin/\"]\n"
        ))
        .control()
        .start();
    assert_eq!(daemon.run(&[&one]).succeeded(), "one\n");
    for name in [
        format!("{directory}/../../bin/sh"),
        format!("{directory}/sub/../one"),
        "/usr/bin/../bin/id".into(),
        "../sh".into(),
    ] {
        daemon.run(&[&name]).refused(126, &[&name, "\"..\""]);
        // A reader of the log finds where the reason ends.
        daemon.log.wait_for("the refusal", |line| {
            line.contains(r#" has a \"..\" in it" time="#)
        });
    }
    assert_eq!(daemon.status()["outcomes"]["refused"], 4);
}

#[test]
fn a_directory_is_all_below_it_and_nothing_beside() {
    let setup = Setup::new();
    let directory = setup.directory.path().display().to_string();
    for name in ["jobs", "jobs/deep", "jobs-not"] {
        std::fs::create_dir(setup.directory.join(name)).unwrap();
    }
    let files = ["jobs/a", "jobs/deep/b", "jobs-not/c", "d"]
        .map(|name| setup.directory.file(name, 0o755, "#!/bin/sh\necho ran\n"));
    let daemon = setup
        .config(&format!("[[allow]]\nprogram = \"{directory}/jobs/\"\n"))
        .control()
        .start();
    for allowed in &files[..2] {
        assert_eq!(daemon.run(&[allowed]).succeeded(), "ran\n");
    }
    for other in &files[2..] {
        refused(&daemon, other);
    }
    refused(&daemon, &format!("{directory}/jobs"));
}

#[test]
fn both_names_of_a_directory_in_path_are_one() {
    if !Path::new("/bin").is_symlink() {
        skip::say("/bin is a directory of its own here");
        return;
    }
    for rule in ["/bin/echo", "/usr/bin/echo", "/bin/", "/usr/bin/"] {
        let daemon = start(&format!("[[allow]]\nprogram = \"{rule}\"\n"));
        for name in ["echo", "/bin/echo", "/usr/bin/echo"] {
            assert_eq!(
                daemon.run(&[name, "hi"]).succeeded(),
                "hi\n",
                "{rule} {name}"
            );
        }
        refused(&daemon, "/etc/passwd");
    }
}

#[test]
fn the_program_that_was_compared_is_the_one_that_runs() {
    // A name of a client is looked for in the server's PATH, and argv[0] stays.
    let daemon = start("[[allow]]\nprogram = \"/usr/bin/cat\"\n");
    let mut client = daemon.begin("1:2,3:cat,18:/proc/self/cmdline,");
    client.send("0:,");
    assert_eq!(client.reply().succeeded(), "cat\0/proc/self/cmdline\0");
    let exe = start("[[allow]]\nprogram = \"/usr/bin/readlink\"\n");
    let real = std::fs::canonicalize("/usr/bin/readlink").unwrap();
    let out = exe.run(&["readlink", "/proc/self/exe"]).succeeded();
    assert_eq!(out.trim_end(), real.to_str().unwrap());
}
