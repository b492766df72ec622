//! The share of one user of all slots. Clients on TCP whose user is unknown count as one user
//! too, so that there can be two users without root.

use crate::common::process::{eventually, sockets};
use crate::common::sockproc;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Daemon, End, PATIENCE, Setup, shell};
use crate::{end, held};
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn start(share: u32, arguments: &[&str]) -> Daemon {
    let config = format!("user-share = {share}\n");
    let setup = Setup::new().control().config(&config);
    setup.arguments(arguments).start()
}

#[track_caller]
fn parked(daemon: &Daemon, script: &str, count: usize) -> Client {
    let client = daemon.begin(shell(script));
    daemon.wait_jobs("parked", count);
    client
}

#[test]
fn a_single_user_has_its_share_and_the_next_is_served_when_one_ends() {
    let daemon = start(50, &["-m", "4"]);
    let (first, second) = (held(&daemon), held(&daemon));
    let third = parked(&daemon, "echo third", 1);
    let fourth = parked(&daemon, "echo fourth", 2);
    let status = daemon.status();
    let counts = ["active", "parked", "programs"].map(|key| status[key].clone());
    assert_eq!(counts, [json!(2), json!(2), json!(2)]);
    let jobs = daemon.jobs();
    assert_eq!(
        (&jobs[2]["state"], &jobs[2]["pid"]),
        (&json!("parked"), &json!(null))
    );
    end(first);
    assert_eq!(third.reply().succeeded(), "third\n");
    assert_eq!(fourth.reply().succeeded(), "fourth\n");
    end(second);
    assert_eq!(daemon.status()["parked"], 0);
    daemon.serves();
}

#[test]
fn a_share_is_rounded_up_and_never_nothing() {
    for (share, most, running) in [
        ("1", "5", 1),
        ("50", "3", 2),
        ("99", "4", 4),
        ("34", "3", 2),
    ] {
        let daemon = start(share.parse().unwrap(), &["-m", most]);
        let all: Vec<_> = (0..running).map(|_| held(&daemon)).collect();
        let next = daemon.begin(shell("echo next"));
        if running < most.parse().unwrap() {
            daemon.wait_jobs("parked", 1);
        }
        for client in all {
            end(client);
        }
        assert_eq!(next.reply().succeeded(), "next\n");
    }
}

