//! `--stop-grace`: a shutdown first lets running programs finish.

use crate::common::client::END;
use crate::common::process::wait_gone;
use crate::common::{Daemon, End, request, shell};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Longer than any test waits for anything.
const LONG: &str = "1000";

fn told_to_stop(daemon: &Daemon) {
    daemon.signal(Signal::SIGTERM);
    daemon
        .notify
        .wait_for("the end", |line| line == "STOPPING=1");
}

#[test]
fn what_runs_ends_by_itself_and_the_server_with_it() {
    let mut daemon = Daemon::start(&["--stop-grace", LONG]);
    let fifo = daemon.directory.fifo("go");
    let script = format!("trap 'echo told' TERM; echo up; read x <{fifo}; echo done; exit 7");
    let mut client = daemon.begin(shell(&script));
    assert_eq!(client.line(), "up");
    told_to_stop(&daemon);
    let _go = daemon.directory.release("go");
    let reply = client.reply();
    assert_eq!(
        (reply.out(), reply.end),
        ("done\n".to_owned(), End::Exit(7))
    );
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.path().exists());
}

#[test]
fn input_still_comes_and_goes() {
    let mut daemon = Daemon::start(&["--stop-grace", LONG]);
    let mut client = daemon.begin(request(&["cat"]));
    client.send("3:up\n,");
    assert_eq!(client.line(), "up");
    told_to_stop(&daemon);
    client.send("5:more\n,");
    assert_eq!(client.line(), "more");
    client.send(END);
    assert_eq!(client.reply().end, End::Exit(0));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn who_is_connected_is_served() {
    let mut daemon = Daemon::start(&["--stop-grace", LONG]);
    let mut silent = daemon.connect();
    let mut half = daemon.begin("1:2,4:ec");
    // They come in their order: both have been accepted when this one is served.
    daemon.serves();
    told_to_stop(&daemon);
    half.send("ho,4:half,0:,");
    assert_eq!(half.reply().succeeded(), "half\n");
    silent.send("1:2,4:echo,4:late,0:,");
    assert_eq!(silent.reply().succeeded(), "late\n");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn who_waits_in_the_queue_is_told_at_once() {
    let mut daemon = Daemon::start(&["--stop-grace", LONG, "-m", "1"]);
    let mut first = daemon.begin(request(&["cat"]));
    first.send("3:up\n,");
    assert_eq!(first.line(), "up");
    let second = daemon.begin("1:2,4:echo,6:second,0:,");
    told_to_stop(&daemon);
    let reply = second.reply();
    assert_eq!((reply.out(), reply.end), (String::new(), End::Exit(111)));
    first.send(END);
    assert_eq!(first.reply().end, End::Exit(0));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn what_takes_longer_is_told_to_end() {
    let mut daemon = Daemon::start(&["--stop-grace", "0.3", "-k", LONG]);
    let mut client = daemon.begin(shell(
        "trap 'echo bye; exit 3' TERM; sh -c 'echo up; exec sleep 1000' & wait",
    ));
    assert_eq!(client.line(), "up");
    let silent = daemon.connect();
    daemon.serves();
    let start = Instant::now();
    told_to_stop(&daemon);
    let reply = client.reply();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!((reply.out(), reply.end), ("bye\n".to_owned(), End::Exit(3)));
    assert_eq!(silent.reply().end, End::Exit(111));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_grace() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&["--stop-grace", LONG, "-k", LONG]);
        let mut client = daemon.begin(shell("trap '' TERM; echo $$; while :; do sleep 1000; done"));
        let pid = client.number();
        told_to_stop(&daemon);
        daemon.signal(second);
        assert_eq!(client.reply().end, End::Signal("9".into()));
        assert_eq!(daemon.wait().code(), Some(0));
        wait_gone(pid);
    }
}
