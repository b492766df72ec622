//! A server of the tests, with jobs of all kinds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::{Facts, More, Update};
use super::flow::{Flow, flows};
use super::model::Model;
use super::names::Names;
use super::sample::{Rates, Sample};
use super::usage::Usage;

/// The time of the last update.
const TIME: f64 = 1_800_000_000.0;

pub fn status(uptime: u64) -> Value {
    let times = json!({"window": 300.0, "count": 120, "p50": 0.0012, "p90": 0.034, "p99": 1.5, "max": 185.0});
    json!({"version": "4.0.0", "pid": 123, "uptime": uptime as f64, "state": "serving",
        "limits": {"max-connections": 100, "programs": 90},
        "active": 30, "parked": 4, "throttled": 0, "waiting": 5, "programs": 25, "lingering": 1,
        "detached": 2, "control": 1, "queued": 0, "memory": 12_582_912,
        "totals": {"bytes-in": 1024 * uptime, "bytes-out": 2048 * uptime},
        "outcomes": {"exit-zero": 10 * uptime, "exit-nonzero": 20, "timeout": 8},
        "descriptors": {"open": 45, "limit": 1024},
        "duration": times, "first-byte": times, "turn": times})
}

/// This number of jobs, of which the first is the oldest, at this time after their start.
pub fn jobs(count: u64, later: f64) -> Value {
    let commands = [
        "/usr/lib/my-app/report --month july --format pdf",
        "convert in.png out.jpg",
        "/bin/sh -c \"sleep 2; wc -c\"",
        "\u{1b}[2J\u{1b}]0;owned\u{7} \u{65e5}\u{672c}\u{8a9e}",
    ];
    (1..=count)
        .map(|id| {
            let command = commands[id as usize % commands.len()];
            let age = 61.0 - 2.0 * (id % 30) as f64 + later;
            let bytes = id * 1000 * age as u64;
            json!({"id": 100 + id, "protocol": if id % 3 == 0 { "sockproc" } else { "exec" },
                "peer": {"uid": 33 + id % 3, "gid": 33, "pid": 4000 + id},
                "user": if id % 2 == 0 { json!("www-data") } else { Value::Null },
                "as": if id % 5 == 0 { json!("report") } else { Value::Null },
                "rule": if id % 4 == 0 { Value::Null } else { json!("reports") },
                "pid": 5000 + id, "argv": command.split(' ').collect::<Vec<_>>(), "title": command,
                "age": age, "deadline": if id % 7 == 0 { Value::Null } else { json!(70.0 - age) },
                "in": bytes, "out": 10 * bytes, "err": 0, "state": if id % 6 == 0 { "stopping" } else { "running" }})
        })
        .collect()
}

fn recent() -> Value {
    let ended = (1..=40_u64).rev().map(|seq| {
        let outcome = ["exit-zero", "exit-zero", "exit-nonzero", "signal", "timeout"][seq as usize % 5];
        let mut value = jobs(1, 0.0)[0].take();
        let more = json!({"seq": seq, "id": 60 + seq, "time": TIME - (41 - seq) as f64, "outcome": outcome,
            "failed": outcome != "exit-zero", "exit": if outcome == "exit-nonzero" { json!(2) } else { Value::Null },
            "signal": if outcome == "signal" { json!("SIGSEGV") } else { Value::Null }, "state": "ended",
            "age": 0.25 * seq as f64, "cost": {"user": 0.01 * seq as f64, "system": 0.002, "memory": 1 << 22},
            "stderr": "convert: no such file\nconvert: \\x1b[2J\n"});
        for (key, new) in more.as_object().unwrap() {
            value[key] = new.clone();
        }
        value
    });
    json!({"ended": 40, "kept": 1000, "jobs": ended.collect::<Vec<_>>()})
}

fn totals() -> Value {
    let group = |name: &str, jobs: u64, other: bool| {
        json!({"name": name, "running": jobs / 10, "jobs": jobs, "failed": jobs / 7, "seconds": 1.5 * jobs as f64,
            "cpu": 0.25 * jobs as f64, "memory": jobs << 20, "bytes-in": jobs, "bytes-out": 1000 * jobs,
            "other": other})
    };
    json!({"programs": [group("convert", 100, false), group("/usr/lib/my-app/report", 20, false),
            group("", 3, false), group("", 500, true)],
        "users": [group("www-data", 100, false), group("34", 7, false)],
        "rules": [group("reports", 120, false)]})
}

fn sample(uptime: u64, count: u64) -> Sample {
    Sample::new(status(uptime), jobs(count, uptime as f64 - 3661.0)).unwrap()
}

/// The second update of a server with this number of jobs.
pub fn update(count: u64) -> Update {
    let (before, sample) = (sample(3660, count), sample(3661, count));
    let usage = |id: u64| Usage {
        cpu: Some(0.33 * (id % 5) as f64),
        memory: Some(id << 18),
        processes: Some(id % 3 + 1),
        cgroup: Some(format!("/system.slice/sockexec.service/job-{id}")),
    };
    // Of the last one nothing is known.
    let known = sample
        .jobs
        .iter()
        .map(|job| job.id)
        .filter(|&id| id < 100 + count);
    let flows: BTreeMap<u64, Flow> = flows(Some(&before), &sample);
    Update {
        rates: Rates::between(&before, &sample),
        usages: known.map(|id| (id, usage(id))).collect(),
        flows,
        more: More::Nothing,
        time: TIME,
        sample,
    }
}

pub fn recents() -> More {
    More::Recent(serde_json::from_value(recent()).unwrap())
}

/// A screen on such a server.
pub fn model(count: u64) -> Model {
    let mut names = Names::default();
    names.learn(34, "backup".into());
    let mut facts = Facts::new(update(count), names);
    facts.learn(recents());
    facts.learn(More::Totals(serde_json::from_value(totals()).unwrap()));
    Model::new(facts)
}
