//! The clients of a rule: by user, by group, by the first rule that matches.

use crate::common::process::own_user;
use crate::common::sockproc;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Daemon, Reply, Setup, skip};
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
        skip::say("this user has no name");
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

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn on_tcp_the_user_is_known_and_no_group() {
    let port = free_port();
    let (uid, gid) = own_user();
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let daemon = setup
        .control()
        .config(&format!("[[allow]]\nuser = {uid}\n"))
        .start();
    assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("echo hi"));
    assert!(line.contains(&format!(" uid={uid} ")), "{line}");
    for rule in [
        format!("user = {}", uid + 1),
        format!("group = {gid}\nuser = {}", uid + 1),
    ] {
        let rules = format!("[[allow]]\n{rule}\n");
        daemon.directory.file("sockexec.toml", 0o644, &rules);
        daemon.ask("reload", serde_json::json!({}));
        sockproc::run_tcp(port, "echo hi").refused(126, &["sh", "rule"]);
    }
}

#[test]
fn on_tcp_another_user_has_other_rules() {
    let port = free_port();
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let rules = "[[allow]]\nuser = 0\nrun-prefix = [\"echo\", \"root\", \"--\"]\n\
                 [[allow]]\nuser = 4242\nprogram = \"/bin/sh\"\n";
    let daemon = setup.config(rules).start();
    let run = |uid| as_user(uid, uid, &[], || sockproc::run_tcp(port, "id -u; echo hi"));
    let Some(reply) = run(4242) else { return };
    assert_eq!(reply.succeeded(), "0\nhi\n");
    run(NOBODY).unwrap().refused(126, &["sh", "rule"]);
    assert!(run(0).unwrap().succeeded().starts_with("root"));
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("echo hi"));
    assert!(line.contains(" uid=4242 "), "{line}");
}

#[test]
fn on_tcp_nobody_is_known_where_the_kernel_is_not_to_be_asked() {
    let port = free_port();
    let (uid, gid) = own_user();
    let rules = format!("[[allow]]\nuser = {uid}\ngroup = {gid}\n");
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let setup = setup.control().config(&rules).without_netlink();
    let daemon = setup.start();
    sockproc::run_tcp(port, "echo hi").refused(126, &["sh", "rule"]);
    daemon.serves();
    daemon
        .directory
        .file("sockexec.toml", 0o644, "[[allow]]\nprogram = \"/bin/sh\"\n");
    daemon.ask("reload", serde_json::json!({}));
    assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
}

/// A daemon in a user namespace without mapped users: it sees every user as 65534.
fn unmapped(rules: &str) -> Option<Daemon> {
    skip::unless_tool("unshare")?;
    let able = std::process::Command::new("unshare")
        .args(["--user", "true"])
        .status();
    if !able.is_ok_and(|status| status.success()) {
        skip::say("there are no user namespaces for this user");
        return None;
    }
    let setup = Setup::by(&["unshare", "--user"]).control().config(rules);
    let daemon = setup.spawn();
    daemon.wait_serving();
    Some(daemon)
}

#[test]
fn a_user_who_is_not_mapped_is_not_nobody() {
    let rules = format!("[[allow]]\nuser = {NOBODY}\n[[allow]]\ngroup = {NOBODY}\n");
    let Some(daemon) = unmapped(&rules) else {
        return;
    };
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
    let line = daemon
        .log
        .wait_for("the refusal", |line| line.contains("echo hi"));
    assert!(line.contains("uid=unknown gid=unknown"), "{line}");
}

#[test]
fn a_user_who_is_not_mapped_has_no_number_and_no_control() {
    let Some(daemon) = unmapped("") else { return };
    let out = daemon.run(&["env"]).succeeded();
    assert!(out.contains("IPCREMOTEPID="), "{out}");
    assert!(
        !out.contains("IPCREMOTEEUID") && !out.contains("IPCREMOTEEGID"),
        "{out}"
    );
    // The daemon sees itself as 65534, too.
    let refused = daemon.fails("status", serde_json::json!({}));
    assert!(refused.contains("root"), "{refused}");
}
