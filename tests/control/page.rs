//! sockexec-protocol(7) names every command, argument and key that the server has, and no other.

use crate::common::{Setup, request};
use crate::exposition::read;
use crate::start;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A subsection of the page about the control protocol.
fn section(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/sockexec-protocol.7");
    let page = fs::read_to_string(path).unwrap();
    let page = &page[page.find(".Sh THE CONTROL PROTOCOL\n").unwrap()..];
    let begin = page.find(&format!("\n.Ss {name}\n")).expect(name) + 1;
    let end = page[begin..].find("\n.Ss ").expect("another") + begin;
    page[begin..end].to_owned()
}

/// The words behind a macro, with the commas and other signs taken away.
fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    let words = line.split_whitespace();
    words
        .filter(|word| word.contains(|c: char| c.is_ascii_alphabetic()))
        .map(str::to_owned)
}

/// What a subsection explains: the names of its items.
fn items(section: &str, macro_name: &str) -> BTreeSet<String> {
    let prefix = format!(".It {macro_name} ");
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix[..]));
    lines.flat_map(words).collect()
}

/// All that a subsection has as literals.
fn literals(section: &str) -> BTreeSet<String> {
    let lines = section.lines().filter_map(|line| {
        line.strip_prefix(".It Li ")
            .or_else(|| line.strip_prefix(".Li "))
    });
    lines.flat_map(words).collect()
}

/// The keys of an object and of all objects in it, but for those below keys that are data.
fn keys(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                all.insert(key.clone());
                if key != "spawn-failures" {
                    keys(value, all);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, all)),
        _ => {}
    }
}

#[track_caller]
fn explained(value: &Value, section: &str) {
    let top: BTreeSet<String> = value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(items(section, "Li"), top);
    let mut all = BTreeSet::new();
    keys(value, &mut all);
    let page = literals(section);
    let missing: Vec<_> = all.difference(&page).collect();
    assert!(missing.is_empty(), "not in the page: {missing:?}");
}

#[test]
fn it_has_the_keys_of_explain() {
    let rule = "[[allow]]\nprogram = \"/usr/bin/id\"\n";
    let daemon = crate::common::Setup::new().control().config(rule).start();
    let question = json!({"user": 12345, "program": "cat"});
    let section = section("The payload of explain");
    explained(&daemon.ask("explain", question), &section);
    let page = literals(&section);
    for aspect in ["client", "label", "program", "arguments"] {
        assert!(page.contains(aspect), "{aspect}");
    }
}

#[test]
fn it_has_the_keys_of_status_and_of_jobs() {
    let daemon = start(&[]);
    let mut client = daemon.begin(request(&["cat"]));
    daemon.wait_jobs("running", 1);
    explained(&daemon.jobs()[0], &section("The payload of jobs"));
    explained(&daemon.status(), &section("The payload of status"));
    client.send("0:,");
    client.reply().succeeded();
}

#[test]
fn it_has_the_keys_of_the_history() {
    let daemon = start(&[]);
    let mut client = daemon.begin(request(&["cat"]));
    daemon.wait_jobs("running", 1);
    let mut job = BTreeSet::new();
    keys(&daemon.jobs()[0], &mut job);
    // Those of its cost, once there is one.
    job.extend(["system".into(), "memory".into()]);
    client.send("0:,");
    client.reply().succeeded();
    crate::common::process::eventually("two events", || {
        let events = daemon.ask("events", json!({"after": 0}));
        events["next"] == 2
    });
    for (command, args, also) in [
        ("recent", json!({}), &[][..]),
        (
            "events",
            json!({"after": 0}),
            &["outcome", "failed", "exit", "signal", "fault", "stderr"],
        ),
        ("totals", json!({}), &[]),
    ] {
        let mut own = BTreeSet::new();
        keys(&daemon.ask(command, args), &mut own);
        // Those are explained elsewhere.
        let explained_there =
            |key: &String| (command != "totals" && job.contains(key)) || also.contains(&&key[..]);
        own.retain(|key| !explained_there(key));
        let mut page = items(&section(&format!("The payload of {command}")), "Li");
        page.retain(|key| !explained_there(key));
        assert_eq!(page, own, "{command}");
    }
}

#[test]
fn it_has_the_keys_of_config() {
    let mut answer = start(&[]).ask("config", json!({}));
    // Some are tables of the configuration file.
    for entry in answer["programs"].as_array_mut().unwrap() {
        entry["value"] = Value::Null;
    }
    explained(&answer, &section("The payload of config"));
}

#[test]
fn it_has_the_keys_of_rules() {
    let rule = "[[allow]]\nprogram = \"/usr/bin/id\"\n";
    let daemon = Setup::new().control().config(rule).start();
    let mut answer = daemon.ask("rules", json!({}));
    // Those of the configuration file.
    answer["rules"][0]["limits"] = Value::Null;
    explained(&answer, &section("The payload of rules"));
}

#[test]
fn it_has_the_keys_of_kill() {
    let daemon = start(&[]);
    let client = daemon.begin(request(&["sleep", "1000"]));
    daemon.wait_jobs("running", 1);
    let id = daemon.jobs()[0]["id"].clone();
    let answer = daemon.ask("kill", json!({"ids": [id, 4_000_000]}));
    explained(&answer, &section("The payload of kill"));
    client.reply();
}

#[test]
fn it_has_the_commands_and_their_arguments() {
    let daemon = start(&[]);
    let section = section("Commands");
    let help = daemon.ask("help", json!({}));
    let mut names = BTreeSet::new();
    let page = literals(&section);
    for command in help.as_array().unwrap() {
        names.insert(command["command"].as_str().unwrap().to_owned());
        for argument in command["arguments"].as_array().unwrap() {
            let name = argument["name"].as_str().unwrap();
            assert!(page.contains(name), "not in the page: {name}");
        }
    }
    assert_eq!(items(&section, "Cm"), names);
}

#[test]
fn the_page_has_every_series_and_no_other() {
    let rule = "[[allow]]\nprogram = \"/usr/bin/true\"\nmax-jobs = 3\n";
    let daemon = Setup::new().control().config(rule).start();
    let text = daemon.control().ask("metrics", &json!({})).unwrap();
    let mut served: BTreeSet<_> = read(&text).into_iter().map(|metric| metric.name).collect();
    // Not known in every sandbox, or before a program that was larger than the server.
    for name in ["connections_queued", "programs_memory_peak_bytes"] {
        served.insert(format!("sockexec_{name}"));
    }
    assert_eq!(items(&section("The payload of metrics"), "Li"), served);
}
