//! Processes that live on after their job, where its rule allows it.

use serde_json::json;

use crate::cgroup::Directory;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use crate::common::inject::Injection;
use crate::common::{Daemon, End, shell};

const CONFIG: &str = "contain = true\ndetach = true\ndetached-max = 2\nkill-timeout = 0.1\n";

/// Leaves a process behind.
fn leave(daemon: &Daemon) {
    let reply = daemon.shell("setsid sleep 1000 >/dev/null 2>&1 & exit 3");
    assert_eq!(reply.end, End::Exit(3));
}

#[test]
fn what_it_has_left_lives_on_and_is_shown() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.setup(CONFIG).start();
    leave(&daemon);
    let jobs = daemon.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(
        (&jobs[0]["state"], &jobs[0]["pid"]),
        (&json!("detached"), &json!(null))
    );
    assert_eq!(jobs[0]["processes"], 1);
    assert_eq!(daemon.status()["detached"], 1);
    assert_eq!(directory.processes().len(), 1);
    // It is no job of the limit of connections any more.
    assert_eq!(daemon.status()["active"], 0);
    let answer = daemon.ask("kill", json!({"id": jobs[0]["id"], "signal": "TERM"}));
    assert!(answer["pid"].as_u64() > Some(1), "{answer}");
    directory.wait_empty();
    daemon.log.wait_for("its end", |line| {
        line.contains("what it has left has ended")
    });
    assert_eq!(daemon.status()["detached"], 0);
}

#[test]
fn the_bytes_of_a_detached_job_count_once() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.setup(CONFIG).start();
    let out = || daemon.status()["totals"]["bytes-out"].clone();
    daemon.shell("echo four; setsid sleep 1000 >/dev/null 2>&1 & exit 3");
    assert_eq!((out(), daemon.jobs().len()), (json!(5), 1));
    let id = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", json!({"id": id, "signal": "KILL"}));
    directory.wait_empty();
    assert_eq!(out(), 5);
}

#[test]
fn no_more_than_the_limit_live_on() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.setup(CONFIG).start();
    for _ in 0..3 {
        leave(&daemon);
    }
    daemon.log.wait_for("the limit", |line| {
        line.contains("2 detached jobs are the limit")
    });
    directory.wait(|directory| directory.processes().len() == 2);
    assert_eq!(daemon.status()["detached"], 2);
}

#[test]
fn after_a_deadline_nothing_lives_on() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.setup(&format!("timeout = 0.2\n{CONFIG}")).start();
    daemon.shell("setsid sleep 1000 >/dev/null 2>&1 & exec sleep 1000");
    directory.wait_empty();
    assert!(daemon.jobs().is_empty());
}

#[test]
fn after_a_kill_by_command_nothing_lives_on() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.setup(CONFIG).start();
    let script = "setsid sleep 1000 >/dev/null 2>&1 & echo up; exec sleep 1000";
    let mut client = daemon.begin(shell(script));
    assert_eq!(client.line(), "up");
    let id = daemon.jobs()[0]["id"].clone();
    daemon.ask("kill", json!({"id": id, "signal": "KILL"}));
    assert_eq!(client.reply().end, End::Signal("9".into()));
    directory.wait_empty();
    assert_eq!(daemon.status()["detached"], 0);
    let lines = daemon.log.all();
    assert!(
        !lines.iter().any(|line| line.contains("detached")),
        "{lines:?}"
    );
}

#[test]
fn when_the_server_stops_nothing_lives_on() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = directory.setup(CONFIG).start();
    leave(&daemon);
    assert_eq!(directory.processes().len(), 1);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert!(directory.jobs().is_empty());
}

#[test]
fn a_server_with_detached_jobs_is_not_idle() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = format!("idle-exit = 0.3\n{CONFIG}");
    let mut daemon = directory.setup(&config).start();
    let reply = daemon.shell("setsid sleep 1 >/dev/null 2>&1 & exit 3");
    assert_eq!(reply.end, End::Exit(3));
    assert!(daemon.wait().success());
    // The last of them, since lines are read by a thread.
    let is_last = |line: &str| line.contains("ended: accepted=");
    daemon.log.wait_for("its end", is_last);
    let lines = daemon.log.all();
    let at = |what: &str| lines.iter().position(|line| line.contains(what));
    let (ended, idle) = (at("what it has left has ended"), at("idle, so leaving"));
    assert!(ended.is_some() && ended < idle, "{lines:?}");
}

#[test]
fn detached_jobs_do_not_take_the_descriptors_of_others() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let limit = || Ok(setrlimit(Resource::RLIMIT_NOFILE, 800, 800)?);
    let config = "contain = true\ndetach = true\ndetached-max = 1000\n";
    let daemon = directory.setup(config).before_exec(limit).start();
    for _ in 0..200 {
        leave(&daemon);
    }
    daemon.log.wait_for("the limit", |line| {
        line.contains("detached jobs are the limit")
    });
    daemon.serves();
    assert!(daemon.status()["detached"].as_u64() > Some(3));
}

#[test]
fn the_end_of_a_job_costs_the_same_however_many_are_detached() {
    const DETACHED: usize = 100;
    const ENDS: usize = 20;
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = format!(
        "default = \"allow\"\ncontain = true\ndetached-max = {DETACHED}\n\
         [[allow]]\nprogram = \"/usr/bin/env\"\ndetach = true\n"
    );
    let daemon = directory.setup(&config).start();
    let script = "setsid sleep 1000 >/dev/null 2>&1 & :";
    for _ in 0..DETACHED {
        daemon.run(&["env", "sh", "-c", script]);
    }
    assert_eq!(daemon.status()["detached"], DETACHED);
    let Some(injection) = Injection::watch(&daemon) else {
        return;
    };
    for _ in 0..ENDS {
        daemon.shell(script);
    }
    directory.wait(|directory| directory.processes().len() == DETACHED);
    let reads = injection.text().matches("pread64(").count();
    // All are looked at twice a second.
    assert!((ENDS..ENDS * DETACHED).contains(&reads), "{reads}");
}
