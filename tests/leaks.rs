//! No leaks: descriptors, children and zombies are counted before and after very many jobs. One
//! test after another, because each counts on its own daemon only.

mod common;

use common::client::END;
use common::process::{children, descriptors, resident};
use common::{Client, Daemon, PATIENCE, Setup, request, shell, sockproc};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// What the daemon holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: Vec<String>,
    children: Vec<u32>,
}

impl Held {
    fn by(daemon: &Daemon) -> Self {
        Self {
            descriptors: descriptors(daemon.pid()),
            children: children(daemon.pid()),
        }
    }
}

/// Does something to a daemon and checks that it then holds what it held before.
#[track_caller]
fn holds_the_same_after(daemon: &Daemon, action: impl FnOnce()) {
    // Before its first client: whatever it holds now is for itself.
    let before = Held::by(daemon);
    assert!(before.children.is_empty(), "{before:?}");
    daemon.serves();
    let memory = resident(daemon.pid());
    action();
    daemon.serves();
    // Connections linger until their client's hang-up is seen.
    let end = Instant::now() + PATIENCE;
    while Held::by(daemon) != before && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(Held::by(daemon), before);
    let growth = resident(daemon.pid()).saturating_sub(memory);
    assert!(growth <= 2048, "{growth} KiB more");
}

#[test]
fn ten_thousand_jobs_leave_nothing() {
    let daemon = Daemon::start(&["-k", "1"]);
    holds_the_same_after(&daemon, || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut head = request(&["true"]);
                    head.extend_from_slice(END);
                    for _ in 0..2500 {
                        assert_eq!(daemon.begin(&head).try_rest().unwrap(), b"8:exitcode,1:0,");
                    }
                });
            }
        });
    });
}

#[test]
fn jobs_that_cannot_be_run_leave_nothing() {
    let daemon = Daemon::start(&[]);
    holds_the_same_after(&daemon, || {
        for _ in 0..1000 {
            daemon.run(&["/no/such/program"]).refused(127, &[]);
        }
    });
}

#[test]
fn refused_requests_leave_nothing() {
    let daemon = Daemon::start(&[]);
    holds_the_same_after(&daemon, || {
        for _ in 0..1000 {
            daemon.begin("1:0,").reply().refused(100, &[]);
        }
    });
}

#[test]
fn five_hundred_hangups_in_mid_job_leave_nothing() {
    let daemon = Daemon::start(&["-k", "1"]);
    holds_the_same_after(&daemon, || {
        thread::scope(|scope| {
            for worker in 0..4 {
                let daemon = &daemon;
                scope.spawn(move || {
                    for round in 0..125 {
                        // Some hear TERM, some have children, some have to be killed.
                        let mut client = match (worker + round) % 4 {
                            0 => daemon.begin(request(&["sleep", "1000"])),
                            1 => daemon.begin(shell("sleep 1000 & sleep 1000 & echo up; wait")),
                            2 => daemon.begin(request(&["cat", "/dev/zero"])),
                            _ => daemon.begin(shell("trap '' TERM; echo up; sleep 1000; :")),
                        };
                        if round % 2 == 0 && (worker + round) % 4 != 0 {
                            client.pair();
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn deadlines_leave_nothing() {
    // Long enough for all of them to start, even on a busy machine.
    let daemon = Daemon::start(&["-t", "3", "-k", "0.3"]);
    holds_the_same_after(&daemon, || {
        thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let reply = daemon.shell("trap '' TERM; sleep 1000 & sleep 1000; :");
                    assert_eq!(reply.end, common::End::Signal("9".to_owned()));
                });
            }
        });
    });
}

#[test]
fn two_thousand_control_commands_leave_nothing() {
    let daemon = Setup::new().control().start();
    holds_the_same_after(&daemon, || {
        let mut kept = daemon.control();
        for round in 0..400 {
            for cmd in ["status", "jobs", "metrics", "help"] {
                kept.ask(cmd, &json!({})).unwrap();
            }
            match round % 4 {
                0 => drop(daemon.status()),
                1 => drop(daemon.fails("kill", json!({"id": 1_000_000}))),
                // Half a message, and then a disconnect.
                2 => daemon.control().send(b"\0\0\0\x20:{\"cmd\""),
                _ => {
                    let mut control = daemon.control();
                    control.send(b"\0\0\0\x01:x");
                    assert!(control.response().is_err());
                }
            }
        }
    });
}

#[test]
fn replies_out_of_temporary_files_leave_nothing() {
    let setup = Setup::new().config("output-memory = 4096");
    let path = setup.directory.join("sockproc");
    let daemon = setup.arguments(["--sockproc".into(), path.clone()]).start();
    holds_the_same_after(&daemon, || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..125 {
                        let mut client = Client::connect(&path);
                        let command = "head -c 20000 /dev/zero; head -c 30000 /dev/zero >&2";
                        client.send(sockproc::request(command, b""));
                        // Some do not wait for it.
                        if round % 5 != 0 {
                            let reply = sockproc::reply(client);
                            assert_eq!((reply.stdout.len(), reply.stderr.len()), (20_000, 30_000));
                        }
                    }
                });
            }
        });
    });
}
