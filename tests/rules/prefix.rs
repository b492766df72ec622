//! What a rule puts in front of a program.

use crate::common::sockproc;
use crate::common::{End, Setup, skip};
use crate::start;

#[test]
fn it_gets_the_path_that_was_compared_and_the_arguments() {
    let setup = Setup::new();
    let script = "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done\ncat\n";
    let prefix = setup.directory.file("prefix", 0o755, script);
    let rule = format!("[[allow]]\nrun-prefix = [\"{prefix}\", \"-a\", \"b c\", \"--\"]\n");
    let daemon = setup.config(&rule).start();
    let mut client = daemon.begin("1:3,4:echo,0:,4:d\ne ,");
    client.send("5:input,0:,");
    let out = client.reply().succeeded();
    assert_eq!(out, "<-a><b c><--></usr/bin/echo><><d\ne >input");
    // Its place in PATH, if it has no slash, and not the client's directory.
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("argv=echo"));
    assert!(line.contains("exit=0"), "{line}");
}

#[test]
fn nice_is_nice() {
    if skip::unless_tool("nice").is_none() {
        return;
    }
    let daemon = start("[[allow]]\nrun-prefix = [\"nice\", \"-n\", \"7\"]\n");
    // SAFETY: numbers; a result of -1 is a niceness too.
    let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    assert_eq!(
        daemon.run(&["nice"]).succeeded(),
        format!("{}\n", (own + 7).min(19))
    );
    // The program that was asked for is told of as always.
    let reply = daemon.shell("exit 3");
    assert_eq!(reply.end, End::Exit(3));
    let reply = daemon.shell("kill -TERM $$");
    assert_eq!(reply.end, End::Signal("15".into()));
}

#[test]
fn the_rule_is_about_the_program_and_not_about_what_is_in_front() {
    let daemon = start("[[allow]]\nprogram = \"/usr/bin/echo\"\nrun-prefix = [\"env\"]\n");
    assert_eq!(daemon.run(&["echo", "hi"]).succeeded(), "hi\n");
    daemon.run(&["env"]).refused(126, &["env", "rule"]);
}

#[test]
fn a_prefix_that_is_not_there_is_told() {
    let daemon = start("[[allow]]\nrun-prefix = [\"no-such-prefix\"]\n");
    daemon.run(&["echo", "hi"]).refused(127, &["No such file"]);
}

#[test]
fn sockproc_has_it_too() {
    let rule = "[[allow]]\nrun-prefix = [\"echo\", \"in front\"]\n";
    let daemon = Setup::new().config(rule).sockproc().start();
    let out = sockproc::run(&daemon, "id; id").succeeded();
    assert!(
        out.starts_with("in front /") && out.ends_with("/bin/sh -c id; id\n"),
        "{out}"
    );
}
