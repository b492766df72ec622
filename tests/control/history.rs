//! What has happened: `recent`, `events` and `totals`.

use crate::common::control::command;
use crate::common::process::{eventually, own_user};
use crate::common::{Control, Daemon, Setup, request};
use crate::start;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longer than a test may last: an answer after this time is none.
const LONG: u32 = 3000;

#[track_caller]
fn recent(daemon: &Daemon, args: Value) -> Vec<Value> {
    daemon.ask("recent", args)["jobs"]
        .as_array()
        .unwrap()
        .clone()
}

/// The values of a key in a list.
fn each(list: &[Value], key: &str) -> Vec<Value> {
    list.iter().map(|entry| entry[key].clone()).collect()
}

/// Waits until this number of jobs has ended.
#[track_caller]
fn wait_ended(daemon: &Daemon, count: u64) {
    eventually(&format!("{count} jobs ended"), || {
        daemon.ask("recent", json!({}))["ended"] == count
    });
}

/// Asks for events without waiting for the answer, which is not there yet.
#[track_caller]
fn asked(daemon: &Daemon, args: &Value) -> Control {
    let mut control = daemon.control();
    control.send(command("events", args, true, false));
    control
}

#[track_caller]
fn answer(control: &mut Control) -> Value {
    serde_json::from_str(&control.response().expect("events")).unwrap()
}

