//! Whom a rule is for: by user, by group, the first rule that matches.

use crate::common::process::own_user;
use crate::common::sockproc;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Reply, Setup};
use crate::start;
use std::net::TcpListener;
use std::path::Path;

/// What a client on this socket gets for `echo hi`.
fn echo(path: &Path) -> Reply {
    let mut client = Client::connect(path);
    client.send("1:2,4:echo,2:hi,0:,");
    client.reply()
}

#[test]
fn a_rule_for_ones_own_user_or_group() {
    let (uid, gid) = own_user();
    for rule in [
        format!("user = {uid}"),
        format!("user = [{}, {uid}]", uid + 1),
        format!("group = {gid}"),
        format!("user = {}\ngroup = [{gid}]", uid + 1),
    ] {
        let daemon = start(&format!("[[allow]]\n{rule}\n"));
        assert_eq!(daemon.run(&["echo", "hi"]).succeeded(), "hi\n", "{rule}");
    }
    // A group that this process is in not even beside its own.
    let groups: Vec<u32> = nix::unistd::getgroups()
        .unwrap()
        .iter()
        .map(|group| group.as_raw())
        .collect();
    let foreign = (gid + 1..).find(|group| !groups.contains(group)).unwrap();
    for rule in [format!("user = {}", uid + 1), format!("group = {foreign}")] {
        let daemon = start(&format!("[[allow]]\n{rule}\n"));
        daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
    }
}

#[test]
fn names_are_those_of_the_system() {
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let Some(own) = own else {
        crate::common::skip::say("this user has no name");
        return;
    };
    let daemon = start(&format!("[[allow]]\nuser = \"{}\"\n", own.name));
    daemon.serves();
}

#[test]
fn the_first_rule_that_matches_decides() {
    let (uid, _) = own_user();
    let daemon = start(&format!(
        "[[allow]]\nprogram = \"/usr/bin/echo\"\nrun-prefix = [\"echo\", \"first\", \"--\"]\n\
         [[allow]]\nuser = {uid}\nrun-prefix = [\"echo\", \"second\", \"--\"]\n\
         [[allow]]\nprogram = \"*\"\nrun-prefix = [\"echo\", \"third\", \"--\"]\n"
    ));
    let first = daemon.run(&["echo", "hi"]).succeeded();
    assert_eq!(first, "first -- /usr/bin/echo hi\n");
    let second = daemon.run(&["cat", "hi"]).succeeded();
    assert_eq!(second, "second -- /usr/bin/cat hi\n");
}

#[test]
fn another_user_has_other_rules() {
    let setup = Setup::new().arguments(["--mode", "0666"]);
    let rules = format!(
        "[[allow]]\nuser = {NOBODY}\nprogram = \"/usr/bin/echo\"\n\
         [[allow]]\nuser = 0\nprogram = \"/usr/bin/id\"\n"
    );
    let daemon = setup.config(&rules).start();
    let path = daemon.path();
    let Some(reply) = as_user(NOBODY, NOBODY, &[], || echo(path)) else {
        return;
    };
    assert_eq!(reply.succeeded(), "hi\n");
    echo(path).refused(126, &["rule"]);
    daemon.run(&["id"]).succeeded();
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("argv=echo hi"));
    assert!(line.contains(&format!("uid={NOBODY}")), "{line}");
}

#[test]
fn effective_and_supplementary_groups_count() {
    let setup = Setup::new().arguments(["--mode", "0666"]);
    let daemon = setup.config("[[allow]]\ngroup = 4242\n").start();
    let path = daemon.path();
    for (gid, groups, allowed) in [
        (NOBODY, &[][..], false),
        (4242, &[], true),
        (NOBODY, &[4242], true),
        (NOBODY, &[1, 4241, 4243], false),
        (4241, &[7, 8, 4242], true),
    ] {
        let Some(reply) = as_user(NOBODY, gid, groups, || echo(path)) else {
            return;
        };
        match allowed {
            true => assert_eq!(reply.succeeded(), "hi\n"),
            false => reply.refused(126, &["rule"]),
        }
    }
    // More groups than fit at the first attempt.
    let many: Vec<u32> = (4000..4300).collect();
    let reply = as_user(NOBODY, NOBODY, &many, || echo(path)).unwrap();
    assert_eq!(reply.succeeded(), "hi\n");
}

#[test]
fn on_tcp_nobody_is_known() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (uid, gid) = own_user();
    let rules = format!("[[allow]]\nuser = {uid}\ngroup = {gid}\n");
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let daemon = setup.control().config(&rules).start();
    sockproc::run_tcp(port, "echo hi").refused(126, &["sh", "rule"]);
    daemon.serves();
    daemon
        .directory
        .file("sockexec.toml", 0o644, "[[allow]]\nprogram = \"/bin/sh\"\n");
    daemon.ask("reload", serde_json::json!({}));
    assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
}
