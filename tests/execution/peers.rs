//! Programs that run as their clients (`run-as = "peer"`).

use crate::common::sockproc;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Daemon, Reply, Setup, request, shell, skip};
use crate::servers::ordinary;
use crate::users::is_only;
use nix::unistd::User;
use std::net::TcpListener;
use std::path::Path;

/// Programs run as their clients, of whom some are users of the system that are named.
const NAMED: &str = "[[allow]]\nuser = [\"daemon\", \"www-data\", \"man\"]\nrun-as = \"peer\"\n\
                     [[allow]]\nprogram = \"*\"\nrun-as = \"peer\"\n";

fn daemon(config: &str) -> Daemon {
    let setup = Setup::new().arguments(["--mode", "0666"]).control();
    setup.config(config).start()
}

/// The same as an ordinary user's.
fn unprivileged(config: &str) -> Daemon {
    let setup = ordinary(",+setuid,+setgid,+kill").arguments(["--mode", "0666"]);
    setup.config(config).start()
}

fn uid(name: &str) -> u32 {
    User::from_name(name).unwrap().unwrap().uid.as_raw()
}

/// The reply to a client of this user, whose groups are none of its account's.
#[track_caller]
fn run_as(daemon: &Daemon, uid: u32, arguments: &[&str]) -> Reply {
    ask(daemon.path(), uid, request(arguments))
}

#[track_caller]
fn ask(path: &Path, uid: u32, request: Vec<u8>) -> Reply {
    let reply = as_user(uid, 4242, &[4244], || {
        let mut client = Client::connect(path);
        client.send(request);
        client.reply()
    });
    reply.expect("root runs this")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_program_is_its_client_with_the_groups_of_its_account() {
    if !skip::unless_root() {
        return;
    }
    for daemon in [daemon(NAMED), unprivileged(NAMED)] {
        // The second time each is known already.
        for name in ["daemon", "man", "www-data", "daemon"] {
            let status = run_as(&daemon, uid(name), &["cat", "/proc/self/status"]);
            is_only(name, &status.succeeded());
        }
        let home = ask(
            daemon.path(),
            uid("daemon"),
            shell("echo $USER $LOGNAME $HOME"),
        );
        assert_eq!(home.succeeded(), "daemon daemon /usr/sbin\n");
    }
}

#[test]
fn a_user_that_no_rule_names_must_be_a_person_with_an_account() {
    if !skip::unless_root() {
        return;
    }
    let daemon = daemon("run-as = \"peer\"\n");
    let touched = daemon.path().with_file_name("touched");
    let script = format!("touch {}", touched.display());
    for (uid, words) in [
        (0, ["cannot become root", "only a rule that names root"]),
        (2, ["cannot become bin", "below 1000 (UID_MIN)"]),
        (4242, ["cannot become user 4242", "no such account"]),
    ] {
        ask(daemon.path(), uid, shell(&script)).refused(126, &words);
    }
    assert!(!touched.exists());
    let refused = &daemon.status()["outcomes"]["refused"];
    assert_eq!(refused, 3);
    daemon
        .log
        .wait_for("the reason", |line| line.contains("cannot become bin"));
}

#[test]
fn a_rule_for_a_group_names_no_user_and_a_rule_for_root_means_root() {
    if !skip::unless_root() {
        return;
    }
    let rules = daemon(
        "[[allow]]\ngroup = 4244\nprogram = \"/usr/bin/true\"\nrun-as = \"peer\"\n\
         [[allow]]\nuser = 0\nrun-as = \"peer\"\n",
    );
    run_as(&rules, 0, &["true"]).refused(126, &["cannot become root"]);
    run_as(&rules, 1, &["true"]).refused(126, &["cannot become daemon", "UID_MIN"]);
    let id = run_as(&rules, 0, &["id", "-u"]);
    assert_eq!(id.succeeded(), "0\n");
}

#[test]
fn no_program_becomes_the_user_of_the_server() {
    if !skip::unless_root() {
        return;
    }
    let daemon = unprivileged("[[allow]]\nuser = 65534\nrun-as = \"peer\"\n");
    let refused = run_as(&daemon, NOBODY, &["true"]);
    refused.refused(126, &["cannot become nobody", "the server's own user"]);
}

#[test]
fn a_client_without_peer_credentials_has_no_user_to_become() {
    if !skip::unless_root() {
        return;
    }
    let port = free_port();
    let setup = Setup::new().arguments(["--sockproc", &port.to_string()]);
    let _daemon = setup
        .config("[[allow]]\nuser = 65534\nrun-as = \"peer\"\n")
        .start();
    let reply = as_user(NOBODY, NOBODY, &[], || sockproc::run_tcp(port, "id -u"));
    let reply = reply.unwrap();
    reply.refused(126, &["cannot become the client's user", "UNIX socket"]);
}

#[test]
fn other_rules_decide_anew_as_whom_a_program_runs() {
    if !skip::unless_root() {
        return;
    }
    let daemon = daemon("run-as = \"peer\"\n");
    let file = daemon.path().with_file_name("sockexec.toml");
    let id = || run_as(&daemon, NOBODY, &["id", "-un"]).succeeded();
    assert_eq!(id(), "nobody\n");
    std::fs::write(&file, "run-as = \"daemon\"\n").unwrap();
    daemon.ask("reload", serde_json::json!({}));
    assert_eq!(id(), "daemon\n");
}
