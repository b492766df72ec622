//! `drain`: running jobs finish, no client is accepted any more, and then the server exits.

use crate::common::process::lives;
use crate::common::{Client, Control, End, shell};
use crate::start;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

fn status(control: &mut Control) -> Value {
    let status = control.ask("status", &json!({})).unwrap();
    serde_json::from_str(&status).unwrap()
}

#[test]
fn what_runs_finishes_and_the_server_ends_with_0() {
    let mut daemon = start(&["-t", "0"]);
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let mut control = daemon.control();
    let answer = control.ask("drain", &json!({})).unwrap();
    assert_eq!(answer, "{\"active\":1}");
    assert!(Client::try_connect(daemon.path()).is_err());
    // It can still be asked, by those who are there and by others.
    let now = status(&mut control);
    assert_eq!(
        (&now["state"], &now["active"]),
        (&json!("draining"), &json!(1))
    );
    assert_eq!(daemon.jobs()[0]["state"], "running");
    // Twice is the same as once.
    assert_eq!(daemon.ask("drain", json!({})), json!({"active": 1}));
    assert_eq!(status(&mut control)["state"], "draining");
    // The service manager would end what takes longer than it allows a stop.
    while let Some(lines) = daemon.notify.next(Duration::from_millis(1)) {
        assert!(!lines.contains(&"STOPPING=1".to_owned()), "{lines:?}");
    }
    running.send("4:more,0:,");
    assert_eq!(running.reply().succeeded(), "more");
    assert_eq!(daemon.wait().code(), Some(0));
    control.closed();
    assert!(!daemon.path().exists() && !daemon.control_path().exists());
}

#[test]
fn without_jobs_it_ends_at_once_and_answers_before() {
    let mut daemon = start(&[]);
    daemon.serves();
    let mut control = daemon.control();
    let answer = control.ask("drain", &json!({})).unwrap();
    assert_eq!(answer, "{\"active\":0}");
    control.closed();
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn those_in_the_queue_hear_that_there_will_be_no_server() {
    let mut daemon = start(&["-m", "1"]);
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let late = daemon.begin("1:2,4:echo,2:hi,0:,");
    daemon.ask("drain", json!({}));
    late.reply().refused(111, &["stopping"]);
    running.send("0:,");
    assert_eq!(running.reply().end, End::Exit(0));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn deadlines_hold_meanwhile() {
    let mut daemon = start(&["-t", "0.5"]);
    let client = daemon.begin(shell("exec sleep 1000"));
    daemon.wait_jobs("running", 1);
    daemon.ask("drain", json!({}));
    assert_eq!(client.reply().end, End::Signal("15".into()));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_signal_makes_it_a_stop() {
    let mut daemon = start(&["-t", "0"]);
    let mut client = daemon.begin(shell("echo $$; exec sleep 1000"));
    let pid = client.number();
    daemon.ask("drain", json!({}));
    assert!(lives(pid));
    daemon.signal(Signal::SIGTERM);
    assert_eq!(client.reply().end, End::Signal("15".into()));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_job_can_be_killed_meanwhile() {
    let mut daemon = start(&["-t", "0"]);
    let mut client = daemon.begin(shell("echo $$; exec sleep 1000"));
    client.number();
    daemon.ask("drain", json!({}));
    let id = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", json!({"id": id, "signal": 9}));
    assert_eq!(client.reply().end, End::Signal("9".into()));
    assert_eq!(daemon.wait().code(), Some(0));
}
