//! Without address space, large requests are refused, and all others are served. The daemon
//! never ends.

use crate::common::client::END;
use crate::common::control::framed;
use crate::common::process::{eventually, limit, status, unread, wait_readable};
use crate::common::{Client, Daemon, End, Setup, request, sockproc};
use nix::sys::socket::{MsgFlags, send};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// What the daemon is left with, in KiB: some of a program's own needs, too, since programs
/// have the same limit.
const LEFT: u64 = 4 * 1024;

/// Lets the daemon's address space grow by this number of KiB, and no more.
fn confine(daemon: &Daemon, more: u64) {
    let size: u64 = status(daemon.pid(), "VmSize").parse().unwrap();
    limit(daemon.pid(), libc::RLIMIT_AS, (size + more) * 1024);
}

/// A daemon that is warm, and a program that runs.
fn running(setup: Setup) -> (Daemon, Client) {
    let daemon = setup.start();
    daemon.serves();
    let mut running = daemon.begin(request(&["cat"]));
    still_runs(&mut running);
    (daemon, running)
}

/// The same program still runs, and so do others.
fn all_is_well(daemon: &Daemon, mut running: Client) {
    still_runs(&mut running);
    daemon.serves();
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
}

/// The program has an echo of a turn of the daemon's loop that begins now.
#[track_caller]
fn still_runs(running: &mut Client) {
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
}

/// Sends bytes. Returns whether the daemon answers before it has a whole request.
fn is_answered(client: &Client, bytes: &[u8], running: &mut Client) -> bool {
    let fd = client.stream().as_raw_fd();
    let mut left = bytes;
    while let Ok(n) = send(fd, left, MsgFlags::MSG_NOSIGNAL) {
        left = &left[n..];
        if left.is_empty() {
            break;
        }
    }
    eventually("all is taken", || {
        unread(client.stream()) == 0 || wait_readable(&[client.stream().as_fd()], Duration::ZERO)
    });
    still_runs(running);
    wait_readable(&[client.stream().as_fd()], Duration::ZERO)
}

#[test]
fn large_requests_without_memory_hear_of_it_and_others_are_served() {
    let (daemon, mut running) = running(Setup::new().arguments(["-t", "0"]));
    confine(&daemon, LEFT);
    let argument = vec![b'x'; 100_000];
    let mut words = vec![&b"true"[..]];
    words.extend([&argument[..]; 19]);
    let large = request(&words);
    // All but the last byte, so that what has come stays.
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..12 {
        let client = daemon.connect();
        if is_answered(&client, &large[..large.len() - 1], &mut running) {
            client.reply().refused(111, &["memory"]);
            refused += 1;
        } else {
            held.push(client);
        }
    }
    assert!(refused > 0, "{} were held", held.len());
    daemon.serves();
    drop(held);
    // What they had is there again.
    let mut client = daemon.connect();
    client.send(&large);
    let reply = client.reply();
    match reply.end {
        End::Exit(0) => {}
        _ => reply.refused(111, &["memory"]),
    }
    all_is_well(&daemon, running);
}

#[test]
fn output_that_cannot_be_kept_ends_its_command_and_no_other() {
    let setup = Setup::new().config("output-memory = 104857600");
    let path = setup.directory.join("sockproc");
    let setup = setup.arguments(["-t", "0", "--sockproc"]);
    let (daemon, running) = running(setup.arguments([&path]));
    confine(&daemon, LEFT);
    let mut client = Client::connect(&path);
    client.send(sockproc::request("head -c 50000000 /dev/zero", b""));
    let reply = sockproc::reply(client);
    reply.refused(111, &["memory"]);
    assert!(reply.stdout.iter().all(|&byte| byte == 0));
    let mut client = Client::connect(&path);
    client.send(sockproc::request("echo hi", b""));
    assert_eq!(sockproc::reply(client).succeeded(), "hi\n");
    all_is_well(&daemon, running);
}

