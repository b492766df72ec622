//! `top` on a terminal: its screen, its end, and the restored terminal.

use std::path::Path;
use std::sync::mpsc::channel;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use sockexec::control::message::{Request, Response};

use crate::answers;
use crate::common::temporary::Directory;
use crate::pty::Top;
use crate::server::{Server, converse};
use crate::vt::Vt;

/// A look that has come after another one.
fn is_live(vt: &Vt) -> bool {
    vt.alternate && vt.lines().iter().any(|line| line.contains("jobs 10/s"))
}

#[test]
fn it_fits_80_columns_and_24_lines_and_q_leaves() {
    let server = Server::answering(answers::serving(100));
    let mut top = Top::start(server.path(), ["--interval", "0.01"]);
    top.wait_for("second look", |vt| {
        is_live(vt) && vt.lines()[23].ends_with(" more")
    });
    assert_eq!(top.vt.beyond, 0);
    assert!(!top.is_as_before() && !top.vt.cursor);
    let lines = top.vt.lines();
    assert!(lines[0].starts_with("sockexec     4.0.0  process 123  serving  up 1h01m"));
    assert!(lines[0].ends_with("q quits"));
    let heading = lines
        .iter()
        .position(|line| line.contains("ARGUMENTS"))
        .unwrap();
    // The oldest first, as many as there is room for, and cut at the last column.
    assert!(lines[heading + 1].trim_start().starts_with("1 exec"));
    assert_eq!(lines[heading + 1].len(), 80);
    assert!(lines[heading + 1].ends_with('>'));
    let shown = 23 - heading - 1;
    assert_eq!(lines[23], format!("{} more", 100 - shown));
    assert!(shown >= 10, "{lines:#?}");
    top.type_keys("xq");
    let (status, vt) = top.wait_for_end();
    assert_eq!(status.code(), Some(0));
    assert!(!vt.alternate && vt.cursor);
}

