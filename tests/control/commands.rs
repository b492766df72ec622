//! The commands that only report, and invalid commands.

use crate::start;
use serde_json::{Value, json};

#[test]
fn ping_and_version() {
    let daemon = start(&[]);
    let mut control = daemon.control();
    assert_eq!(control.ask("ping", &json!({})), Ok("pong".into()));
    let version = env!("CARGO_PKG_VERSION").to_owned();
    assert_eq!(control.ask("version", &json!({})), Ok(version));
    // In any case, and an argument that is null is none.
    assert_eq!(control.ask("PING", &Value::Null), Ok("pong".into()));
}

#[test]
fn help_lists_every_command_with_its_arguments() {
    let daemon = start(&[]);
    let help = daemon.ask("help", json!({}));
    let names = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| {
            assert!(!entry["meaning"].as_str().unwrap().is_empty(), "{entry}");
            entry[key].as_str().unwrap().to_owned()
        })
        .collect()
    };
    let all = [
        "ping", "version", "help", "status", "jobs", "kill", "set", "reload", "drain", "undrain",
        "config", "rules", "explain", "metrics", "recent", "events", "totals",
    ];
    assert_eq!(names(&help, "command"), all);
    for (index, name) in all.iter().enumerate() {
        let arguments = names(&help[index]["arguments"], "name");
        match *name {
            "kill" => assert_eq!(
                arguments,
                ["id", "signal", "ids", "user", "program", "rule", "all"]
            ),
            "explain" => {
                assert_eq!(
                    arguments,
                    ["user", "groups", "label", "program", "arguments"]
                );
            }
            "recent" => assert_eq!(arguments, ["limit", "failed", "user", "program"]),
            "events" => assert_eq!(arguments, ["after", "wait"]),
            "set" => assert_eq!(
                arguments,
                [
                    "max-connections",
                    "timeout",
                    "kill-timeout",
                    "requests-per-second",
                    "burst",
                    "detached-max",
                    "recent-jobs",
                    "log-level",
                    "audit"
                ]
            ),
            _ => assert_eq!(arguments, [""; 0]),
        }
    }
    let of = |command: &str| all.iter().position(|name| *name == command).unwrap();
    let id = &help[of("kill")]["arguments"][0];
    let program = &help[of("explain")]["arguments"][3];
    for (argument, required) in [(id, false), (program, true)] {
        assert_eq!(
            (&argument["required"], argument["form"].is_string()),
            (&json!(required), true)
        );
    }
}

#[test]
fn what_is_no_command_fails_and_the_connection_stays() {
    let daemon = start(&[]);
    let mut control = daemon.control();
    for (cmd, args, words) in [
        ("stop", json!({}), ["\"stop\"", "drain"]),
        ("", json!({}), ["unknown command", "ping"]),
        ("ping", json!({"x": 1}), ["\"x\"", "ping"]),
        ("kill", json!({}), ["kill", "id"]),
    ] {
        let error = control.ask(cmd, &args).unwrap_err();
        for word in words {
            assert!(error.contains(word), "{cmd}: {error}");
        }
    }
    assert_eq!(control.ask("ping", &json!({})), Ok("pong".into()));
}

#[test]
fn the_answer_is_the_command_with_the_response_filled_in() {
    let daemon = start(&[]);
    let mut control = daemon.control();
    let args = json!({"id": 1_000_000, "signal": "HUP"});
    control.send(crate::common::control::command("kill", &args, true, true));
    let answer = control.next().unwrap();
    let error = answer["response"]["error"].clone();
    let response = json!({"status": "failure", "error": error, "payload": ""});
    assert_eq!(
        answer,
        json!({"cmd": "kill", "args": args, "response": response, "respond": true,
            "close": true})
    );
    control.closed();
}
