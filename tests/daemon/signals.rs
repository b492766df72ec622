//! TERM and INT shut down, USR1 logs, PIPE is ignored.

use crate::common::client::END;
use crate::common::process::{lives, wait_gone};
use crate::common::{Client, Daemon, End, Setup, request, shell};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Prints a line on TERM, and ends. When it has printed that it is up, no process is left for which
/// TERM would come too early.
const POLITE: &str = "trap 'echo bye; exit 3' TERM; sh -c 'echo up; exec sleep 1000' & wait";

fn stopping(daemon: &Daemon) {
    daemon
        .notify
        .wait_for("the end", |line| line == "STOPPING=1");
}

#[test]
fn term_and_int_end_an_idle_daemon() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&[]);
        daemon.serves();
        daemon.signal(signal);
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        stopping(&daemon);
    }
}

#[test]
fn a_daemon_to_which_no_client_comes_leaves_as_idle() {
    let mut daemon = Daemon::start(&["--idle-exit", "0.2"]);
    assert_eq!(daemon.wait().code(), Some(0));
    stopping(&daemon);
}

#[test]
fn term_lets_programs_clean_up_and_clients_hear_of_it() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&["-k", "60"]);
        let mut clients: Vec<_> = (0..5).map(|_| daemon.begin(shell(POLITE))).collect();
        for client in &mut clients {
            assert_eq!(client.line(), "up");
        }
        daemon.signal(signal);
        for client in clients {
            let reply = client.reply();
            assert_eq!((reply.out(), reply.end), ("bye\n".into(), End::Exit(3)));
        }
        assert_eq!(daemon.wait().code(), Some(0));
    }
}

#[test]
fn term_kills_what_does_not_listen() {
    let mut daemon = Daemon::start(&["-k", "0.6"]);
    let mut client = daemon.begin(shell("trap '' TERM; echo $$; while :; do sleep 1000; done"));
    let pid = client.number();
    let start = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(client.reply().end, End::Signal("9".into()));
    assert!(start.elapsed() >= Duration::from_millis(600));
    wait_gone(pid);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_client_without_a_program_hears_of_the_end() {
    let mut daemon = Daemon::start(&["-k", "60"]);
    let idle = daemon.connect();
    let half = daemon.begin("1:1,5:una");
    daemon.serves();
    daemon.signal(Signal::SIGTERM);
    for client in [idle, half] {
        // Not a silent close: a reply with a reason and an end.
        let reply = client.reply();
        assert!(matches!(reply.end, End::Exit(100 | 111)), "{reply:?}");
        assert!(reply.err().starts_with("sockexec: "), "{reply:?}");
    }
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn nobody_is_let_in_while_it_drains() {
    let mut daemon = Daemon::start(&["-k", "60"]);
    let fifo = daemon.directory.fifo("go");
    let mut client = daemon.begin(shell(&format!(
        "trap 'read x <{fifo}; exit 4' TERM; sh -c 'echo up; exec sleep 1000' & wait"
    )));
    assert_eq!(client.line(), "up");
    daemon.signal(Signal::SIGTERM);
    stopping(&daemon);
    let late = Client::try_connect(daemon.path()).map(|mut client| {
        let _ = client.send_piece(b"1:2,4:echo,4:late,0:,");
        client
    });
    let _go = daemon.directory.release("go");
    assert_eq!(client.reply().end, End::Exit(4));
    assert_eq!(daemon.wait().code(), Some(0));
    if let Ok(late) = late {
        let bytes = late.try_rest().unwrap_or_default();
        assert!(!bytes.windows(4).any(|w| w == b"late"), "served after TERM");
    }
}

#[test]
fn a_second_term_does_not_wait() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(&["-k", "1000"]);
        let mut client = daemon.begin(shell("trap '' TERM; echo $$; while :; do sleep 1000; done"));
        let pid = client.number();
        daemon.signal(Signal::SIGTERM);
        stopping(&daemon);
        assert!(lives(pid));
        daemon.signal(second);
        // Even now every client gets an answer.
        assert_eq!(client.reply().end, End::Signal("9".into()));
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0), "{status}");
        // It leaves nothing behind that no one would look after.
        wait_gone(pid);
        assert!(!daemon.path().exists());
    }
}

#[test]
fn a_drain_does_not_wait_for_clients_that_read_nothing() {
    let mut daemon = Daemon::start(&["-k", "0.3"]);
    let mut client = daemon.begin(shell("echo up; exec cat /dev/zero"));
    assert_eq!(client.line(), "up");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn usr1_tells_the_state_of_each_connection() {
    let daemon = Daemon::start(&[]);
    let mut running = daemon.begin(request(&["cat", "-u", "-"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    let _idle = daemon.connect();
    daemon.serves();
    let before = daemon.log.all().len();
    daemon.signal(Signal::SIGUSR1);
    let pid = std::process::id().to_string();
    daemon
        .log
        .wait(|lines| {
            let news = &lines[before..];
            let connections = news.iter().filter(|l| l.contains(&pid)).count();
            let totals = news.iter().any(|l| l.contains("active"));
            (connections >= 2 && totals).then_some(())
        })
        .unwrap_or_else(|| panic!("{:#?}", daemon.log.all()));
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
}

#[test]
fn a_storm_of_signals_hurts_nobody() {
    let daemon = Daemon::start(&[]);
    let mut client = daemon.begin(request(&["cat"]));
    for round in 0..300 {
        for signal in [Signal::SIGUSR1, Signal::SIGPIPE, Signal::SIGCHLD] {
            daemon.signal(signal);
        }
        if round % 10 == 0 {
            client.send("3:up\n,");
            assert_eq!(client.line(), "up");
            daemon.serves();
        }
    }
    client.send(END);
    assert_eq!(client.reply().end, End::Exit(0));
}

#[test]
fn the_path_is_free_for_the_next_one() {
    let daemon = Daemon::start(&[]);
    let path = daemon.path().to_owned();
    let other = crate::common::temporary::Directory::new();
    let moved = other.join("s");
    daemon.stop();
    for _ in 0..5 {
        let daemon = Setup::new().socket(moved.clone()).start();
        daemon.serves();
        daemon.stop();
    }
    assert!(!path.exists());
}
