//! Commands that do not end by themselves: deadlines, clients that go, a server that stops.

use crate::common::process::{eventually, wait_gone};
use crate::common::sockproc::{self, request, run};
use crate::common::{Client, Daemon};
use crate::start;
use nix::sys::signal::Signal;
use std::fs;
use std::time::{Duration, Instant};

/// A client whose command has started: its shell's id, then that of the shell's child.
fn running(daemon: &Daemon) -> (Client, [u32; 2]) {
    // Renamed when it is complete. Output would come with the reply only.
    let file = daemon.directory.join("pids");
    let name = file.display();
    let script = format!("sleep 1000 & echo $$ $! >{name}.new; mv {name}.new {name}; wait");
    let client = daemon.begin(request(script, b""));
    eventually("a command that runs", || file.exists());
    let text = fs::read_to_string(&file).unwrap();
    let mut pids = text.split_whitespace().map(|pid| pid.parse().unwrap());
    (client, [pids.next().unwrap(), pids.next().unwrap()])
}

#[test]
fn a_client_that_goes_takes_the_whole_group_with_it() {
    let daemon = start(&["-t", "0", "-k", "60"]);
    let (client, pids) = running(&daemon);
    drop(client);
    pids.into_iter().for_each(wait_gone);
    assert_eq!(run(&daemon, "echo on").succeeded(), "on\n");
}

#[test]
fn a_client_that_half_closes_does_not() {
    let daemon = start(&["-t", "0.7", "-k", "60"]);
    let (client, pids) = running(&daemon);
    client.end();
    // It is the deadline that ends it.
    assert_eq!(sockproc::reply(client).status, 15);
    pids.into_iter().for_each(wait_gone);
}

#[test]
fn the_deadline_sends_term_and_then_kill() {
    let daemon = start(&["-t", "0.5", "-k", "0.5"]);
    let begin = Instant::now();
    assert_eq!(run(&daemon, "echo some; exec sleep 1000").status, 15);
    assert!(begin.elapsed() >= Duration::from_millis(500));
    let reply = run(
        &daemon,
        "trap '' TERM; echo deaf; while :; do sleep 1000; done",
    );
    assert_eq!((reply.status, reply.out()), (9, "deaf\n".to_owned()));
    assert!(begin.elapsed() >= Duration::from_millis(1500));
}

#[test]
fn a_request_that_does_not_come_in_time_gets_100() {
    let daemon = start(&["-t", "0.5"]);
    for begin in ["", "uname", "uname\r\n", "uname\r\n0"] {
        sockproc::reply(daemon.begin(begin)).refused(100, &["0.5 s"]);
    }
}

#[test]
fn over_the_limit_of_connections_one_waits_for_its_turn() {
    let daemon = start(&["-m", "1", "-t", "0"]);
    let (first, pids) = running(&daemon);
    let second = daemon.begin(request("echo second", b""));
    crate::common::process::signal(pids[0], Signal::SIGKILL);
    crate::common::process::signal(pids[1], Signal::SIGKILL);
    assert_eq!(sockproc::reply(first).status, 9);
    assert_eq!(sockproc::reply(second).succeeded(), "second\n");
}

#[test]
fn a_server_that_stops_lets_a_command_end_and_answers() {
    let mut daemon = start(&["-t", "0", "-k", "60"]);
    let (client, _) = running(&daemon);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(sockproc::reply(client).status, 15);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.path().exists());
}
