//! More clients than the limit: the rest wait in the queue, and all are served.

use crate::common::client::END;
use crate::common::process::{eventually, sockets};
use crate::common::skip;
use crate::common::{Daemon, End, Setup, request, shell};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn all_of_300_clients_are_served_at_a_limit_of_100() {
    let daemon = Daemon::start(&[]);
    let start = Barrier::new(300);
    thread::scope(|scope| {
        for number in 0..300 {
            let (daemon, start) = (&daemon, &start);
            scope.spawn(move || {
                start.wait();
                let reply = daemon.shell(&format!("sleep 0.1; echo {number}"));
                assert_eq!(reply.succeeded(), format!("{number}\n"));
            });
        }
    });
}

#[test]
fn all_of_300_clients_are_served_one_by_one() {
    let daemon = Daemon::start(&["-m", "1", "-q", "10"]);
    thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| daemon.serves());
        }
    });
}

#[test]
fn nothing_is_accepted_beyond_the_limit() {
    let daemon = Daemon::start(&["-m", "2"]);
    let mut first = daemon.begin(request(&["cat"]));
    let mut second = daemon.begin(request(&["cat"]));
    for client in [&mut first, &mut second] {
        client.send("3:up\n,");
        assert_eq!(client.line(), "up");
    }
    let before = sockets(daemon.pid());
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = daemon.connect();
        client.send("1:2,4:echo,2:hi,0:,");
        waiting.push(client);
    }
    // Some turns of the loop, in which it does not look at the listener.
    for _ in 0..50 {
        first.send("3:up\n,");
        assert_eq!(first.line(), "up");
    }
    assert_eq!(sockets(daemon.pid()), before);
    // One slot is enough for all of them.
    second.send(END);
    assert_eq!(second.reply().end, End::Exit(0));
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "hi\n");
    }
    first.send(END);
    assert_eq!(first.reply().end, End::Exit(0));
}

#[test]
fn clients_that_linger_hold_no_slot() {
    let daemon = Daemon::start(&["-m", "1"]);
    let start = Instant::now();
    let mut lingering = Vec::new();
    for _ in 0..10 {
        let mut client = daemon.begin("1:1,4:true,0:,");
        assert_eq!(client.pair().0, "exitcode");
        lingering.push(client);
    }
    // With a slot held for its second, each would have waited for the one before.
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn of_those_who_linger_the_oldest_is_closed_when_they_are_too_many() {
    // As many may linger as may be connected.
    let daemon = Setup::new()
        .config("linger = 60")
        .arguments(["-m", "2"])
        .start();
    let mut lingering: Vec<_> = (0..3)
        .map(|_| {
            let mut client = daemon.begin("1:1,4:true,0:,");
            assert_eq!(client.pair().0, "exitcode");
            client
        })
        .collect();
    // It is closed when another client connects.
    let _next = daemon.connect();
    eventually("the oldest is closed", || {
        lingering[0].send_piece(b"x").is_err()
    });
    for client in &mut lingering[1..] {
        client.send_piece(b"x").unwrap();
    }
}

#[test]
fn a_client_in_the_queue_may_go() {
    let daemon = Daemon::start(&["-m", "1"]);
    let mut first = daemon.begin(request(&["cat"]));
    first.send("3:up\n,");
    assert_eq!(first.line(), "up");
    let trace = daemon.directory.join("trace");
    for number in 0..50 {
        let head = shell(&format!("echo {number} >>{}", trace.display()));
        drop(daemon.begin(head));
    }
    let last = daemon.begin("1:2,4:echo,2:hi,0:,");
    first.send(END);
    assert_eq!(first.reply().end, End::Exit(0));
    assert_eq!(last.reply().succeeded(), "hi\n");
}

#[test]
fn idle_clients_are_hung_up_on_at_the_deadline_and_others_come_in() {
    let daemon = Daemon::start(&["-m", "5", "-t", "0.7"]);
    let idle: Vec<_> = (0..5).map(|_| daemon.connect()).collect();
    daemon.serves();
    for client in idle {
        client.reply().refused(100, &["0.7"]);
    }
}

#[test]
fn a_thousand_idle_clients_cost_little() {
    if !skip::unless_descriptors(4096) {
        return;
    }
    let daemon = Daemon::start(&["-m", "950", "-t", "0"]);
    daemon.serves();
    let before = crate::common::process::resident(daemon.pid());
    let idle: Vec<_> = (0..900).map(|_| daemon.connect()).collect();
    daemon.serves();
    let growth = crate::common::process::resident(daemon.pid()).saturating_sub(before);
    assert!(growth <= 900 * 16, "{growth} KiB");
    drop(idle);
    daemon.serves();
}
