//! The notifications to a supervisor: READY=1, STATUS=, WATCHDOG=1, STOPPING=1.

use crate::common::client::END;
use crate::common::{Daemon, End, PATIENCE, Setup, request};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Waits for a status that has these two numbers in this order.
#[track_caller]
fn wait_status(daemon: &Daemon, active: u32, total: u32) {
    let wanted = [active, total].map(|n| n.to_string());
    daemon.notify.wait_for("the status", |line| {
        let Some(status) = line.strip_prefix("STATUS=") else {
            return false;
        };
        let numbers: Vec<_> = status
            .split(|c: char| !c.is_ascii_digit())
            .filter(|word| !word.is_empty())
            .collect();
        numbers.first() == Some(&wanted[0].as_str()) && numbers.contains(&wanted[1].as_str())
    });
}

#[test]
fn the_status_has_the_active_and_the_total() {
    let daemon = Daemon::start(&[]);
    let mut clients: Vec<_> = (0..7).map(|_| daemon.begin(request(&["cat"]))).collect();
    wait_status(&daemon, 7, 7);
    for client in &mut clients {
        client.send(END);
    }
    for client in clients {
        assert_eq!(client.reply().end, End::Exit(0));
    }
    wait_status(&daemon, 0, 7);
}

#[test]
fn the_status_comes_once_a_second_at_most() {
    let daemon = Daemon::start(&[]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2200) {
        daemon.serves();
    }
    let mut count = 0;
    while let Some(lines) = daemon.notify.next(Duration::from_millis(50)) {
        count += lines.iter().filter(|l| l.starts_with("STATUS=")).count();
    }
    assert!((1..=5).contains(&count), "{count} in {:?}", start.elapsed());
}

#[test]
fn an_idle_daemon_says_nothing() {
    let daemon = Daemon::start(&[]);
    daemon.serves();
    wait_status(&daemon, 0, 1);
    let news = daemon.notify.next(Duration::from_millis(1500));
    assert_eq!(news, None);
}

/// The times between some WATCHDOG=1, shortest and longest.
fn watchdog_gaps(daemon: &Daemon, count: usize) -> (Duration, Duration) {
    let mut last = None;
    let mut gaps = Vec::new();
    while gaps.len() < count {
        daemon
            .notify
            .wait_for("the watchdog", |line| line == "WATCHDOG=1");
        let now = Instant::now();
        if let Some(last) = last.replace(now) {
            gaps.push(now.duration_since(last));
        }
    }
    (*gaps.iter().min().unwrap(), *gaps.iter().max().unwrap())
}

#[test]
fn the_watchdog_hears_twice_an_interval() {
    let daemon = Setup::new().env("WATCHDOG_USEC", "1000000").start();
    let (shortest, longest) = watchdog_gaps(&daemon, 4);
    assert!(shortest > Duration::from_millis(250), "{shortest:?}");
    assert!(longest < Duration::from_millis(1000), "{longest:?}");
}

#[test]
fn the_watchdog_hears_also_from_a_busy_loop() {
    let daemon = Setup::new().env("WATCHDOG_USEC", "1000000").start();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watchdog_gaps(&daemon, 3));
        while !watch.is_finished() {
            daemon.serves();
        }
        let (_, longest) = watch.join().unwrap();
        assert!(longest < Duration::from_millis(1000), "{longest:?}");
    });
}

#[test]
fn a_watchdog_of_somebody_else_hears_nothing() {
    let daemon = Setup::new()
        .env("WATCHDOG_USEC", "200000")
        .env("WATCHDOG_PID", "1")
        .spawn();
    daemon.wait_serving();
    daemon.serves();
    let end = Instant::now() + Duration::from_secs(1);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let lines = daemon.notify.next(left.max(Duration::from_millis(1)));
        let lines = lines.unwrap_or_default();
        assert!(!lines.iter().any(|l| l == "WATCHDOG=1"));
    }
    daemon.stop();
    // When the number is its own, it does speak.
    let daemon = Setup::by(&["sh", "-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\""])
        .env("WATCHDOG_USEC", "200000")
        .start();
    watchdog_gaps(&daemon, 1);
}

#[test]
fn a_watchdog_that_makes_no_sense_is_ignored() {
    for value in ["", "x", "0", "-1", "1", "99999999999999999999999"] {
        let daemon = Setup::new().env("WATCHDOG_USEC", value).start();
        daemon.serves();
    }
}

#[test]
fn a_supervisor_that_hangs_stops_nobody() {
    let setup = Setup::new().env("WATCHDOG_USEC", "200000");
    setup.notify.fill();
    let daemon = setup.spawn();
    daemon.wait_serving();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        daemon.serves();
    }
    assert!(start.elapsed() < PATIENCE / 2);
    daemon.stop();
}

#[test]
fn a_supervisor_whose_queue_was_full_hears_that_the_daemon_serves() {
    let setup = Setup::new();
    setup.notify.fill();
    let daemon = setup.spawn();
    daemon.wait_serving();
    daemon.serves();
    daemon.notify.wait_for("READY=1", |line| line == "READY=1");
    wait_status(&daemon, 0, 1);
}

#[test]
fn a_supervisor_whose_queue_was_full_hears_of_a_reload_and_of_its_end() {
    let daemon = Daemon::start(&[]);
    daemon.notify.fill();
    for _ in 0..3 {
        daemon.signal(Signal::SIGHUP);
        daemon.serves();
    }
    daemon
        .log
        .wait_for("it", |line| line.contains("read again"));
    daemon.notify.wait_for("it", |line| line == "RELOADING=1");
    daemon.notify.wait_for("it", |line| line == "READY=1");
}

#[test]
fn a_supervisor_whose_queue_was_full_hears_of_a_stop_and_the_watchdog() {
    let setup = Setup::new().env("WATCHDOG_USEC", "1000000");
    let mut daemon = setup.arguments(["--stop-grace", "100"]).start();
    let mut running = daemon.begin(request(&["cat"]));
    running.send("3:up\n,");
    assert_eq!(running.line(), "up");
    daemon.notify.fill();
    daemon.signal(Signal::SIGTERM);
    daemon.log.wait_for("it", |line| line.contains("stopping"));
    daemon.notify.wait_for("it", |line| line == "STOPPING=1");
    daemon.notify.wait_for("it", |line| line == "WATCHDOG=1");
    running.send(END);
    assert_eq!(running.reply().end, End::Exit(0));
    assert!(daemon.wait().success());
}

#[test]
fn a_supervisor_that_has_gone_stops_nobody() {
    let daemon = Setup::new().env("WATCHDOG_USEC", "200000").start();
    std::fs::remove_file(daemon.notify.path()).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        daemon.serves();
    }
    daemon.stop();
}

#[test]
fn without_a_supervisor_it_serves_all_the_same() {
    let mut setup = Setup::new();
    setup.command.env_remove("NOTIFY_SOCKET");
    let daemon = setup.spawn();
    daemon.wait_serving();
    daemon.serves();
    daemon.stop();
}
