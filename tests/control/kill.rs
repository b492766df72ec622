//! `kill`: the signal, and the processes that get it.

use crate::common::process::wait_gone;
use crate::common::{Client, Daemon, End, shell};
use crate::start;
use serde_json::{Value, json};

/// The only job's number.
fn only(daemon: &Daemon) -> Value {
    let jobs = daemon.jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs[0]["id"].clone()
}

fn begin(daemon: &Daemon, script: &str) -> (Client, u32) {
    let mut client = daemon.begin(shell(script));
    let pid = client.number();
    (client, pid)
}

#[test]
fn the_signal_goes_to_the_whole_group() {
    let daemon = start(&["-k", "60"]);
    let (mut client, child) = begin(&daemon, "sleep 1000 & echo $!; echo $$; wait");
    let shell = client.number();
    let killed = daemon.ask("kill", json!({"id": only(&daemon)}));
    assert_eq!(killed, json!({"pid": shell, "signal": "SIGTERM"}));
    wait_gone(shell);
    wait_gone(child);
    assert_eq!(client.reply().end, End::Signal("15".into()));
    daemon.log.wait_for("the kill", |line| {
        line.contains("SIGTERM") && line.contains(&shell.to_string())
    });
}

#[test]
fn signals_have_names_and_numbers() {
    let daemon = start(&["-k", "60"]);
    for (signal, name, number) in [
        (json!("KILL"), "SIGKILL", 9),
        (json!("SIGHUP"), "SIGHUP", 1),
        (json!("usr1"), "SIGUSR1", 10),
        (json!(2), "SIGINT", 2),
        (json!("12"), "SIGUSR2", 12),
        (json!(40), "40", 40),
        (json!(64), "64", 64),
    ] {
        let (client, pid) = begin(&daemon, "echo $$; exec sleep 1000");
        let killed = daemon.ask("kill", json!({"id": only(&daemon), "signal": signal}));
        assert_eq!(killed, json!({"pid": pid, "signal": name}));
        assert_eq!(client.reply().end, End::Signal(number.to_string()));
    }
}

#[test]
fn a_program_may_make_something_of_it() {
    let daemon = start(&["-k", "60"]);
    // The child reports when it is no copy of the shell any more, in which the signal is lost.
    let script = "trap 'echo heard; exit 3' USR1; sh -c 'echo $$; exec sleep 1000' & wait; :";
    let (client, _) = begin(&daemon, script);
    daemon.ask("kill", json!({"id": only(&daemon), "signal": "USR1"}));
    let reply = client.reply();
    assert_eq!((reply.out(), reply.end), ("heard\n".into(), End::Exit(3)));
    assert_eq!(daemon.status()["outcomes"]["exit-nonzero"], 1);
}

#[test]
fn what_holds_the_output_of_a_program_that_has_ended_gets_it_too() {
    let daemon = start(&["-k", "60"]);
    let (client, child) = begin(&daemon, "sleep 1000 & echo $!; exit 5");
    daemon.wait_jobs("draining", 1);
    daemon.ask("kill", json!({"id": only(&daemon)}));
    wait_gone(child);
    assert_eq!(client.reply().end, End::Exit(5));
}

#[test]
fn what_there_is_not_cannot_be_killed() {
    let daemon = start(&[]);
    let mut control = daemon.control();
    let error = control.ask("kill", &json!({"id": 4_000_000})).unwrap_err();
    assert!(error.contains("no job 4000000"), "{error}");
    let error = control.ask("kill", &json!({"id": u64::MAX})).unwrap_err();
    assert!(error.contains("no job"), "{error}");
    // A client that has not asked for anything yet.
    let mut client = daemon.connect();
    daemon.wait_jobs("request", 1);
    let id = only(&daemon);
    let error = control.ask("kill", &json!({"id": id})).unwrap_err();
    assert!(error.contains("no program"), "{error}");
    client.send("1:2,4:echo,2:hi,0:,");
    assert_eq!(client.reply().succeeded(), "hi\n");
    // One that is over.
    let error = control.ask("kill", &json!({"id": id})).unwrap_err();
    assert!(error.contains("no job"), "{error}");
    for (args, words) in [
        (json!({"id": 1, "signal": 0}), "1 to 64"),
        (json!({"id": 1, "signal": 65}), "1 to 64"),
        (json!({"id": 1, "signal": "NONE"}), "\"NONE\""),
        (json!({"id": 0}), "from 1"),
    ] {
        let error = control.ask("kill", &args).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
