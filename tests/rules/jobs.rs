//! The limit of programs that run under a rule at once: only the others wait.

use crate::common::{Client, Daemon, End, request, shell};
use crate::{end, held, start};
use nix::sys::signal::Signal;
use serde_json::json;

const ONE_SHELL: &str =
    "[[allow]]\nprogram = \"/bin/sh\"\nmax-jobs = 1\n[[allow]]\nprogram = \"*\"\n";

/// A client whose program waits for others.
#[track_caller]
fn waiting(daemon: &Daemon, script: &str, count: usize) -> Client {
    let client = daemon.begin(shell(script));
    daemon.wait_jobs("waiting", count);
    client
}

#[test]
fn one_more_waits_until_one_has_ended() {
    let daemon = start(ONE_SHELL);
    let first = held(&daemon);
    let mut all: Vec<_> = (1..=3)
        .map(|n| waiting(&daemon, &format!("echo {n}; exec cat"), n))
        .collect();
    let jobs = daemon.jobs();
    assert_eq!(jobs[1]["pid"], json!(null));
    let status = daemon.status();
    assert_eq!(
        (&status["programs"], &status["active"]),
        (&json!(1), &json!(4))
    );
    // Another rule's are not held up.
    for _ in 0..10 {
        daemon.serves();
    }
    end(first);
    // In their order, one at a time.
    for n in 1..=3 {
        let mut next = all.remove(0);
        assert_eq!(next.line(), n.to_string());
        daemon.wait_jobs("running", 1);
        daemon.wait_jobs("waiting", 3 - n);
        end(next);
    }
}

#[test]
fn those_who_wait_are_counted() {
    let daemon = start(ONE_SHELL);
    let first = held(&daemon);
    let second = waiting(&daemon, "exec cat", 1);
    assert_eq!(daemon.status()["waiting"], 1);
    end(first);
    end(second);
    assert_eq!(daemon.status()["waiting"], 0);
}

#[test]
fn each_rule_has_its_own_count() {
    let daemon = start(
        "[[allow]]\nprogram = \"/bin/sh\"\nmax-jobs = 1\n\
         [[allow]]\nprogram = \"/usr/bin/cat\"\nmax-jobs = 2\n",
    );
    let shell = held(&daemon);
    let _waiting = waiting(&daemon, "exit 0", 1);
    let mut cats: Vec<_> = (0..3).map(|_| daemon.begin(request(&["cat"]))).collect();
    daemon.wait_jobs("waiting", 2);
    daemon.wait_jobs("running", 3);
    end(cats.remove(0));
    daemon.wait_jobs("waiting", 1);
    for cat in cats {
        end(cat);
    }
    end(shell);
}

#[test]
fn one_who_waits_may_go_away() {
    let daemon = start(ONE_SHELL);
    let first = held(&daemon);
    let gone = waiting(&daemon, "echo never; exit 0", 1);
    let stays = waiting(&daemon, "echo stays", 2);
    drop(gone);
    daemon.wait_jobs("waiting", 1);
    end(first);
    assert_eq!(stays.reply().succeeded(), "stays\n");
    assert_eq!(daemon.shell("echo next").succeeded(), "next\n");
    let status = daemon.status();
    assert_eq!(status["outcomes"]["disconnected"], 1);
    assert_eq!(status["outcomes"]["exit-zero"], 3);
    assert_eq!(status["spawn-failures"], json!({}));
}

#[test]
fn one_who_waits_meets_its_deadline() {
    let daemon = start(
        "timeout = 1000\n[[allow]]\nprogram = \"/bin/sh\"\nmax-jobs = 1\n\
         [[allow]]\nprogram = \"*\"\n",
    );
    let first = held(&daemon);
    daemon.ask("set", json!({"timeout": 0.3}));
    let late = daemon.begin(shell("echo never"));
    late.reply().refused(111, &["in time"]);
    assert_eq!(daemon.status()["outcomes"]["timeout"], 1);
    daemon.ask("set", json!({"timeout": 0}));
    end(first);
    assert_eq!(daemon.shell("echo next").succeeded(), "next\n");
}

#[test]
fn a_program_counts_until_its_output_has_ended() {
    let daemon = start(ONE_SHELL);
    let mut first = daemon.begin(shell("sleep 1000 & echo $!; exit 0"));
    let child = first.number();
    daemon.wait_jobs("draining", 1);
    let second = waiting(&daemon, "echo second", 1);
    crate::common::process::signal(child, Signal::SIGTERM);
    first.reply().succeeded();
    assert_eq!(second.reply().succeeded(), "second\n");
}

#[test]
fn programs_that_cannot_be_run_do_not_count_for_ever() {
    let setup = crate::Setup::new().control();
    let plain = setup.directory.file("plain", 0o755, "no program\n");
    let rule = format!("[[allow]]\nprogram = [\"{plain}\", \"/bin/sh\"]\nmax-jobs = 1\n");
    let daemon = setup.config(&rule).start();
    for _ in 0..20 {
        daemon.run(&[&plain]).refused(126, &[]);
    }
    let first = held(&daemon);
    let refused: Vec<_> = (1..=5)
        .map(|n| {
            let client = daemon.begin(request(&[&plain]));
            daemon.wait_jobs("waiting", n);
            client
        })
        .collect();
    let last = waiting(&daemon, "echo last", 6);
    end(first);
    for client in refused {
        client.reply().refused(126, &[]);
    }
    assert_eq!(last.reply().succeeded(), "last\n");
}

#[test]
fn a_crowd_is_served_one_after_the_other() {
    let daemon = start(ONE_SHELL);
    let count = daemon.directory.join("count");
    let script = format!(
        "mkdir {0} || exit 9; sleep 0.01; rmdir {0}; echo done",
        count.display()
    );
    std::thread::scope(|scope| {
        for _ in 0..40 {
            let (daemon, script) = (&daemon, &script);
            scope.spawn(move || assert_eq!(daemon.shell(script).succeeded(), "done\n"));
        }
    });
    assert_eq!(daemon.status()["outcomes"]["exit-zero"], 40);
}

#[test]
fn one_that_is_killed_makes_room() {
    let daemon = start(ONE_SHELL);
    let mut first = daemon.begin(shell("echo up; exec sleep 1000"));
    assert_eq!(first.line(), "up");
    let second = waiting(&daemon, "echo second", 1);
    let id = daemon.jobs()[1]["id"].clone();
    let error = daemon.fails("kill", json!({"id": id}));
    assert!(error.contains("no program"), "{error}");
    let id = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", json!({"id": id, "signal": "KILL"}));
    assert_eq!(first.reply().end, End::Signal("9".into()));
    assert_eq!(second.reply().succeeded(), "second\n");
}

#[test]
fn a_drain_lets_them_finish() {
    let mut daemon = start(ONE_SHELL);
    let first = held(&daemon);
    let second = waiting(&daemon, "echo second", 1);
    daemon.ask("drain", json!({}));
    end(first);
    assert_eq!(second.reply().succeeded(), "second\n");
    assert_eq!(daemon.wait().code(), Some(0));
}
