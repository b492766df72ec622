//! The deadline that a rule gives.

use crate::common::{Daemon, End, shell};
use crate::start;

#[track_caller]
fn deadline(daemon: &Daemon) -> Option<f64> {
    let jobs = daemon.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs[0]["deadline"].as_f64()
}

#[test]
fn it_holds_in_the_place_of_the_general_one() {
    let daemon = start(
        "timeout = 1000\n[[allow]]\nprogram = \"/usr/bin/sleep\"\ntimeout = 0.3\n\
         [[allow]]\nprogram = \"/bin/sh\"\n",
    );
    let reply = daemon.run(&["sleep", "1000"]);
    assert_eq!(reply.end, End::Signal("15".into()));
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("argv=sleep 1000"));
    assert!(line.contains("timeout"), "{line}");
    let mut client = daemon.begin(shell("echo up; read x"));
    assert_eq!(client.line(), "up");
    assert!(deadline(&daemon).unwrap() > 900.0);
    client.send("1:\n,0:,");
    client.reply().succeeded();
}

#[test]
fn it_may_be_longer_or_none() {
    for (rule, longest) in [("timeout = 500", Some(500.0)), ("timeout = 0", None)] {
        let daemon = start(&format!(
            "timeout = 20\n[[allow]]\nprogram = \"*\"\n{rule}\n"
        ));
        let idle = daemon.connect();
        daemon.wait_jobs("request", 1);
        // The rule is unknown until there is a request.
        assert!(deadline(&daemon).unwrap() <= 20.0);
        drop(idle);
        crate::common::process::eventually("it has gone", || daemon.jobs().is_empty());
        let mut client = daemon.begin(shell("echo up; read x"));
        assert_eq!(client.line(), "up");
        let left = deadline(&daemon);
        assert_eq!(left.is_some(), longest.is_some());
        assert!(left.is_none_or(|left| left > 400.0), "{left:?}");
        client.send("1:\n,0:,");
        client.reply().succeeded();
    }
}

#[test]
fn it_counts_from_the_start_of_the_connection() {
    let daemon = start("timeout = 1000\n[[allow]]\nprogram = \"*\"\ntimeout = 0.2\n");
    let mut client = daemon.connect();
    crate::common::process::eventually("it is old enough", || {
        daemon.jobs()[0]["age"].as_f64().unwrap() > 0.4
    });
    client.send(shell("exec sleep 1000"));
    assert_eq!(client.reply().end, End::Signal("15".into()));
}
