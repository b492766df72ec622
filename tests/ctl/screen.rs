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

/// An update that has come after another one.
fn is_live(vt: &Vt) -> bool {
    vt.alternate && vt.lines().iter().any(|line| line.contains("jobs 10/s"))
}

/// Any update.
fn is_there(vt: &Vt) -> bool {
    vt.alternate && vt.lines()[0].contains("4.0.0")
}

#[test]
fn it_fits_80_columns_and_24_lines_and_q_leaves() {
    let server = Server::answering(answers::serving(100));
    let mut top = Top::start(server.path(), ["--interval", "0.01"]);
    top.wait_for("second update", |vt| {
        is_live(vt) && vt.lines()[23].contains(" of 100, by AGE falling")
    });
    assert_eq!(top.vt.beyond, 0);
    assert!(!top.is_as_before() && !top.vt.cursor);
    let lines = top.vt.lines();
    assert!(lines[0].starts_with("sockexec 4.0.0  serving  up 1h01m  process 123"));
    let rates = "jobs 10/s  in 10K/s  out 20K/s";
    assert!(
        lines.iter().any(|line| line.starts_with(rates)),
        "{lines:#?}"
    );
    let is_heading = |line: &String| line.ends_with(" COMMAND");
    let heading = lines.iter().position(is_heading).unwrap();
    // The oldest first, as many as there is room for, and cut at the last column.
    let first = lines[heading + 1].trim_start();
    assert!(
        first.starts_with("1 www-data ") || first.starts_with("1 33 "),
        "{first}"
    );
    assert_eq!(lines[heading + 1].len(), 80);
    assert!(lines[heading + 1].ends_with('>'));
    assert!(top.vt.look(heading).underlined && top.vt.look(heading + 1).reverse);
    let shown = 23 - heading - 1;
    assert!(
        lines[23].contains(&format!(" 1-{shown} of 100")),
        "{lines:#?}"
    );
    top.type_keys("xq");
    let (status, vt) = top.wait_for_end();
    assert_eq!(status.code(), Some(0));
    assert!(!vt.alternate && vt.cursor);
}

