//! The escaping of text from clients and from the server on a terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};
use serde_json::{Value, json};
use sockexec::control::message::Response;

use crate::answers;
use crate::server::{Server, tool};

/// Clears the screen in three ways, turns the text around, and rings.
const NASTY: &str = "\x1b[2J \u{9b}2J \x07\u{7f}\u{202e}x\u{2028}";

/// What the command writes to a terminal, whose lines end with a carriage return too. One of no
/// size is what serial lines and some containers have.
fn written(server: &Server, columns: u16, line: &str) -> String {
    let size = Winsize {
        ws_row: 0,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = tool(server.path(), [])
        .args(line.split(' '))
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    // Reading ends with an error when the last of the other ends has gone.
    drop(pty.slave);
    let mut bytes = Vec::new();
    let _ = File::from(pty.master).read_to_end(&mut bytes);
    child.wait().unwrap();
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

#[track_caller]
fn is_plain(text: &str) {
    assert!(!text.is_empty());
    let odd = text.chars().find(|c| !matches!(c, ' '..='~' | '\n'));
    assert_eq!(odd, None, "{text:?}");
}

#[test]
fn no_command_writes_a_raw_escape_to_a_terminal() {
    let mut status = answers::status(1);
    status["version"] = NASTY.into();
    status["listeners"][0]["address"] = NASTY.into();
    status["spawn-failures"] = json!({NASTY: 1});
    let jobs =
        json!([{"id": 1, "protocol": NASTY, "argv": [NASTY], "title": NASTY, "state": NASTY}]);
    let killed = json!({"pid": 1, "signal": NASTY});
    let reloaded = json!({"file": NASTY, "changed": [NASTY], "at-next-start": [NASTY]});
    let limits = json!({"log-level": NASTY});
    for (line, payload) in [
        ("status", status.to_string()),
        ("jobs", jobs.to_string()),
        ("kill 1", killed.to_string()),
        ("reload", reloaded.to_string()),
        ("set timeout=1", limits.to_string()),
        ("ping", NASTY.into()),
        ("version", NASTY.into()),
        ("metrics", format!("# HELP x {NASTY}\nx 1\n")),
    ] {
        for failure in [false, true] {
            let answer = payload.clone();
            let server = Server::answering(move |_| match failure {
                false => Response::success(answer.clone()),
                true => Response::failure(NASTY),
            });
            for columns in [0, 80] {
                is_plain(&written(&server, columns, line));
                is_plain(&written(&server, columns, &format!("--json {line}")));
            }
        }
    }
}

#[test]
fn json_is_exact_on_a_terminal_too() {
    let jobs = json!([{"id": 1, "argv": [NASTY]}]);
    let answer = jobs.clone();
    let server = Server::answering(move |_| Response::success(answer.to_string()));
    let text = written(&server, 80, "--json jobs");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), jobs);
}
