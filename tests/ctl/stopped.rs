//! `follow` that was stopped while it waited for an answer.

use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::json;
use sockexec::control::message::Response;

use crate::common::process;
use crate::server::{Server, message, tool};

/// The server has answered, has waited for the next question, and has closed the connection.
#[test]
fn a_follower_that_was_stopped_finds_its_server_again_and_hears_what_it_missed() {
    let (sender, pid) = std::sync::mpsc::channel();
    let (asker, asked) = std::sync::mpsc::channel();
    let mut connections = 0;
    let server = Server::start(move |peer| {
        connections += 1;
        let Some(request) = peer.take() else { return };
        asker.send(request.args["after"].clone()).unwrap();
        let (next, missed) = match connections {
            1 => {
                let pid: u32 = pid.recv().unwrap();
                process::signal(pid, Signal::SIGSTOP);
                let is_stopped = || process::status(pid, "State").starts_with('T');
                process::eventually("the stop", is_stopped);
                (41, 0)
            }
            2 => (60, 7),
            _ => return,
        };
        let answer = json!({"pid": 7, "next": next, "missed": missed, "events": []});
        peer.say(&message(request, Response::success(answer.to_string())));
        asker.send(json!("answered")).unwrap();
    });
    let mut command = tool(server.path(), ["follow"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let process = child.id();
    sender.send(process).unwrap();
    assert_eq!(asked.recv(), Ok(json!(null)));
    assert_eq!(asked.recv(), Ok(json!("answered")));
    // The connection is closed once the server takes the next one, or before.
    process::signal(process, Signal::SIGCONT);
    assert_eq!(asked.recv(), Ok(json!(41)));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "-- 7 events are missing here\n");
    assert_eq!(output.status.code(), Some(111));
}