#[test]
fn a_job_that_has_gone_goes_from_the_screen() {
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
        let jobs = text.split("COMMAND\n").nth(1).unwrap_or_default();
        let jobs: Vec<_> = jobs.lines().filter(|line| !line.is_empty()).collect();
        jobs.len() == 2 && jobs[0].ends_with(" true") && jobs[1].contains(" 1-1 of 1")
    });
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn keys_change_tabs_filter_and_show_details_and_help() {
    let server = Server::answering(|request: &Request| match request.cmd.as_str() {
        "recent" => Response::success(answers::recent().to_string()),
        _ => answers::serving(30)(request),
    });
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    let shows = |text: &'static str| move |vt: &Vt| vt.lines().join("\n").contains(text);
    top.wait_for("jobs", shows("[1 running]"));
    // No update is due: the answer comes because of the key.
    top.type_keys("2");
    top.wait_for("recent jobs", |vt| {
        shows("[2 recent]")(vt) && shows("exit 3")(vt)
    });
    let lines = top.vt.lines();
    let failed = lines
        .iter()
        .position(|line| line.contains("exit 3"))
        .unwrap();
    assert!(lines[failed].starts_with("x "));
    assert_eq!(top.vt.look(failed).colour, Some(1));
    top.type_keys("\r");
    top.wait_for("details", |vt| shows("end of stderr  no such file")(vt));
    top.type_keys("\x1b");
    top.wait_for("recent jobs", shows("[2 recent]"));
    top.type_keys("/nothing");
    top.wait_for("filter", |vt| {
        shows("filter: nothing")(vt) && shows("no row has")(vt)
    });
    top.type_keys("\x1b");
    top.wait_for("recent jobs", shows("exit 3"));
    // An older server.
    top.type_keys("\t\t");
    top.wait_for(
        "refusal",
        shows("does not report that: totals is not for here"),
    );
    top.type_keys("?");
    top.wait_for("help", shows("turn the order around"));
    top.type_keys("q");
    top.wait_for("table", shows("[4 programs]"));
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn a_job_is_killed_after_a_question_even_while_the_server_owes_an_answer() {
    let (sender, killed) = channel();
    let server = Server::answering(move |request: &Request| match request.cmd.as_str() {
        "kill" => {
            sender
                .send((request.args["id"].clone(), request.args["signal"].clone()))
                .unwrap();
            Response::success(r#"{"pid": 4567, "signal": "SIGTERM"}"#)
        }
        _ => answers::serving(3)(request),
    });
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    top.wait_for("update", is_there);
    top.type_keys("\x1b[Bk");
    top.wait_for("question", |vt| {
        vt.lines()[23].starts_with("kill job 2 (") && vt.lines()[23].ends_with(") with TERM? y/n")
    });
    assert!(killed.try_recv().is_err());
    top.type_keys("y");
    top.wait_for("answer", |vt| {
        vt.lines()[23] == "SIGTERM sent to the process group of 4567"
    });
    assert_eq!(killed.recv().unwrap(), (2.into(), "TERM".into()));
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn without_colours_nothing_is_coloured_and_marks_remain() {
    let server = Server::answering(|request: &Request| match request.cmd.as_str() {
        "recent" => Response::success(answers::recent().to_string()),
        _ => answers::serving(3)(request),
    });
    let variables = [("TERM", "xterm"), ("NO_COLOR", "1")];
    let mut top = Top::start_with(server.path(), ["--interval", "86400"], variables);
    top.wait_for("update", is_there);
    top.type_keys("3");
    top.wait_for("failed jobs", |vt| {
        let lines = vt.lines();
        lines
            .iter()
            .any(|line| line.starts_with("x ") && line.contains("exit 3"))
    });
    for line in 0..24 {
        assert_eq!(top.vt.look(line).colour, None);
    }
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn after_a_count_of_updates_the_last_one_stays_on_the_screen() {
    let server = Server::answering(answers::serving(100));
    let top = Top::start(server.path(), ["--interval", "0.01", "--count", "3"]);
    let (status, vt) = top.wait_for_end();
    assert_eq!(status.code(), Some(0));
    is_plain(&vt);
    let lines = vt.lines();
    let first = lines.iter().position(|line| line.starts_with("sockexec  "));
    assert!(first.is_some(), "{lines:#?}");
    assert!(lines.join("\n").contains("jobs 10/s  in 10K/s  out 20K/s"));
    // The last line is free for the shell.
    assert!(
        lines[22].ends_with(" more") && lines[23].is_empty(),
        "{lines:#?}"
    );
}

#[test]
fn a_terminal_without_a_screen_gets_plain_text() {
    for terminal in ["dumb", ""] {
        let server = Server::answering(answers::serving(100));
        let mut top = Top::start_with(server.path(), ["--interval", "0.01"], [("TERM", terminal)]);
        top.wait_for("second update", |vt| {
            vt.lines().join("\n").contains("jobs 10/s") && vt.lines()[22].ends_with(" more")
        });
        is_plain(&top.vt);
        assert!(top.is_as_before());
        top.type_keys("\x03");
        top.wait_for_end_by(Signal::SIGINT);
    }
}

/// Nothing was written but text.
#[track_caller]
fn is_plain(vt: &Vt) {
    assert_eq!(vt.commands, 0);
    assert!(!vt.alternate && vt.cursor);
}

#[test]
fn a_terminal_that_gets_another_size_is_filled_anew() {
    let server = Server::answering(answers::serving(100));
    // No second update comes to draw it by chance.
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    top.wait_for("update", |vt| vt.lines()[23].contains(" of 100, by"));
    for (width, height) in [(60, 20), (200, 50), (40, 10), (20, 5), (1, 1), (80, 24)] {
        top.resize(width, height);
        top.wait_for("update in the new size", |vt| {
            let full = vt.lines()[height - 1].contains(" of 100, by") || width < 40;
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
        top.wait_for("update", is_there);
        top.signal(signal);
        top.wait_for_end_by(signal);
    }
}

#[test]
fn keys_that_are_signals_give_the_terminal_back() {
    for (key, signal) in [("\x03", Signal::SIGINT), ("\x1c", Signal::SIGQUIT)] {
        let server = Server::answering(answers::serving(3));
        let mut top = Top::start(server.path(), []);
        top.wait_for("update", is_there);
        top.type_keys(key);
        top.wait_for_end_by(signal);
    }
}

#[test]
fn stopped_it_gives_the_terminal_back_and_continued_it_draws_again() {
    let server = Server::answering(answers::serving(3));
    let mut top = Top::start(server.path(), ["--interval", "86400"]);
    top.wait_for("update", is_there);
    top.type_keys("\x1a");
    let stopped = waitpid(top.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    assert!(top.is_as_before());
    top.wait_for("old screen", |vt| !vt.alternate && vt.cursor);
    top.signal(Signal::SIGCONT);
    top.wait_for("update", is_there);
    assert!(!top.is_as_before());
    top.type_keys("q");
    assert_eq!(top.wait_for_end().0.code(), Some(0));
}

#[test]
fn a_terminal_that_goes_ends_it_though_no_signal_says_so() {
    let server = Server::answering(answers::serving(3));
    let mut top = Top::start_apart(server.path(), ["--interval", "86400"]);
    top.wait_for("update", is_there);
    assert_eq!(top.hang_up().code(), Some(0));
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
    top.wait_for("second update", is_live);
    drop(server);
    let complains = |vt: &Vt| vt.lines()[0].contains("no server listens there; trying again");
    top.wait_for("complaint", |vt| {
        complains(vt) && vt.lines()[1].contains("4.0.0")
    });
    std::fs::remove_file(&path).unwrap();
    let _server = serve(&path);
    top.wait_for("update of the new one", |vt| is_live(vt) && !complains(vt));
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
    top.wait_for("update", is_there);
    asked.recv().unwrap();
    top.resize(60, 20);
    top.wait_for("update in the new size", |vt| {
        vt.lines()[0].contains("4.0.0")
    });
    top.type_keys("?");
    top.wait_for("help", |vt| {
        vt.lines().join("\n").contains("draw the screen again")
    });
    top.type_keys("qq");
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
            "jobs" => {
                let mut jobs = answers::jobs(2);
                jobs[0]["title"] = hostile.into();
                jobs[0]["argv"][0] = hostile.into();
                jobs[1]["state"] = hostile.repeat(100).into();
                jobs.to_string()
            }
            _ => return Response::failure(hostile),
        })
    });
    let mut top = Top::start(server.path(), ["--interval", "0.01"]);
    let shows = |vt: &Vt| vt.lines().join("\n").matches("\\u{1b}[2J").count();
    top.wait_for("update", |vt| vt.lines()[0].contains("\\u{1b}[2J"));
    top.type_keys("\r");
    top.wait_for("details", |vt| {
        shows(vt) >= 3 && vt.lines()[23].contains("Esc back")
    });
    // Typed text is not to be trusted either.
    top.type_keys("q4/\u{4e00}");
    top.wait_for("refusal", |vt| {
        vt.lines().join("\n").contains("that: \\u{1b}[2J") && vt.lines()[23].contains("\\u{4e00}")
    });
    assert_eq!(top.vt.beyond, 0);
    top.type_keys("\x03");
    top.wait_for_end_by(Signal::SIGINT);
}
