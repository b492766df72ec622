//! Messages in every fragmentation, several on a connection, and those that are none.

use crate::common::control::{command, framed};
use crate::common::{Control, Daemon, Setup};
use serde_json::json;
use std::time::{Duration, Instant};

fn start(text: &str) -> Daemon {
    Setup::new().control().config(text).start()
}

fn ping(respond: bool, close: bool) -> Vec<u8> {
    command("ping", &json!({}), respond, close)
}

#[track_caller]
fn pongs(control: &mut Control, count: usize) {
    for _ in 0..count {
        assert_eq!(control.response(), Ok("pong".into()));
    }
}

#[test]
fn without_more_said_it_answers_and_closes() {
    let daemon = start("");
    let mut control = daemon.control();
    control.send(framed("{\"cmd\":\"ping\"}"));
    pongs(&mut control, 1);
    control.closed();
}

#[test]
fn close_ends_it_whatever_comes_behind() {
    let daemon = start("");
    let mut control = daemon.control();
    control.send([ping(true, false), ping(true, true), ping(true, false)].concat());
    pongs(&mut control, 2);
    control.closed();
}

#[test]
fn many_commands_in_one_piece_are_answered_in_their_order() {
    let daemon = start("");
    let mut control = daemon.control();
    let mut all = Vec::new();
    for id in 1..=500 {
        all.extend(command("kill", &json!({"id": 1_000_000 + id}), true, false));
    }
    control.send(all);
    for id in 1..=500 {
        let error = control.response().unwrap_err();
        assert!(
            error.contains(&format!("no job {}", 1_000_000 + id)),
            "{error}"
        );
    }
    assert_eq!(control.ask("ping", &json!({})), Ok("pong".into()));
}

#[test]
fn one_byte_at_a_time_is_the_same() {
    let daemon = start("control-idle = 60");
    let mut control = daemon.control();
    let bytes = [ping(true, false), ping(true, true)].concat();
    for byte in bytes {
        control.send([byte]);
        while crate::common::process::unread(control.stream()) > 0 {
            std::thread::yield_now();
        }
    }
    pongs(&mut control, 2);
    control.closed();
}

#[test]
fn no_answer_where_none_is_wanted() {
    let daemon = start("");
    let mut control = daemon.control();
    // Even where there is something wrong.
    control.send(command("set", &json!({"timeout": 33}), false, false));
    control.send(command("set", &json!({"timeout": -1}), false, false));
    control.send(command("nonsense", &json!({}), false, false));
    assert_eq!(control.ask("ping", &json!({})), Ok("pong".into()));
    assert_eq!(daemon.status()["limits"]["timeout"], 33.0);
    control.send(ping(false, true));
    control.closed();
}

#[test]
fn who_ends_its_input_gets_all_answers() {
    let daemon = start("");
    let mut control = daemon.control();
    control.send([ping(true, false), ping(true, false)].concat());
    control.end();
    pongs(&mut control, 2);
    control.closed();
}

#[test]
fn silence_closes_and_says_nothing() {
    let daemon = start("control-idle = 0.7");
    let begin = Instant::now();
    daemon.control().closed();
    // It counts from the last answer.
    let mut other = daemon.control();
    assert_eq!(other.ask("ping", &json!({})), Ok("pong".into()));
    other.closed();
    assert!(begin.elapsed() >= Duration::from_millis(1400));
}

#[test]
fn half_a_message_fails_when_its_time_is_over() {
    let daemon = start("control-idle = 0.3");
    for half in [&b"\0"[..], b"\0\0\0\x10", b"\0\0\0\x10:{\"cmd\""] {
        let mut control = daemon.control();
        control.send(half);
        let error = control.response().unwrap_err();
        assert!(error.contains("0.3 s"), "{error}");
        control.closed();
    }
}

#[test]
fn bytes_now_and_then_do_not_gain_time() {
    let daemon = start("control-idle = 0.3");
    let mut control = daemon.control();
    let message = framed(format!("{{\"cmd\":\"ping\"{}}}", " ".repeat(100_000)));
    let mut stream = control.stream().try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let begin = Instant::now();
        for byte in message {
            // Until the server has had enough.
            if std::io::Write::write_all(&mut stream, &[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
            assert!(begin.elapsed() < crate::common::PATIENCE);
        }
    });
    assert!(control.response().unwrap_err().contains("0.3 s"));
    control.closed();
    drop(control);
    writer.join().unwrap();
}

#[test]
fn half_a_message_and_the_end_fail_at_once() {
    let daemon = start("control-idle = 60");
    let mut control = daemon.control();
    control.send([ping(true, false), b"\0\0\0\x10:{".to_vec()].concat());
    control.end();
    pongs(&mut control, 1);
    let error = control.response().unwrap_err();
    assert!(error.contains("ends inside a message"), "{error}");
    control.closed();
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_length() {
    let daemon = start("control-message-max = 2000");
    let padded = |length: usize| {
        let json = "{\"cmd\":\"ping\"}";
        framed(format!("{json}{}", " ".repeat(length - json.len())))
    };
    let mut control = daemon.control();
    control.send(padded(2000));
    pongs(&mut control, 1);
    let mut control = daemon.control();
    control.send(&padded(2001)[..4]);
    let error = control.response().unwrap_err();
    assert!(
        error.contains("2001 bytes") && error.contains("2000 bytes"),
        "{error}"
    );
    control.closed();
    // A client that still sends it gets the answer and no reset.
    let mut control = daemon.control();
    control.send(padded(100_000));
    assert!(control.response().unwrap_err().contains("100000 bytes"));
    control.closed();
}

#[test]
fn the_usual_limit_is_a_mebibyte() {
    let daemon = start("");
    let mut control = daemon.control();
    let json = format!(
        "{{\"cmd\":\"ping\",\"x\":\"{}\"}}",
        "x".repeat((1 << 20) - 21)
    );
    assert_eq!(json.len(), 1 << 20);
    control.send(framed(&json));
    assert_eq!(control.response(), Ok("pong".into()));
    let mut control = daemon.control();
    control.send(((1_u32 << 20) | 1).to_be_bytes());
    assert!(control.response().unwrap_err().contains("1048576"));
    control.closed();
}

#[test]
fn what_is_no_message_fails_and_closes() {
    let daemon = start("control-idle = 60");
    for bytes in [
        b"\0\0\0\0".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\0\0\0\x02{}".to_vec(),
        framed("x"),
        framed("{}"),
        framed("[]"),
        framed("null"),
        framed("{\"cmd\":1}"),
        framed("{\"cmd\":\"ping\",\"args\":[]}"),
        framed("{\"cmd\":\"ping\",\"close\":0}"),
        framed("{\"cmd\":\"ping\"} {}"),
        framed("{\"cmd\":\"ping\""),
        framed(b"{\"cmd\":\"\xff\"}"),
        framed([b'['; 100_000]),
    ] {
        let mut control = daemon.control();
        // What follows is not looked at.
        control.send([bytes.clone(), ping(true, false)].concat());
        let error = control.response().unwrap_err();
        assert!(error.len() < 500, "{error}");
        control.closed();
    }
    assert_eq!(daemon.ask("ping", json!({})), "pong");
    daemon.serves();
}

#[test]
fn clients_that_go_in_the_middle_leave_nothing() {
    let daemon = start("control-idle = 60");
    let whole = ping(true, false);
    for cut in 0..whole.len() {
        let mut control = daemon.control();
        control.send(&whole[..cut]);
    }
    daemon.control().send(whole.repeat(50));
    crate::common::process::eventually("only one is left", || daemon.status()["control"] == 1);
}
