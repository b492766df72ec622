//! `config`: the configuration in effect, and where each value came from.

use crate::common::{Daemon, Setup};
use crate::start;
use serde_json::{Value, json};

/// The entry of a name.
#[track_caller]
fn entry(daemon: &Daemon, name: &str) -> Value {
    let all = daemon.ask("config", json!({}));
    let lists = all.as_object().unwrap().values();
    let mut entries = lists.flat_map(|list| list.as_array().unwrap());
    entries
        .find(|entry| entry["name"] == name)
        .expect(name)
        .clone()
}

/// Checks the value of a name, its source and its place.
#[track_caller]
fn comes_from(daemon: &Daemon, name: &str, value: Value, source: &str, place: Option<&str>) {
    let entry = entry(daemon, name);
    let found = (&entry["value"], &entry["source"], &entry["place"]);
    assert_eq!(found, (&value, &json!(source), &json!(place)), "{name}");
}

const FILE: &str = "# a comment\ntimeout = 7\nkill-timeout = 3\nnice = 5\numask = \"0027\"\n\n\
                    [limits]\ncore = 0\n\n[[allow]]\nprogram = \"*\"\n";

#[test]
fn each_value_has_its_origin() {
    let options = [
        "-k",
        "4",
        "--fallback",
        "burst=3",
        "--fallback",
        "timeout=8",
        "--log-level",
        "info",
    ];
    let daemon = Setup::new()
        .control()
        .config(FILE)
        .arguments(options)
        .start();
    let file = daemon.directory.join("sockexec.toml");
    let line = |line: usize| Some(format!("{}:{line}", file.display()));
    // The option wins over the file, and the file over a unit's default.
    comes_from(
        &daemon,
        "kill-timeout",
        json!(4.0),
        "option",
        Some("--kill-timeout"),
    );
    comes_from(&daemon, "timeout", json!(7.0), "file", line(2).as_deref());
    comes_from(&daemon, "burst", json!(3), "fallback", Some("--fallback"));
    comes_from(&daemon, "linger", json!(1.0), "default", None);
    comes_from(&daemon, "nice", json!(5), "file", line(4).as_deref());
    comes_from(&daemon, "umask", json!("0027"), "file", line(5).as_deref());
    comes_from(
        &daemon,
        "limits",
        json!({"core": 0}),
        "file",
        line(7).as_deref(),
    );
    comes_from(&daemon, "run-as", Value::Null, "default", None);
    comes_from(&daemon, "allow", json!(1), "file", line(10).as_deref());
    comes_from(&daemon, "default", json!("deny"), "default", None);
    assert_eq!(entry(&daemon, "timeout")["default"], 60.0);
    let path = file.to_str().unwrap();
    comes_from(&daemon, "config", json!(path), "option", Some("--config"));
}

#[test]
fn a_change_by_command_shows_until_a_reload() {
    let daemon = Setup::new().control().config(FILE).start();
    let place = format!("{}:2", daemon.directory.join("sockexec.toml").display());
    daemon.ask("set", json!({"timeout": 9}));
    comes_from(&daemon, "timeout", json!(9.0), "set", None);
    daemon.ask("reload", json!({}));
    comes_from(&daemon, "timeout", json!(7.0), "file", Some(&place));
}

#[test]
fn what_takes_effect_at_the_next_start_is_beside_what_is_in_effect() {
    let daemon = Setup::new().control().config(FILE).start();
    daemon.directory.file(
        "sockexec.toml",
        0o644,
        "queue = 5\ntimeout = 6\n[[allow]]\nprogram = \"*\"\n",
    );
    assert_eq!(entry(&daemon, "queue")["at-next-start"], Value::Null);
    daemon.ask("reload", json!({}));
    comes_from(&daemon, "queue", json!(100), "default", None);
    assert_eq!(entry(&daemon, "queue")["at-next-start"], 5);
    assert_eq!(entry(&daemon, "timeout")["value"], 6.0);
    assert_eq!(entry(&daemon, "timeout")["at-next-start"], Value::Null);
}

#[test]
fn what_the_server_was_started_with_is_there_too() {
    if !crate::common::skip::unless_root() {
        return;
    }
    let daemon = start(&["--job-user", "nobody"]);
    comes_from(
        &daemon,
        "run-as",
        json!("nobody"),
        "option",
        Some("--job-user"),
    );
    let exec = daemon.path().to_str().unwrap();
    comes_from(&daemon, "listen exec", json!(exec), "option", Some("PATH"));
    let control = daemon.control_path();
    let control = control.to_str().unwrap();
    comes_from(
        &daemon,
        "listen control",
        json!(control),
        "option",
        Some("--control"),
    );
    let file = entry(&daemon, "config");
    assert_eq!(file["default"], "/etc/sockexec/sockexec.toml");
    let path = "/opt/bin:/usr/bin:/bin";
    let other = Setup::new().control().env("PATH", path).start();
    comes_from(&other, "path", json!(path), "environment", Some("PATH"));
    comes_from(&daemon, "user", Value::Null, "default", None);
}

#[test]
fn a_limit_that_descriptors_lower_is_noted() {
    let daemon = start(&["-m", "1000000"]);
    let entry = entry(&daemon, "max-connections");
    assert_eq!(
        (&entry["value"], &entry["source"]),
        (&json!(1_000_000), &json!("option"))
    );
    let active = daemon.status()["limits"]["max-connections"].clone();
    assert_eq!(
        entry["note"],
        format!("{active}, for the limit of descriptors")
    );
}