#[test]
fn an_ended_job_is_kept_with_its_end_and_the_tail_of_standard_error() {
    let daemon = start(&[]);
    daemon.shell("echo out; echo error >&2; exit 3");
    let before = daemon
        .log
        .wait_for("the job", |line| line.contains("exit=3"));
    let jobs = recent(&daemon, json!({}));
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!(
        (&job["seq"], &job["outcome"], &job["failed"]),
        (&json!(1), &json!("exit-nonzero"), &json!(true))
    );
    assert_eq!(
        (&job["exit"], &job["signal"], &job["fault"]),
        (&json!(3), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&job["stderr"], &job["state"]),
        (&json!("error\n"), &json!("ended"))
    );
    assert_eq!((&job["out"], &job["err"]), (&json!(4), &json!(6)));
    assert!(job["cost"]["user"].is_number(), "{job}");
    assert_eq!(job["argv"][2], "echo out; echo error >&2; exit 3");
    // As in the log.
    for (key, field) in [("id", "job"), ("pid", "program=")] {
        let text = match key {
            "id" => format!("{field} {}:", job[key]),
            _ => format!("{field}{}", job[key]),
        };
        assert!(before.contains(&text), "{text}: {before}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ago = now.unwrap().as_secs_f64() - job["time"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&ago), "{ago}");
}

#[test]
fn of_standard_error_the_last_512_bytes_are_kept_as_text() {
    let daemon = start(&[]);
    daemon.shell("seq 100000 >&2; printf 'a\\\\b\\377\\033' >&2");
    wait_ended(&daemon, 1);
    let stderr = recent(&daemon, json!({}))[0]["stderr"].clone();
    let stderr = stderr.as_str().unwrap();
    assert!(
        stderr.ends_with("99999\n100000\na\\\\b\\xff\u{1b}"),
        "{stderr}"
    );
    let bytes = stderr.len() - "\\".len() - "xff\\".len() + 1;
    assert_eq!(bytes, 512, "{stderr}");
}

#[test]
fn every_end_is_there_as_the_totals_of_status_count_them() {
    let rule =
        "[[allow]]\nname = \"shell\"\nprogram = \"/bin/sh\"\n[[allow]]\nprogram = \"/nowhere/x\"\n";
    let daemon = Setup::new().control().config(rule).start();
    daemon.shell("exit 0");
    daemon.shell("kill -9 $$");
    daemon.run(&["cat"]);
    daemon.run(&["/nowhere/x"]);
    let mut client = daemon.connect();
    client.send("x");
    client.reply();
    drop(daemon.connect());
    let mut client = daemon.connect();
    client.send("1:1,");
    drop(client);
    wait_ended(&daemon, 6);
    let jobs = recent(&daemon, json!({}));
    assert_eq!(each(&jobs, "seq"), [6, 5, 4, 3, 2, 1]);
    let outcomes: Vec<_> = each(&jobs, "outcome");
    assert_eq!(
        outcomes[1..],
        ["malformed", "not-started", "refused", "signal", "exit-zero"]
    );
    assert_eq!(jobs[4]["signal"], "SIGKILL");
    let reasons = [&jobs[3], &jobs[1]].map(|job| job["fault"].as_str().unwrap().to_owned());
    assert!(reasons[0].starts_with("refused: "), "{reasons:?}");
    assert!(reasons[1].contains("'x'"), "{reasons:?}");
    let status = daemon.status()["outcomes"].clone();
    let counted: u64 = status
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counted, 6);
    for outcome in outcomes {
        assert_eq!(status[outcome.as_str().unwrap()], 1, "{status}");
    }
}

#[test]
fn recent_jobs_are_chosen_by_number_failure_user_and_program() {
    let daemon = start(&[]);
    let (uid, _) = own_user();
    for program in [&["true"][..], &["false"], &["/bin/true"]] {
        daemon.run(program);
    }
    wait_ended(&daemon, 3);
    let seqs = |args: Value| each(&recent(&daemon, args), "seq");
    assert_eq!(seqs(json!({"limit": 2})), [3, 2]);
    assert_eq!(seqs(json!({"failed": true})), [2]);
    assert_eq!(seqs(json!({"failed": false})), [3, 2, 1]);
    assert_eq!(seqs(json!({"program": "true"})), [3, 1]);
    assert_eq!(seqs(json!({"program": "true", "limit": 1})), [3]);
    assert_eq!(seqs(json!({"program": "/bin/true"})), [3]);
    assert_eq!(seqs(json!({"program": "rue"})), [0; 0]);
    assert_eq!(seqs(json!({"user": uid})), [3, 2, 1]);
    assert_eq!(seqs(json!({"user": uid.to_string()})), [3, 2, 1]);
    assert_eq!(seqs(json!({"user": uid + 1})), [0; 0]);
    assert_eq!(seqs(json!({"user": "no-such-user"})), [0; 0]);
    let name = recent(&daemon, json!({}))[0]["user"].clone();
    if name.is_string() {
        assert_eq!(seqs(json!({"user": name, "failed": true})), [2]);
    }
}

#[test]
fn the_number_of_kept_jobs_is_a_setting_and_may_change() {
    let daemon = Setup::new().control().config("recent-jobs = 2\n").start();
    let run = |count: u64| {
        let ended = daemon.ask("recent", json!({}))["ended"].as_u64().unwrap();
        for _ in 0..count {
            daemon.run(&["true"]);
        }
        wait_ended(&daemon, ended + count);
    };
    let seqs = || each(&recent(&daemon, json!({})), "seq");
    run(3);
    assert_eq!(seqs(), [3, 2]);
    assert_eq!(
        daemon.ask("set", json!({"recent-jobs": 1}))["recent-jobs"],
        1
    );
    assert_eq!(seqs(), [3]);
    daemon.ask("set", json!({"recent-jobs": 0}));
    run(1);
    let answer = daemon.ask("recent", json!({}));
    assert_eq!(answer, json!({"ended": 4, "kept": 0, "jobs": []}));
    let error = daemon.fails("events", json!({}));
    assert!(error.contains("recent-jobs is 0"), "{error}");
    daemon.ask("reload", json!({}));
    run(1);
    assert_eq!(seqs(), [5]);
}

#[test]
fn events_come_as_jobs_start_and_end() {
    let daemon = start(&[]);
    let mut follower = asked(&daemon, &json!({"wait": LONG}));
    // It waits, and others do not.
    assert_eq!(daemon.control().ask("ping", &json!({})), Ok("pong".into()));
    let mut client = daemon.begin(request(&["cat"]));
    let started = answer(&mut follower);
    assert_eq!(
        (&started["next"], &started["missed"], &started["pid"]),
        (&json!(1), &json!(0), &json!(daemon.pid()))
    );
    let event = &started["events"][0];
    assert_eq!(
        (&event["kind"], &event["seq"]),
        (&json!("start"), &json!(1))
    );
    assert_eq!(event["argv"], json!(["cat"]));
    assert!(
        event["outcome"].is_null() && event["pid"].is_number(),
        "{event}"
    );
    follower.send(command(
        "events",
        &json!({"after": 1, "wait": LONG}),
        true,
        false,
    ));
    client.send("0:,");
    client.reply().succeeded();
    let ended = answer(&mut follower);
    let event = &ended["events"][0];
    assert_eq!((&event["kind"], &event["seq"]), (&json!("end"), &json!(2)));
    assert_eq!(
        (&event["outcome"], &event["exit"], &event["state"]),
        (&json!("exit-zero"), &json!(0), &json!("ended"))
    );
    assert_eq!(event["id"], started["events"][0]["id"]);
    // Those that are there need no wait.
    let all = daemon.ask("events", json!({"after": 0, "wait": LONG}));
    assert_eq!(
        each(all["events"].as_array().unwrap(), "kind"),
        ["start", "end"]
    );
    let none = daemon.ask("events", json!({"wait": 0}));
    assert_eq!((&none["next"], &none["events"]), (&json!(2), &json!([])));
    // Of another server.
    let all = daemon.ask("events", json!({"after": 1000, "wait": LONG}));
    assert_eq!((&all["next"], &all["missed"]), (&json!(2), &json!(0)));
}

#[test]
fn a_wait_for_events_has_an_end() {
    let daemon = start(&[]);
    let before = Instant::now();
    let answer = daemon.ask("events", json!({"wait": 0.3}));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer["events"], json!([]));
}