#[test]
fn a_large_command_without_memory_fails_and_the_daemon_goes_on() {
    let (daemon, running) = running(Setup::new().control());
    daemon.status();
    confine(&daemon, LEFT);
    let list = "0,".repeat(500_000);
    let message = format!("{{\"cmd\":\"ping\",\"args\":{{\"x\":[{list}0]}}}}");
    for _ in 0..3 {
        let mut control = daemon.control();
        control.send(framed(&message));
        let error = control.response().unwrap_err();
        assert!(error.contains("memory"), "{error}");
    }
    assert_eq!(daemon.ask("ping", serde_json::json!({})), "pong");
    all_is_well(&daemon, running);
}

/// Runs this number of programs, each of which leaves as much in the history as it may.
fn fill_history(daemon: &Daemon, count: usize) {
    let long = "x".repeat(2000);
    let script = format!("printf {} >&2", "e".repeat(600));
    for _ in 0..count {
        assert_eq!(daemon.run(&["sh", "-c", &script, &long]).end, End::Exit(0));
    }
}

#[test]
fn the_history_takes_the_memory_that_the_manual_has_and_gives_it_back() {
    let daemon = Setup::new().control().config("recent-jobs = 200").start();
    let data = || status(daemon.pid(), "RssAnon").parse::<u64>().unwrap();
    fill_history(&daemon, 1);
    let begin = data();
    fill_history(&daemon, 200);
    let full = data();
    // 2.5 KiB for each, and some for the answers.
    assert!(full - begin < 200 * 3, "{begin} {full}");
    fill_history(&daemon, 200);
    assert!(data() - full < 64, "{full} {}", data());
    daemon.ask("set", serde_json::json!({"recent-jobs": 0}));
    let left = data();
    assert!(full - left > 200, "{begin} {full} {left}");
    let recent = daemon.ask("recent", serde_json::json!({}));
    assert_eq!(
        (&recent["ended"], &recent["kept"]),
        (&401.into(), &0.into())
    );
}

#[test]
fn the_history_gives_way_to_clients_that_need_its_memory() {
    let setup = Setup::new().control();
    let (daemon, running) = running(setup.arguments(["-m", "3000", "-q", "3000", "-t", "0"]));
    fill_history(&daemon, 300);
    confine(&daemon, 0);
    press(&daemon);
    let since = serde_json::json!({"after": 0, "wait": 0});
    let mut missed = None;
    eventually("an answer", || {
        let Ok(events) = daemon.control().ask("events", &since) else {
            return false;
        };
        let events: serde_json::Value = serde_json::from_str(&events).unwrap();
        missed = events["missed"].as_u64();
        true
    });
    assert!(missed > Some(600), "{missed:?}");
    all_is_well(&daemon, running);
}

#[test]
fn so_many_connections_that_memory_ends_wait_and_are_served() {
    crowd(300);
}

#[test]
fn a_crowd_that_has_gone_leaves_no_memory_in_parts_too_small() {
    for more in [0, 40, 80] {
        crowd(more);
    }
}

/// More connections than there is memory for, which may grow by this number of KiB.
fn crowd(more: u64) {
    let setup = Setup::new().arguments(["-m", "3000", "-q", "3000", "-t", "0"]);
    let (daemon, running) = running(setup);
    confine(&daemon, more);
    press(&daemon);
    all_is_well(&daemon, running);
}

/// Many clients at once, each of which gets its reply or the reason.
fn press(daemon: &Daemon) {
    let clients: Vec<_> = (0..900).map(|_| daemon.connect()).collect();
    for client in &clients {
        // A client that was refused already does not accept it.
        let bytes = request(&["echo", "hi"]);
        let _ = send(client.stream().as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL);
    }
    for client in clients {
        client.end();
        let reply = client.reply();
        match reply.end {
            End::Exit(0) => assert_eq!(reply.out(), "hi\n"),
            _ => reply.refused(111, &["emory"]),
        }
    }
}
