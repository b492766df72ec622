//! Clients that go, at each stage of a request, in each way there is.

use crate::common::client::END;
use crate::common::process::{children, descriptors, eventually, wait_gone};
use crate::common::random::Random;
use crate::common::{Client, Daemon, request, shell};
use std::io::Read;

/// Runs `goes` many times, then checks that nothing is left of it.
#[track_caller]
fn leaves_nothing(daemon: &Daemon, rounds: usize, mut goes: impl FnMut(usize, Client)) {
    daemon.serves();
    let pid = daemon.pid();
    eventually("the daemon is idle", || children(pid).is_empty());
    let before = descriptors(pid).len();
    for round in 0..rounds {
        goes(round, daemon.connect());
    }
    daemon.serves();
    eventually("no child is left", || children(pid).is_empty());
    eventually("no descriptor is left", || descriptors(pid).len() <= before);
}

#[test]
fn straight_after_connecting() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 200, |_, client| drop(client));
}

#[test]
fn in_the_middle_of_a_request() {
    let daemon = Daemon::start(&[]);
    let head = request(&["sleep", "1000"]);
    leaves_nothing(&daemon, 10 * head.len(), |round, mut client| {
        client.send(&head[..round % head.len()]);
    });
}

#[test]
fn straight_after_a_request() {
    let daemon = Daemon::start(&[]);
    let mut head = request(&["sleep", "1000"]);
    head.extend_from_slice(END);
    leaves_nothing(&daemon, 200, |_, mut client| client.send(&head));
}

#[test]
fn in_the_middle_of_the_input() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 100, |round, mut client| {
        client.send(shell("cat; exec sleep 1000"));
        client.send("100000:");
        client.send(vec![b'x'; round * 1000]);
    });
}

#[test]
fn while_the_input_waits_for_the_program() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 20, |_, mut client| {
        client.send(request(&["sleep", "1000"]));
        client.send("100000:");
        client.send(vec![b'x'; 100_000]);
        client.send(",");
    });
}

#[test]
fn in_the_middle_of_the_output() {
    let daemon = Daemon::start(&[]);
    let mut random = Random::new(1);
    leaves_nothing(&daemon, 100, |_, mut client| {
        client.send(request(&["cat", "/dev/zero"]));
        // With bytes unread, which is another way to go (ECONNRESET).
        let mut bytes = vec![0; 1 + random.below(200_000)];
        client.stream().read_exact(&mut bytes).unwrap();
    });
}

#[test]
fn with_the_reply_unread() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 100, |_, mut client| {
        client.send(shell("echo $$; exec sleep 1000"));
        let pid = client.number();
        drop(client);
        wait_gone(pid);
    });
}

#[test]
fn after_the_reply() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 200, |_, mut client| {
        client.send("1:1,4:true,0:,");
        assert_eq!(client.pair().0, "exitcode");
    });
}

#[test]
fn from_a_request_that_cannot_be_run() {
    let daemon = Daemon::start(&[]);
    leaves_nothing(&daemon, 200, |_, mut client| {
        client.send(request(&["/no/such/program"]));
    });
}

#[test]
fn by_reading_no_more() {
    // A client that shuts down its reading side makes the server's sends fail.
    let daemon = Daemon::start(&["-k", "60"]);
    leaves_nothing(&daemon, 20, |_, mut client| {
        client.send(shell("echo $$; read x; exec cat /dev/zero"));
        let pid = client.number();
        client.stream().shutdown(std::net::Shutdown::Read).unwrap();
        client.send("1:\n,");
        wait_gone(pid);
    });
}
