//! Control clients that are slow, silent, greedy or many do not affect other clients.

use crate::common::control::command;
use crate::common::process::{descriptors, resident};
use crate::common::{Control, Daemon, Setup, shell};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;
use std::io::{ErrorKind, Write};
use std::thread;

fn start(text: &str, arguments: &[&str]) -> Daemon {
    let setup = Setup::new().control().config(text);
    setup.arguments(arguments).start()
}

/// Sends as much of some commands as goes, and reads nothing.
fn stuff(control: &Control, bytes: &[u8]) {
    let mut stream = control.stream();
    stream.set_nonblocking(true).unwrap();
    for _ in 0..10_000 {
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn a_crowd_of_silent_ones_keeps_nobody_from_anything() {
    let daemon = start("control-idle = 0.5", &["-q", "500"]);
    let silent: Vec<_> = (0..150).map(|_| daemon.control()).collect();
    for _ in 0..20 {
        daemon.serves();
    }
    // Behind all of them, and in its turn all the same.
    assert_eq!(daemon.status()["state"], "serving");
    for mut control in silent {
        control.closed();
    }
}

#[test]
fn slow_ones_keep_nobody_from_anything() {
    let daemon = start("control-idle = 0.5", &[]);
    let mut slow: Vec<_> = (0..40).map(|_| daemon.control()).collect();
    for control in &mut slow {
        control.send(b"\0\0\0\x40:{\"cmd\":\"pi");
    }
    daemon.serves();
    assert_eq!(daemon.status()["state"], "serving");
    for mut control in slow {
        assert!(control.response().is_err());
        control.closed();
    }
}

#[test]
fn those_who_do_not_read_their_answers_keep_nobody_from_anything() {
    let daemon = start("control-idle = 0.5", &[]);
    daemon.serves();
    let before = resident(daemon.pid());
    let all = ["help", "metrics", "status"].map(|cmd| command(cmd, &json!({}), true, false));
    let all = all.concat().repeat(100);
    let greedy: Vec<_> = (0..20).map(|_| daemon.control()).collect();
    for control in &greedy {
        stuff(control, &all);
    }
    for _ in 0..20 {
        daemon.serves();
    }
    let growth = resident(daemon.pid()).saturating_sub(before);
    assert!(growth < 8 * 1024, "{growth} KiB");
    assert_eq!(daemon.status()["state"], "serving");
    drop(greedy);
}

#[test]
fn endless_commands_without_answers_keep_nobody_from_anything() {
    let daemon = start("control-idle = 60", &[]);
    let end = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            let (daemon, end) = (&daemon, &end);
            scope.spawn(move || {
                let mut control = daemon.control();
                let bytes = command("status", &json!({}), false, false).repeat(100);
                while !end.load(std::sync::atomic::Ordering::Relaxed) {
                    control.send(&bytes);
                }
            });
        }
        for _ in 0..20 {
            daemon.serves();
        }
        assert_eq!(daemon.status()["state"], "serving");
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn they_take_no_slot_and_need_none() {
    let daemon = start("control-idle = 60", &["-m", "1"]);
    let mut controls: Vec<_> = (0..10).map(|_| daemon.control()).collect();
    let mut first = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(first.line(), "up");
    let next = daemon.begin("1:2,4:echo,2:hi,0:,");
    for control in &mut controls {
        assert_eq!(control.ask("ping", &json!({})), Ok("pong".into()));
    }
    let status = daemon.status();
    assert_eq!(
        (&status["active"], &status["control"]),
        (&json!(1), &json!(11))
    );
    first.send("0:,");
    first.reply().succeeded();
    assert_eq!(next.reply().succeeded(), "hi\n");
}

#[test]
fn those_who_have_their_answer_and_stay_take_no_descriptors_from_others() {
    let setup = Setup::new().control().config("linger = 60");
    let daemon = setup
        .arguments(["-m", "4", "-q", "500"])
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 150, 150)?))
        .start();
    let mut staying = Vec::new();
    for _ in 0..200 {
        let mut control = daemon.control();
        control.send(command("ping", &json!({}), true, true));
        assert_eq!(control.response(), Ok("pong".into()));
        control.closed();
        staying.push(control);
    }
    let open = descriptors(daemon.pid()).len();
    assert!(open < 110, "{open}");
    let jobs: Vec<_> = (0..4)
        .map(|_| daemon.begin(shell("echo up; exec cat")))
        .collect();
    for mut job in jobs {
        assert_eq!(job.line(), "up");
    }
    assert_eq!(daemon.status()["totals"]["commands"], 201);
}

#[test]
fn many_good_ones_at_once_are_all_answered() {
    let daemon = start("", &["-q", "500"]);
    thread::scope(|scope| {
        for _ in 0..100 {
            let daemon = &daemon;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(daemon.status()["state"], "serving");
                }
            });
        }
    });
    assert_eq!(daemon.status()["totals"]["commands"], 501);
}
