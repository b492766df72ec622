//! `kill` for several jobs: by their numbers, and by what holds for them.

use crate::common::user::as_user;
use crate::common::{Client, Daemon, End, Setup, shell};
use crate::start;
use serde_json::{Value, json};

const FOREVER: &str = "echo up; exec sleep 1000";

/// A running job: its client and its number.
#[track_caller]
fn begin(daemon: &Daemon, request: impl AsRef<[u8]>) -> (Client, u64) {
    let mut client = daemon.begin(request);
    assert_eq!(client.line(), "up");
    (client, last(daemon))
}

/// The number of the newest job.
#[track_caller]
fn last(daemon: &Daemon) -> u64 {
    let jobs = daemon.jobs();
    jobs.last().expect("a job")["id"].as_u64().unwrap()
}

fn ids(answer: &Value) -> Vec<u64> {
    let jobs = answer["jobs"].as_array().expect("jobs");
    jobs.iter().map(|job| job["id"].as_u64().unwrap()).collect()
}

#[track_caller]
fn killed(client: Client) {
    assert_eq!(client.reply().end, End::Signal("9".into()));
}

#[test]
fn several_numbers_get_it_once_each_and_the_others_their_reason() {
    let daemon = start(&["-t", "0"]);
    let (first, one) = begin(&daemon, shell(FOREVER));
    let (second, two) = begin(&daemon, shell(FOREVER));
    let (mut third, three) = begin(&daemon, shell("echo up; exec cat"));
    let args = json!({"ids": [one, 4_000_000, two, one], "signal": "KILL"});
    let answer = daemon.ask("kill", args);
    assert_eq!(
        (ids(&answer), &answer["signal"]),
        (vec![one, two], &json!("SIGKILL"))
    );
    assert!(answer["jobs"][0]["pid"].as_u64() > Some(1));
    let failed = json!([{"id": 4_000_000, "error": "there is no job 4000000"}]);
    assert_eq!(
        (&answer["failed"], &answer["waiting"]),
        (&failed, &json!(0))
    );
    killed(first);
    killed(second);
    let error = daemon.fails("kill", json!({"ids": [4_000_000, 4_000_001]}));
    assert_eq!(error, "there is no job 4000000; there is no job 4000001");
    assert_eq!(daemon.jobs()[0]["id"], three);
    third.send("0:,");
    assert_eq!(third.reply().end, End::Exit(0));
}

/// With a comparison of each with each the server would be busy for a minute.
#[test]
fn a_message_full_of_numbers_does_not_hold_up_the_server() {
    let daemon = start(&["-t", "0"]);
    let (client, job) = begin(&daemon, shell(FOREVER));
    let mut numbers: Vec<u64> = (1_000_000..1_120_000).collect();
    numbers.push(job);
    let answer = daemon.ask("kill", json!({"ids": numbers, "signal": "KILL"}));
    assert_eq!(ids(&answer), [job]);
    assert_eq!(answer["failed"].as_array().map(Vec::len), Some(120_000));
    killed(client);
}

#[test]
fn all_conditions_must_hold() {
    let rules =
        "[[allow]]\nname = \"shells\"\nprogram = \"/bin/sh\"\n\n[[allow]]\nprogram = \"*\"\n";
    let daemon = Setup::new().control().config(rules).start();
    let (by_name, one) = begin(&daemon, shell(FOREVER));
    let script = "#!/bin/sh\necho up; exec sleep 1000\n";
    let path = daemon.directory.join("script");
    std::fs::write(&path, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let path = path.to_str().unwrap();
    let (by_number, two) = begin(&daemon, crate::common::request(&[path]));
    let kill = |mut args: Value| {
        args["signal"] = 9.into();
        args
    };
    let error = daemon.fails("kill", kill(json!({"rule": "shells", "program": "script"})));
    assert_eq!(
        error,
        "there is no job that matches program \"script\", rule \"shells\""
    );
    let error = daemon.fails("kill", kill(json!({"user": 4_000_000_000_u32})));
    assert_eq!(error, "there is no job that matches user \"4000000000\"");
    let own = nix::unistd::geteuid().as_raw();
    let args = json!({"rule": "2", "program": "script", "user": own});
    assert_eq!(ids(&daemon.ask("kill", kill(args))), [two]);
    killed(by_number);
    let answer = daemon.ask("kill", kill(json!({"program": "sh"})));
    assert_eq!(ids(&answer), [one]);
    killed(by_name);
}

#[test]
fn a_path_names_a_program_and_a_user_has_a_name() {
    let daemon = start(&["-t", "0", "-M", "666"]);
    let (first, one) = begin(&daemon, shell(FOREVER));
    let path = daemon.path().to_owned();
    let Some(second) = as_user(2, 2, &[], || {
        let mut client = Client::connect(&path);
        client.send(crate::common::request(&["/bin/sh", "-c", FOREVER]));
        assert_eq!(client.line(), "up");
        client
    }) else {
        return;
    };
    let two = last(&daemon);
    assert_eq!(daemon.jobs()[1]["user"], "bin");
    let answer = daemon.ask("kill", json!({"user": "bin", "signal": 9}));
    assert_eq!(ids(&answer), [two]);
    killed(second);
    let error = daemon.fails("kill", json!({"program": "/sbin/sh"}));
    assert!(error.contains("no job that matches"), "{error}");
    assert_eq!(
        ids(&daemon.ask("kill", json!({"all": true, "signal": 9}))),
        [one]
    );
    killed(first);
    assert_eq!(
        daemon.fails("kill", json!({"all": true})),
        "there is no job"
    );
}

#[test]
fn jobs_that_wait_for_their_start_are_counted_and_get_none() {
    let rules = "[[allow]]\nname = \"one\"\nprogram = \"*\"\nmax-jobs = 1\n";
    let daemon = Setup::new().control().config(rules).start();
    let (running, one) = begin(&daemon, shell(FOREVER));
    let mut waiting = daemon.begin(shell("exit 3"));
    daemon.wait_jobs("waiting", 1);
    let two = last(&daemon);
    let answer = daemon.ask("kill", json!({"rule": "one", "signal": 9}));
    assert_eq!((ids(&answer), &answer["waiting"]), (vec![one], &json!(1)));
    killed(running);
    waiting.send("0:,");
    assert_eq!(waiting.reply().end, End::Exit(3));
    assert!(two > one);
}

#[test]
fn only_jobs_that_wait_are_named_as_that() {
    let daemon = start(&[]);
    let client = daemon.connect();
    daemon.wait_jobs("request", 1);
    let error = daemon.fails("kill", json!({"all": true}));
    assert_eq!(
        error,
        "no program runs for a job; 1 job waits for its start"
    );
    drop(client);
}
