//! `set`: each limit applies to new jobs at once, and a value out of range changes nothing.

use crate::common::{Client, Daemon, End, Setup, request, shell};
use crate::start;
use serde_json::json;
use std::time::Instant;

fn held(daemon: &Daemon) -> Client {
    let mut client = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(client.line(), "up");
    client
}

#[track_caller]
fn logged(daemon: &Daemon, words: [&str; 2]) {
    daemon.log.wait_for("the change", |line| {
        words.iter().all(|word| line.contains(word))
    });
}

#[test]
fn a_timeout_is_for_new_jobs() {
    let daemon = start(&["-t", "40"]);
    let mut before = held(&daemon);
    let limits = daemon.ask("set", json!({"timeout": 0.3}));
    assert_eq!(limits["timeout"], 0.3);
    logged(&daemon, ["timeout", "0.3"]);
    let late = daemon.run(&["sleep", "1000"]);
    assert_eq!(late.end, End::Signal("15".into()));
    let left = daemon.jobs()[0]["deadline"].as_f64().unwrap();
    assert!(left > 30.0, "{left}");
    assert_eq!(daemon.ask("set", json!({"timeout": 0}))["timeout"], 0.0);
    let mut endless = held(&daemon);
    assert!(daemon.jobs()[1]["deadline"].is_null());
    for client in [&mut before, &mut endless] {
        client.send("0:,");
    }
    before.reply().succeeded();
    endless.reply().succeeded();
}

#[test]
fn a_time_may_have_units_in_options_the_file_and_set() {
    let file = "request-timeout = \"1m30s\"\nkill-timeout = \"500ms\"\n\n[[allow]]\nprogram = \"*\"\n\
                timeout = \"2d\"\n";
    let daemon = Setup::new()
        .control()
        .config(file)
        .arguments(["-t", "1h30m", "--stop-grace=2m"])
        .start();
    let limits = &daemon.ask("status", json!({}))["limits"];
    assert_eq!(limits["timeout"], 5400.0);
    assert_eq!(limits["stop-grace"], 120.0);
    assert_eq!(limits["request-timeout"], 90.0);
    assert_eq!(limits["kill-timeout"], 0.5);
    let rule = daemon.ask("explain", json!({"program": "id"}));
    assert_eq!(rule["limits"]["timeout"], 172_800, "{rule}");
    let limits = daemon.ask("set", json!({"timeout": "3d", "kill-timeout": "1m"}));
    assert_eq!(
        (limits["timeout"].as_f64(), limits["kill-timeout"].as_f64()),
        (Some(259_200.0), Some(60.0))
    );
    let error = daemon.fails("set", json!({"timeout": "5 minutes"}));
    assert!(error.contains("\"90s\", \"5m\" or \"1h30m\""), "{error}");
}

#[test]
fn a_kill_timeout_is_for_new_jobs() {
    let daemon = start(&["-t", "0.2", "-k", "1000"]);
    let limits = daemon.ask("set", json!({"kill-timeout": 0.2}));
    assert_eq!(limits["kill-timeout"], 0.2);
    logged(&daemon, ["kill-timeout", "0.2"]);
    let start = Instant::now();
    let reply = daemon.shell("trap '' TERM; sleep 1000; sleep 1000");
    assert_eq!(reply.end, End::Signal("9".into()));
    assert!(start.elapsed() < crate::common::PATIENCE);
}

#[test]
fn more_connections_let_those_in_who_wait() {
    let daemon = start(&["-m", "1"]);
    let mut first = held(&daemon);
    let waiting: Vec<_> = (0..2)
        .map(|_| daemon.begin("1:2,4:echo,2:hi,0:,"))
        .collect();
    assert_eq!(daemon.status()["totals"]["accepted"], 1);
    let limits = daemon.ask("set", json!({"max-connections": 2}));
    assert_eq!(limits["max-connections"], 2);
    logged(&daemon, ["max-connections", "2"]);
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "hi\n");
    }
    first.send("0:,");
    first.reply().succeeded();
}