#[test]
fn a_slow_reader_gets_the_number_of_what_it_missed() {
    let daemon = Setup::new().control().config("recent-jobs = 3\n").start();
    for _ in 0..5 {
        daemon.run(&["true"]);
    }
    wait_ended(&daemon, 5);
    let answer = daemon.ask("events", json!({"after": 2}));
    assert_eq!(
        (&answer["missed"], &answer["next"]),
        (&json!(2), &json!(10)),
        "{answer}"
    );
    let seqs = each(answer["events"].as_array().unwrap(), "seq");
    assert_eq!(seqs, [5, 6, 7, 8, 9, 10]);
}

#[test]
fn many_events_come_in_several_answers() {
    let daemon = start(&[]);
    for _ in 0..150 {
        daemon.run(&["true"]);
    }
    wait_ended(&daemon, 150);
    let first = daemon.ask("events", json!({"after": 0}));
    assert_eq!((&first["next"], &first["missed"]), (&json!(256), &json!(0)));
    let rest = daemon.ask("events", json!({"after": first["next"]}));
    assert_eq!(rest["next"], 300);
    assert_eq!(rest["events"].as_array().unwrap().len(), 44);
}

#[test]
fn a_drain_and_a_stop_end_the_wait_for_events() {
    for stop in ["drain", "stop"] {
        let mut daemon = start(&[]);
        let mut client = daemon.begin(request(&["cat"]));
        daemon.wait_jobs("running", 1);
        let mut follower = asked(&daemon, &json!({"wait": LONG}));
        // It is carried out after that.
        daemon.control().ask("ping", &json!({})).unwrap();
        match stop {
            "drain" => {
                daemon.ask("drain", json!({}));
            }
            _ => daemon.signal(nix::sys::signal::Signal::SIGTERM),
        }
        let first = answer(&mut follower);
        if stop == "drain" {
            assert_eq!(first["events"], json!([]));
            // The end of the last job comes with the end of the server.
            let next = json!({"after": first["next"], "wait": LONG});
            follower.send(command("events", &next, true, false));
            client.send("0:,");
            client.reply().succeeded();
            assert_eq!(answer(&mut follower)["events"][0]["kind"], "end");
        }
        follower.closed();
        assert!(daemon.wait().success());
    }
}

