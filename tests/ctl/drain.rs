//! `drain --wait`, against servers that follow a script.

use serde_json::json;
use sockexec::control::message::Response;

use crate::answers;
use crate::server::{Server, message, stderr_of, stdout_of};

/// A server that drains: after each number of active connections another, then it ends, or serves
/// again.
fn draining(active: &[u64], then: Option<&'static str>) -> Server {
    let active = active.to_vec();
    Server::start(move |peer| {
        let mut left = active.iter();
        while let Some(request) = peer.take() {
            let payload = match (&request.cmd[..], left.next(), then) {
                ("drain", Some(&active), _) => json!({"active": active}),
                ("status", Some(&active), _) => {
                    let mut status = answers::status(0);
                    status["state"] = "draining".into();
                    status["active"] = active.into();
                    status["parked"] = 0.into();
                    status
                }
                ("status", None, Some(state)) => {
                    let mut status = answers::status(0);
                    status["state"] = state.into();
                    status
                }
                _ => return,
            };
            peer.say(&message(request, Response::success(payload.to_string())));
        }
    })
}

#[test]
fn it_ends_with_the_server() {
    let server = draining(&[3, 3, 2, 1], None);
    let output = server.run(["drain", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let expected = "draining, 3 to finish\ndrained: the server has ended\n";
    assert_eq!(stdout_of(&output), expected);
    let server = draining(&[0], None);
    let output = server.run(["drain", "--wait", "--json"]);
    assert_eq!(
        (output.status.code(), stdout_of(&output)),
        (Some(0), "{\"active\":0}\n".into())
    );
}

#[test]
fn a_server_that_accepts_again_is_not_waited_for() {
    let server = draining(&[3, 3], Some("serving"));
    let output = server.run(["drain", "--wait"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "sockexecctl: the server accepts connections again\n";
    assert_eq!(stderr_of(&output), expected);
}

#[test]
fn the_wait_has_a_time_limit_if_one_is_given() {
    let server = draining(&[2, 2], Some("draining"));
    let output = server.run(["drain", "--wait", "--timeout", "0.2"]);
    assert_eq!(output.status.code(), Some(111));
    let expected = "sockexecctl: 7 jobs have not finished in time; the server still drains\n";
    assert_eq!(stderr_of(&output), expected);
}

#[test]
fn a_refusal_is_one() {
    let server = Server::answering(|_| Response::failure("no"));
    let output = server.run(["drain", "--wait"]);
    assert_eq!(
        (output.status.code(), stderr_of(&output)),
        (Some(1), "sockexecctl: no\n".into())
    );
}