#[test]
fn what_is_no_longer_there_goes_from_the_screen() {
    let (mut many, mut one) = (answers::serving(100), answers::serving(1));
    let mut looks = 0;
    let server = Server::start(move |peer| {
        looks += 1;
        if looks == 1 {
            return converse(peer, &mut many);
        }
        converse(peer, |request| match request.cmd.as_str() {
            "jobs" => {
                let mut jobs = answers::jobs(1);
                jobs[0]["title"] = "true".into();
                Response::success(jobs.to_string())
            }
            _ => one(request),
        });
    });
    let mut top = Top::start(server.path(), ["--interval", "0.01"]);
    top.wait_for("screen with one job", |vt| {
        let text = vt.lines().join("\n");
        let jobs = text.split("ARGUMENTS\n").nth(1).unwrap_or_default();
        jobs.trim_end().ends_with(" true") && jobs.trim_end().lines().count() == 1
    });
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn it_ends_after_the_count() {
    let server = Server::answering(answers::serving(1));
    let top = Top::start(server.path(), ["--interval", "0.01", "--count", "3"]);
    let (status, vt) = top.wait_for_end();
    assert_eq!(status.code(), Some(0));
    assert!(!vt.alternate && vt.cursor);
}

#[test]
fn a_terminal_that_gets_another_size_is_filled_anew() {
    let server = Server::answering(answers::serving(100));
    // No second look comes to draw it by chance.
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    top.wait_for("look", |vt| vt.lines()[23].ends_with(" more"));
    for (width, height) in [(60, 20), (132, 50), (20, 5), (1, 1), (80, 24)] {
        top.resize(width, height);
        top.wait_for("look in the new size", |vt| {
            let full = vt.lines()[height - 1].ends_with(" more") || height < 20;
            vt.beyond == 0 && full && !vt.lines()[0].is_empty()
        });
    }
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn signals_that_end_it_give_the_terminal_back() {
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        let server = Server::answering(answers::serving(3));
        let mut top = Top::start(server.path(), []);
        top.wait_for("look", |vt| vt.alternate && vt.lines()[0].contains("4.0.0"));
        top.signal(signal);
        top.wait_for_end_by(signal);
    }
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    let server = Server::answering(answers::serving(3));
    let mut top = Top::start(server.path(), []);
    top.wait_for("look", |vt| vt.alternate && vt.lines()[0].contains("4.0.0"));
    top.type_keys("\x03");
    top.wait_for_end_by(Signal::SIGINT);
}

#[test]
fn stopped_it_gives_the_terminal_back_and_continued_it_draws_again() {
    let server = Server::answering(answers::serving(3));
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    top.wait_for("look", |vt| vt.alternate && vt.lines()[0].contains("4.0.0"));
    top.type_keys("\x1a");
    let stopped = waitpid(top.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    assert!(top.is_as_before());
    top.wait_for("old screen", |vt| !vt.alternate && vt.cursor);
    top.signal(Signal::SIGCONT);
    top.wait_for("look", |vt| vt.alternate && vt.lines()[0].contains("4.0.0"));
    assert!(!top.is_as_before());
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn a_server_that_goes_is_said_and_one_that_comes_back_is_shown() {
    let directory = Directory::new();
    let path = directory.join("control.sock");
    let serve = |path: &Path| {
        let mut answer = answers::serving(3);
        Server::at(path, move |peer| converse(peer, &mut answer))
    };
    let server = serve(&path);
    let mut top = Top::start(&path, ["--interval", "0.01"]);
    top.wait_for("second look", is_live);
    drop(server);
    let complains = |vt: &Vt| vt.lines()[0].contains("no server listens there; trying again");
    top.wait_for("complaint", |vt| {
        complains(vt) && vt.lines()[1].contains("4.0.0")
    });
    std::fs::remove_file(&path).unwrap();
    let _server = serve(&path);
    top.wait_for("look at the new one", |vt| is_live(vt) && !complains(vt));
    assert_eq!(top.vt.beyond, 0);
    top.type_keys("Q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn a_server_that_hangs_holds_up_neither_keys_nor_the_screen() {
    let (sender, asked) = channel();
    let mut looks = 0;
    let server = Server::start(move |peer| {
        looks += 1;
        if looks == 1 {
            converse(peer, answers::serving(3));
        } else {
            peer.take();
            sender.send(()).unwrap();
            peer.linger();
        }
    });
    let mut top = Top::start(server.path(), ["--interval", "0.01", "--timeout", "86400"]);
    top.wait_for("look", |vt| vt.alternate && vt.lines()[0].contains("4.0.0"));
    asked.recv().unwrap();
    top.resize(60, 20);
    top.wait_for("look in the new size", |vt| vt.lines()[0].contains("4.0.0"));
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn without_a_server_at_the_start_the_terminal_is_not_touched() {
    let directory = Directory::new();
    let mut top = Top::start(&directory.join("nothing"), []);
    top.wait_for("complaint", |vt| {
        vt.lines().concat().contains("there is no such socket")
    });
    assert!(!top.vt.alternate && top.is_as_before());
    assert_eq!(top.wait_for_end().0.code(), Some(111));
}

#[test]
fn what_a_server_says_is_no_command_for_the_terminal() {
    // The screen fails at bytes that it does not know.
    let server = Server::answering(|request: &Request| {
        let hostile = "\u{1b}[2J\u{1b}c\u{9b}31m\r\n\u{7}\u{4e00}";
        Response::success(match request.cmd.as_str() {
            "status" => {
                let mut status = answers::status(1);
                status["version"] = hostile.into();
                status["state"] = hostile.repeat(100).into();
                status.to_string()
            }
            _ => {
                let mut jobs = answers::jobs(2);
                jobs[0]["title"] = hostile.into();
                jobs[1]["state"] = hostile.repeat(100).into();
                jobs.to_string()
            }
        })
    });
    let mut top = Top::start(server.path(), ["--interval", "0.01"]);
    top.wait_for("look", |vt| vt.lines()[0].contains("\\u{1b}[2J"));
    assert_eq!(top.vt.beyond, 0);
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}