#[test]
fn fewer_connections_end_nobody_and_let_nobody_in() {
    let daemon = start(&["-m", "3"]);
    let mut all: Vec<_> = (0..3).map(|_| held(&daemon)).collect();
    let limits = daemon.ask("set", json!({"max-connections": 1}));
    assert_eq!(
        (&limits["max-connections"], &limits["programs"]),
        (&json!(1), &json!(1))
    );
    let late = daemon.begin("1:2,4:echo,2:hi,0:,");
    for left in [2, 1] {
        let mut client = all.pop().unwrap();
        client.send("4:more,0:,");
        assert_eq!(client.reply().succeeded(), "more");
        // Many turns in which a client could be accepted.
        for _ in 0..20 {
            let status = daemon.status();
            assert_eq!(
                (&status["active"], &status["totals"]["accepted"]),
                (&json!(left), &json!(3))
            );
        }
    }
    let mut last = all.pop().unwrap();
    last.send("0:,");
    last.reply().succeeded();
    assert_eq!(late.reply().succeeded(), "hi\n");
}

#[test]
fn the_log_level_changes_at_once() {
    let daemon = start(&["--log-level", "warn"]);
    daemon.run(&["echo", "not-told"]).succeeded();
    let limits = daemon.ask("set", json!({"log-level": "debug"}));
    assert_eq!(limits["log-level"], "debug");
    logged(&daemon, ["log-level", "debug"]);
    daemon.run(&["echo", "told-much"]).succeeded();
    logged(&daemon, ["job", "told-much"]);
    logged(&daemon, ["connection", "accepted"]);
    daemon.ask("set", json!({"log-level": "error"}));
    logged(&daemon, ["log-level", "error"]);
    daemon.run(&["echo", "silent"]).succeeded();
    daemon.ask("set", json!({"log-level": "info"}));
    daemon.run(&["echo", "again"]).succeeded();
    logged(&daemon, ["job", "again"]);
    let all = daemon.log.all();
    for word in ["not-told", "silent"] {
        assert!(!all.iter().any(|line| line.contains(word)), "{all:#?}");
    }
}

#[test]
fn what_is_out_of_range_changes_nothing_at_all() {
    let daemon = start(&["-m", "5", "-t", "40", "-k", "3"]);
    let before = daemon.status()["limits"].clone();
    for (args, words) in [
        (json!({}), ["at least one", "max-connections"]),
        (
            json!({"max-connections": 0}),
            ["max-connections: 0", "1 to 1000000"],
        ),
        (
            json!({"max-connections": 1_000_001}),
            ["1000001", "1 to 1000000"],
        ),
        (json!({"max-connections": "5"}), ["\"5\"", "1 to 1000000"]),
        (json!({"timeout": -1}), ["timeout: -1", "0 to 315360000"]),
        (json!({"timeout": 1e300}), ["timeout", "0 to 315360000"]),
        (
            json!({"kill-timeout": "x"}),
            ["kill-timeout", "0 to 315360000"],
        ),
        (
            json!({"log-level": "loud"}),
            ["log-level", "error, warn, info or debug"],
        ),
        (
            json!({"requests-per-second": 1e-9}),
            [
                "requests-per-second: 1e-9",
                "a number, 0 or from 0.001 to 1000000",
            ],
        ),
        (json!({"audit": "never"}), ["audit", "end or both"]),
        (json!({"queue": 5}), ["\"queue\"", "max-connections"]),
        // One that is right beside one that is wrong.
        (
            json!({"timeout": 5, "kill-timeout": -5}),
            ["kill-timeout", "0 to"],
        ),
    ] {
        let error = daemon.fails("set", args);
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
    assert_eq!(daemon.status()["limits"], before);
}

#[test]
fn the_service_manager_hears_of_another_limit_without_a_client() {
    let daemon = start(&[]);
    daemon.ask("set", json!({"max-connections": 7}));
    daemon.notify.wait_for("the status", |line| {
        line.starts_with("STATUS=0 of 7 connections")
    });
}

#[test]
fn many_at_once_are_set_together() {
    let daemon = start(&[]);
    let args = json!({"max-connections": 9, "timeout": 8.5, "kill-timeout": 7, "requests-per-second": 2.5,
            "burst": 4, "detached-max": 0, "log-level": "warn", "audit": "both"});
    let limits = daemon.ask("set", args);
    assert_eq!(
        limits,
        json!({"max-connections": 9, "programs": 9, "timeout": 8.5,
            "request-timeout": 10.0, "kill-timeout": 7.0, "stop-grace": 0.0, "user-share": 100,
            "requests-memory": 67_108_864, "spool-total": 8_589_934_592_u64,
            "requests-per-second": 2.5, "burst": 4, "detached-max": 0, "recent-jobs": 1000, "log-level": "warn",
            "audit": "both"})
    );
    assert_eq!(daemon.status()["limits"], limits);
    daemon.begin(request(&["true"])).reply().succeeded();
}
