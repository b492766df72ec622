//! The rate of requests of each user. The times that are checked are lower bounds.

use crate::common::process::eventually;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Client, Daemon, Setup, request, shell};
use serde_json::json;
use std::fs;

/// One request, and then one in 1000 s.
const SLOW: &str = "requests-per-second = 0.001\nburst = 1\n";

fn start(config: &str) -> Daemon {
    Setup::new().control().config(config).start()
}

#[track_caller]
fn parked(daemon: &Daemon, script: &str, count: usize) -> Client {
    let client = daemon.begin(shell(script));
    daemon.wait_jobs("parked", count);
    client
}

/// Seconds since the machine's start.
fn uptime(text: &str) -> f64 {
    let (up, _) = text.split_once(' ').unwrap();
    up.parse().unwrap()
}

#[test]
fn requests_over_the_burst_start_at_the_rate() {
    let daemon = start("requests-per-second = 10\nburst = 3\n");
    let began = uptime(&fs::read_to_string("/proc/uptime").unwrap());
    let clients: Vec<_> = (0..9)
        .map(|_| daemon.begin(shell("exec cat /proc/uptime")))
        .collect();
    let replies = clients.into_iter().map(|client| client.reply().succeeded());
    let mut starts: Vec<f64> = replies.map(|text| uptime(&text) - began).collect();
    starts.sort_by(f64::total_cmp);
    // Each of the last six had to wait for a token of its own. The clock's step is 0.01 s.
    for (tokens, start) in (1..).zip(&starts[3..]) {
        assert!(*start >= f64::from(tokens) * 0.1 - 0.011, "{starts:?}");
    }
    let status = daemon.status();
    assert_eq!(status["throttled"], 0);
    let throttled = status["totals"]["throttled"].as_u64().unwrap();
    assert!((1..=6).contains(&throttled), "{throttled}");
}

#[test]
fn one_over_its_rate_is_parked_and_another_user_is_served() {
    let daemon = Setup::new()
        .control()
        .config(SLOW)
        .arguments(["--mode", "0666"])
        .start();
    daemon.serves();
    let waits = parked(&daemon, "echo at last", 1);
    let status = daemon.status();
    assert_eq!(
        (&status["throttled"], &status["parked"], &status["active"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let path = daemon.path();
    let served = as_user(NOBODY, NOBODY, &[], || {
        let mut client = Client::connect(path);
        client.send(shell("echo served"));
        client.reply().succeeded()
    });
    if served.is_none() {
        return;
    }
    // Neither are commands held up.
    daemon.ask("set", json!({"requests-per-second": 0}));
    assert_eq!(waits.reply().succeeded(), "at last\n");
    assert_eq!(daemon.status()["throttled"], 0);
}

#[test]
fn one_who_is_over_the_rate_may_go_away_or_meets_its_deadline() {
    let daemon = start(&format!("{SLOW}timeout = 0.3\n"));
    daemon.serves();
    drop(parked(&daemon, "echo never", 1));
    eventually("it has gone", || daemon.status()["throttled"] == 0);
    daemon
        .begin(shell("echo never"))
        .reply()
        .refused(111, &["in time"]);
    let status = daemon.status();
    assert_eq!(
        (&status["throttled"], &status["totals"]["throttled"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(status["outcomes"]["timeout"], 1);
}

#[test]
fn a_stop_does_not_wait_for_the_rate_for_ever() {
    let mut daemon = start(SLOW);
    daemon.serves();
    let waits = parked(&daemon, "echo never", 1);
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    waits.reply().refused(111, &["in time"]);
    assert!(daemon.wait().success());
}

#[test]
fn a_reload_with_another_rate_lets_parked_ones_go_on() {
    let daemon = start(SLOW);
    daemon.serves();
    let file = daemon.path().with_file_name("sockexec.toml");
    let waiting: Vec<_> = (1..=3)
        .map(|n| parked(&daemon, &format!("echo {n}"), n))
        .collect();
    fs::write(&file, "requests-per-second = 50\nburst = 1\n").unwrap();
    daemon.ask("reload", json!({}));
    for (n, client) in (1..=3).zip(waiting) {
        assert_eq!(client.reply().succeeded(), format!("{n}\n"));
    }
}

#[test]
fn a_refused_request_takes_a_token_too() {
    let daemon = start(&format!("{SLOW}[[allow]]\nprogram = \"/usr/bin/true\"\n"));
    daemon.run(&["/usr/bin/false"]).refused(126, &["rule"]);
    let waits = daemon.begin(request(&["true"]));
    daemon.wait_jobs("parked", 1);
    drop(waits);
}