#[test]
fn one_who_is_parked_may_go_away_and_leaves_nothing() {
    let daemon = start(50, &["-m", "2"]);
    let first = held(&daemon);
    let before = sockets(daemon.pid());
    for n in 0..5 {
        // With a request, with half of one, and without.
        let client = match n % 3 {
            0 => daemon.begin(shell("echo never")),
            1 => daemon.begin("1:2,4:echo,"),
            _ => daemon.connect(),
        };
        daemon.wait_jobs("parked", 1);
        drop(client);
        daemon.wait_jobs("parked", 0);
    }
    eventually("their sockets are closed", || {
        sockets(daemon.pid()) == before
    });
    assert_eq!(daemon.status()["spawn-failures"], json!({}));
    end(first);
    daemon.serves();
    let status = daemon.status();
    assert_eq!(
        (&status["active"], &status["parked"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn one_who_is_parked_meets_its_deadline() {
    let daemon = start(50, &["-m", "2", "-t", "0"]);
    let first = held(&daemon);
    daemon.ask("set", json!({"timeout": 0.3}));
    daemon
        .begin(shell("echo never"))
        .reply()
        .refused(111, &["in time"]);
    daemon.begin("1:2,4:echo,").reply().refused(100, &["0.3 s"]);
    daemon.ask("set", json!({"timeout": 0}));
    end(first);
    daemon.serves();
    let status = daemon.status();
    assert_eq!(
        (&status["parked"], &status["outcomes"]["timeout"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn one_who_is_parked_and_malformed_is_told() {
    let daemon = start(50, &["-m", "2"]);
    let first = held(&daemon);
    daemon.begin("1:0,").reply().refused(100, &[]);
    end(first);
}

#[test]
fn a_larger_limit_serves_those_who_are_parked() {
    let config = "user-share = 50\nmax-connections = 2\n";
    let daemon = Setup::new().control().config(config).start();
    let first = held(&daemon);
    let second = parked(&daemon, "echo second", 1);
    daemon.ask("set", json!({"max-connections": 4}));
    assert_eq!(second.reply().succeeded(), "second\n");
    let third = held(&daemon);
    let fourth = parked(&daemon, "echo fourth", 1);
    daemon.directory.file(
        "sockexec.toml",
        0o644,
        "user-share = 100\nmax-connections = 4\n",
    );
    daemon.ask("reload", json!({}));
    assert_eq!(fourth.reply().succeeded(), "fourth\n");
    end(first);
    end(third);
}

#[test]
fn a_refused_request_of_a_burst_takes_no_place_from_the_next() {
    // One slot and three places for a user whose connections wait.
    let daemon = start(1, &["-m", "2"]);
    let first = held(&daemon);
    daemon.signal(Signal::SIGSTOP);
    let burst: Vec<_> = (0..8).map(|_| daemon.begin("malformed")).collect();
    daemon.signal(Signal::SIGCONT);
    for client in burst {
        assert_eq!(client.reply().end, End::Exit(100));
    }
    end(first);
}

#[test]
fn a_drain_finishes_those_who_are_parked() {
    let mut daemon = start(50, &["-m", "2"]);
    let first = held(&daemon);
    let second = parked(&daemon, "echo second", 1);
    assert_eq!(daemon.ask("drain", json!({})), json!({"active": 2}));
    assert_eq!(second.reply().succeeded(), "second\n");
    end(first);
    assert_eq!(daemon.wait().code(), Some(0));
}

/// A daemon with two users: this one, and all clients on TCP.
fn with_tcp(share: u32, arguments: &[&str]) -> (Daemon, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = format!("user-share = {share}\n");
    let setup = Setup::new().control().config(&config).without_netlink();
    let setup = setup.arguments(["--sockproc", &port.to_string()]);
    (setup.arguments(arguments).start(), port)
}

#[test]
fn one_users_jobs_leave_slots_for_others() {
    let (daemon, port) = with_tcp(50, &["-m", "4"]);
    let held: Vec<_> = (0..2).map(|_| held(&daemon)).collect();
    let more: Vec<_> = (1..=4).map(|n| parked(&daemon, "echo more", n)).collect();
    for _ in 0..5 {
        assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    }
    assert_eq!(daemon.status()["parked"], 4);
    for client in held {
        end(client);
    }
    for client in more {
        assert_eq!(client.reply().succeeded(), "more\n");
    }
}

#[test]
fn a_crowd_of_one_user_does_not_keep_another_out() {
    let (daemon, port) = with_tcp(50, &["-m", "4", "-q", "300"]);
    let held: Vec<_> = (0..2).map(|_| held(&daemon)).collect();
    let crowd: Vec<_> = (0..100).map(|_| daemon.begin(shell("echo up"))).collect();
    assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    for client in held {
        end(client);
    }
    for client in crowd {
        assert_eq!(client.reply().succeeded(), "up\n");
    }
}

#[test]
fn a_user_that_fills_all_places_is_refused_and_keeps_nobody_out() {
    let (daemon, port) = with_tcp(50, &["-m", "4", "-q", "400"]);
    let held: Vec<_> = (0..2).map(|_| held(&daemon)).collect();
    // Half of the places in which connections wait are one user's at most.
    let waiting: Vec<_> = (0..128).map(|_| daemon.begin(shell("echo up"))).collect();
    daemon.wait_jobs("parked", 128);
    for _ in 0..5 {
        let reply = daemon.begin(shell("echo never")).reply();
        reply.refused(111, &["share of the connections", "128 more"]);
        assert_eq!(sockproc::run_tcp(port, "echo hi").succeeded(), "hi\n");
    }
    eventually("only those two have a slot", || {
        daemon.status()["active"] == 2
    });
    let status = daemon.status();
    assert_eq!(status["parked"], 128);
    assert_eq!(status["outcomes"]["not-started"], 5);
    for client in held {
        end(client);
    }
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "up\n");
    }
}

#[test]
fn those_without_a_name_are_one_user() {
    let (daemon, port) = with_tcp(25, &["-m", "4"]);
    let begin = |command: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&sockproc::request(command, b"x")).unwrap();
        stream
    };
    let fifo = daemon.directory.fifo("go");
    let mut first = begin(&format!("read go <{fifo}"));
    daemon.wait_jobs("running", 1);
    let mut second = begin("echo second");
    daemon.wait_jobs("parked", 1);
    daemon.serves();
    let _open = daemon.directory.release("go");
    for (stream, out) in [(&mut first, ""), (&mut second, "second\n")] {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(sockproc::Reply::parse(&bytes).succeeded(), out);
    }
}

#[test]
fn a_user_is_one_on_both_kinds_of_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let setup = Setup::new().control().config("user-share = 50\n");
    let daemon = setup
        .arguments(["-m", "2", "--sockproc", &port.to_string()])
        .start();
    let first = held(&daemon);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = sockproc::request("echo second", b"");
    stream.write_all(&request).unwrap();
    daemon.wait_jobs("parked", 1);
    end(first);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(sockproc::Reply::parse(&bytes).succeeded(), "second\n");
}

#[test]
fn two_users_on_one_socket() {
    let daemon = start(50, &["-m", "4", "--mode", "0666"]);
    let path = daemon.path();
    let other = || as_user(NOBODY, NOBODY, &[], || Client::connect(path));
    let Some(mut theirs) = other() else { return };
    theirs.send(shell("echo up; exec cat"));
    assert_eq!(theirs.line(), "up");
    let ours: Vec<_> = (0..2).map(|_| held(&daemon)).collect();
    let third = parked(&daemon, "echo third", 1);
    // Theirs still come in, up to their share.
    let mut more = other().unwrap();
    more.send(shell("echo up; exec cat"));
    assert_eq!(more.line(), "up");
    let mut last = other().unwrap();
    last.send("1:2,4:echo,2:hi,0:,");
    // All slots are taken now: another client waits in the queue.
    let status = daemon.status();
    assert_eq!(
        (&status["active"], &status["parked"]),
        (&json!(4), &json!(1))
    );
    // A slot of theirs is not for us.
    end(more);
    assert_eq!(last.reply().succeeded(), "hi\n");
    assert_eq!(daemon.jobs()[3]["state"], "parked");
    for client in ours {
        end(client);
    }
    assert_eq!(third.reply().succeeded(), "third\n");
    end(theirs);
}
