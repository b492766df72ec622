//! User databases that do not answer, while programs are to run as their clients. In a mount
//! namespace of the daemon's own, a pipe takes the place of /etc/group: a process that looks for the
//! groups of a user waits until there is a writer, and then finds none besides the user's own.

use crate::common::process::{children, descriptors, eventually, wait_gone};
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Daemon, Setup, shell, skip};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::Command;

/// Programs of one user run as that user, those of others as the server.
const RULES: &str = "[[allow]]\nuser = 65534\nprogram = \"*\"\nrun-as = \"peer\"\n\
                     [[allow]]\nprogram = \"*\"\n";

struct Hanging {
    daemon: Daemon,
    pipe: PathBuf,
}

/// A daemon whose user databases hang. `None` where this cannot be tried.
fn hanging(config: &str) -> Option<Hanging> {
    if !skip::unless_root() {
        return None;
    }
    skip::unless_tool("nsenter")?;
    let unshare = skip::unless_tool("unshare")?;
    let possible = Command::new(&unshare).args(["--mount", "true"]).status();
    if !possible.is_ok_and(|status| status.success()) {
        skip::say("there are no mount namespaces");
        return None;
    }
    let setup = Setup::by(&["unshare", "--mount"]).control();
    let daemon = setup.arguments(["--mode", "0666"]).config(config).start();
    let pipe = daemon.path().with_file_name("pipe");
    mkfifo(&pipe, Mode::from_bits_truncate(0o644)).unwrap();
    let mounted = Command::new("nsenter")
        .arg(format!("--target={}", daemon.pid()))
        .args(["--mount", "mount", "--bind"])
        .args([&pipe, &PathBuf::from("/etc/group")])
        .status();
    assert!(mounted.unwrap().success());
    Some(Hanging { daemon, pipe })
}

impl Hanging {
    fn begin(&self, script: &str) -> Client {
        let path = self.daemon.path();
        let client = as_user(NOBODY, NOBODY, &[], || {
            let mut client = Client::connect(path);
            client.send(shell(script));
            client
        });
        client.unwrap()
    }

    /// The process that looks for an account.
    fn process(&self) -> u32 {
        let all = || children(self.daemon.pid());
        eventually("an account is looked for", || all().len() == 1);
        all()[0]
    }

    /// Lets the databases answer.
    fn answer(&self) {
        OpenOptions::new().write(true).open(&self.pipe).unwrap();
    }
}

#[test]
fn a_directory_that_hangs_holds_up_no_other_client() {
    let Some(hanging) = hanging(RULES) else {
        return;
    };
    let waits = hanging.begin("id -u; id -G; echo $LOGNAME");
    let process = hanging.process();
    hanging.daemon.wait_jobs("waiting", 1);
    for _ in 0..20 {
        hanging.daemon.serves();
    }
    // It has its pipe and no client.
    eventually("it has left the server's descriptors", || {
        let all = descriptors(process);
        let pipes = all.iter().filter(|name| name.starts_with("pipe:")).count();
        let sockets = all.iter().any(|name| name.starts_with("socket:"));
        pipes == 1 && !sockets
    });
    // Another of the same user waits for the same answer.
    let second = hanging.begin("id -u");
    hanging.daemon.wait_jobs("waiting", 2);
    assert_eq!(children(hanging.daemon.pid()), [process]);
    hanging.answer();
    assert_eq!(waits.reply().succeeded(), "65534\n65534\nnobody\n");
    assert_eq!(second.reply().succeeded(), "65534\n");
    wait_gone(process);
    // The account is kept: the databases hang still.
    assert_eq!(hanging.begin("echo kept").reply().succeeded(), "kept\n");
}

#[test]
fn a_client_that_leaves_while_its_account_is_looked_for_leaves_nothing() {
    let Some(hanging) = hanging(RULES) else {
        return;
    };
    let leaves = hanging.begin("echo never");
    let process = hanging.process();
    drop(leaves);
    let daemon = &hanging.daemon;
    eventually("it has left", || daemon.jobs().is_empty());
    assert_eq!(daemon.status()["outcomes"]["disconnected"], 1);
    let next = hanging.begin("echo next");
    daemon.wait_jobs("waiting", 1);
    assert_eq!(children(daemon.pid()), [process]);
    hanging.answer();
    assert_eq!(next.reply().succeeded(), "next\n");
}

#[test]
fn its_deadline_counts_while_an_account_is_looked_for() {
    let Some(hanging) = hanging(&format!("timeout = 0.5\n{RULES}")) else {
        return;
    };
    let late = hanging.begin("echo never");
    late.reply().refused(111, &["not started in time"]);
    assert_eq!(hanging.daemon.status()["outcomes"]["timeout"], 1);
}

#[test]
fn other_rules_decide_about_one_whose_account_is_looked_for() {
    let Some(hanging) = hanging(RULES) else {
        return;
    };
    let waits = hanging.begin("id -u");
    hanging.process();
    let daemon = &hanging.daemon;
    daemon.wait_jobs("waiting", 1);
    fs::write(
        daemon.path().with_file_name("sockexec.toml"),
        "[[allow]]\nprogram = \"*\"\n",
    )
    .unwrap();
    daemon.ask("reload", json!({}));
    assert_eq!(waits.reply().succeeded(), "0\n");
}

#[test]
fn a_stop_does_not_wait_for_an_account() {
    let Some(mut hanging) = hanging(RULES) else {
        return;
    };
    let waits = hanging.begin("echo never");
    let process = hanging.process();
    hanging.daemon.wait_jobs("waiting", 1);
    hanging.daemon.signal(Signal::SIGTERM);
    waits.reply().refused(111, &["not started in time"]);
    assert!(hanging.daemon.wait().success());
    wait_gone(process);
}

#[test]
fn a_directory_that_never_answers_is_a_shortage_and_its_process_ends() {
    let Some(hanging) = hanging(RULES) else {
        return;
    };
    let late = hanging.begin("echo never");
    let process = hanging.process();
    let reply = late.reply();
    reply.refused(111, &["cannot become nobody", "no answer in time"]);
    wait_gone(process);
    let failures = &hanging.daemon.status()["spawn-failures"];
    assert_eq!(failures, &json!({"ETIMEDOUT": 1}));
    // For a while that is known.
    let reply = hanging.begin("echo never").reply();
    reply.refused(111, &["no answer in time"]);
}