#[test]
fn followers_leave_connections_to_others() {
    let daemon = start(&[]);
    let mut followers: Vec<_> = (0..8)
        .map(|_| asked(&daemon, &json!({"wait": LONG})))
        .collect();
    // All of them are carried out before the next one.
    daemon.control().ask("ping", &json!({})).unwrap();
    let error = daemon.fails("events", json!({"wait": LONG}));
    assert!(error.contains("8 clients wait"), "{error}");
    // What needs no wait is answered.
    daemon.ask("events", json!({"wait": 0}));
    daemon.run(&["true"]);
    for follower in &mut followers {
        assert_eq!(answer(follower)["events"][0]["kind"], "start");
    }
}

#[test]
fn a_follower_that_goes_is_forgotten() {
    let daemon = start(&[]);
    for _ in 0..50 {
        // Each takes one of the few places of control connections.
        drop(asked(&daemon, &json!({"wait": LONG})));
    }
    daemon.control().ask("ping", &json!({})).unwrap();
    eventually("one control connection", || daemon.status()["control"] == 1);
}

#[test]
fn totals_are_by_program_user_and_rule() {
    let rules =
        "[[allow]]\nname = \"one\"\nprogram = [\"/bin/cat\", \"/bin/true\", \"/bin/false\"]\n";
    let daemon = Setup::new().control().config(rules).start();
    for program in ["false", "true", "true", "ls"] {
        daemon.run(&[program]);
    }
    let mut client = daemon.begin(request(&["cat"]));
    client.send("3:abc,");
    daemon.wait_jobs("running", 1);
    wait_ended(&daemon, 4);
    let totals = daemon.ask("totals", json!({}));
    let rows = |list: &str| -> Vec<(String, [u64; 3])> {
        let rows = totals[list].as_array().unwrap().iter();
        rows.map(|row| {
            let name = row["name"].as_str().unwrap().to_owned();
            assert_eq!(row["other"], false);
            (
                name,
                ["jobs", "failed", "running"].map(|key| row[key].as_u64().unwrap()),
            )
        })
        .collect()
    };
    let row = |name: &str, counts| (name.to_owned(), counts);
    assert_eq!(
        rows("programs"),
        [
            row("true", [2, 0, 0]),
            row("false", [1, 1, 0]),
            row("ls", [1, 1, 0]),
            row("cat", [0, 0, 1])
        ]
    );
    assert_eq!(rows("rules"), [row("one", [3, 1, 1]), row("", [1, 1, 0])]);
    let users = rows("users");
    assert_eq!((users.len(), users[0].1), (1, [4, 2, 1]));
    client.send("0:,");
    client.reply().succeeded();
    wait_ended(&daemon, 5);
    let totals = daemon.ask("totals", json!({}));
    let cat = totals["programs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "cat");
    let cat = cat.unwrap();
    assert_eq!(
        (&cat["bytes-in"], &cat["bytes-out"], &cat["running"]),
        (&json!(3), &json!(3), &json!(0))
    );
    assert!(
        cat["seconds"].as_f64().unwrap() > 0.0 && cat["cpu"].as_f64().unwrap() > 0.0,
        "{cat}"
    );
}

#[test]
fn names_of_programs_that_clients_make_up_are_bounded() {
    let daemon = Setup::new()
        .control()
        .config("default = \"deny\"\n")
        .start();
    for n in 0..700 {
        let name = format!("{}{n}", "x".repeat(1000));
        daemon.run(&[&format!("{n}"), &name]);
    }
    daemon.run(&[&"y".repeat(100_000)]);
    wait_ended(&daemon, 701);
    let totals = daemon.ask("totals", json!({}));
    let programs = totals["programs"].as_array().unwrap();
    assert_eq!(programs.len(), 101);
    assert_eq!(programs[100]["other"], true);
    let jobs: u64 = each(programs, "jobs")
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(jobs, 701);
    assert!(
        each(programs, "name")
            .iter()
            .all(|name| name.as_str().unwrap().len() <= 256)
    );
}
