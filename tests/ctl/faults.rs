//! Servers that fail, do nonsense, or are not there: each has words and an exit code of its own.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::process::Output;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use sockexec::client::ConnectError;
use sockexec::control::client::{Client, Reason};
use sockexec::control::message::{Args, Request, Response};

use crate::common::temporary::Directory;
use crate::server::{Server, message, stderr_of, stdout_of, tool};

fn told(output: &Output, code: i32, part: &str) {
    let stderr = stderr_of(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("sockexecctl: "), "{stderr}");
    assert!(stderr.contains(part), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_server_that_says_no_is_1_and_its_words_are_harmless() {
    let server = Server::answering(|_| Response::failure("no job 12\u{1b}[2J\nmore"));
    for args in [
        &["kill", "12"][..],
        &["--json", "kill", "12"],
        &["top", "--count", "1"],
    ] {
        let output = tool(server.path(), []).args(args).output().unwrap();
        told(&output, 1, "no job 12\\u{1b}[2J\\nmore\n");
    }
}

#[test]
fn answers_in_pieces_are_answers() {
    let server = Server::start(|peer| {
        let request = peer.take().unwrap();
        for byte in message(request, Response::success("pong")) {
            peer.say(&[byte]);
        }
    });
    assert_eq!(stdout_of(&server.run(["ping"])), "pong\n");
}

#[test]
fn answers_that_are_none_are_111() {
    let part = message(Request::default(), Response::success("pong"));
    let cut = part[..part.len() - 1].to_vec();
    for (answer, words) in [
        (
            &b""[..],
            "the server closed the connection without an answer",
        ),
        (b"\0\0\0\x02:{]", "no command in JSON"),
        (b"\0\0\0\x0c:{\"cmd\":\"ab\"}", "it has no response"),
        (
            b"\xff\xff\xff\xff:",
            "a message of 4294967295 bytes, it must have 1 to 67108864",
        ),
        (b"\0\0\0\0:", "a message of 0 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n", "a message of"),
        (b"\0\0\0\x02{}", "'{' instead of the ':'"),
        (&cut, "the input ends inside a message"),
    ] {
        let answer = answer.to_vec();
        let server = Server::start(move |peer| {
            peer.take();
            peer.say(&answer);
            let _ = peer.stream.shutdown(Shutdown::Write);
            peer.linger();
        });
        told(&server.run(["ping"]), 111, words);
        told(&server.run(["ping"]), 111, server.path().to_str().unwrap());
    }
}

#[test]
fn payloads_that_are_no_json_are_111() {
    let server = Server::answering(|_| Response::success("pong"));
    for args in [["status"], ["jobs"], ["drain"]] {
        told(&server.run(args), 111, "the answer cannot be understood");
    }
    told(
        &server.run(["--json", "jobs"]),
        111,
        "the answer cannot be understood",
    );
}

#[test]
fn a_server_that_closes_at_once_may_have_said_why() {
    let server = Server::start(|peer| {
        peer.say(&message(Request::default(), Response::failure("root only")));
        let _ = peer.stream.shutdown(Shutdown::Both);
    });
    told(&server.run(["ping"]), 1, "root only");
}

#[test]
fn silence_and_dripping_end_at_the_time_out() {
    let server = Server::start(|peer| peer.linger());
    told(
        &server.run(["--timeout", "0.05", "ping"]),
        111,
        "no answer within 0.05 s",
    );
    let server = Server::start(|peer| {
        // The longest answer, one byte at a time until the client has gone.
        peer.say(b"\x04\0\0\0:");
        while peer.stream.write(b" ").is_ok() {
            thread::yield_now();
        }
    });
    let output = server.run(["--timeout", "0.05", "ping"]);
    told(&output, 111, "no answer within 0.05 s");
}

#[test]
fn a_queue_that_is_full_ends_at_the_time_out() {
    let directory = Directory::new();
    let path = directory.join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    // The server does not accept, and at some time the queue is full.
    let short = Duration::from_millis(20);
    let mut waiting = Vec::new();
    let error = loop {
        match Client::connect(&path, short) {
            Ok(client) => waiting.push(client),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error.reason(), Reason::Connect(ConnectError::TimedOut(time)) if *time == short),
        "{error}"
    );
}

#[test]
fn servers_that_are_not_there_are_111() {
    let directory = Directory::new();
    let file = directory.file("file", 0o644, "");
    let stale = directory.join("stale");
    // Bound and not listening, because a listener's copies may live on for a moment in processes
    // that other tests are just starting.
    let left = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(left.as_raw_fd(), &UnixAddr::new(&stale).unwrap()).unwrap();
    let long = directory.join(&"x".repeat(200));
    for (path, words) in [
        (directory.join("nothing"), "there is no such socket"),
        (file.clone().into(), "no server listens there"),
        (stale, "no server listens there"),
        (directory.join("file/below"), "is not a directory"),
        (long, "too long"),
    ] {
        for args in [["ping"], ["status"], ["top"]] {
            let output = tool(&path, args).output().unwrap();
            told(&output, 111, words);
            told(&output, 111, path.to_str().unwrap());
        }
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn one_connection_takes_several_commands() {
    let (sender, asked) = channel();
    let server = Server::answering(move |request| {
        sender.send(request.clone()).unwrap();
        match request.cmd.as_str() {
            "ping" => Response::success("pong"),
            _ => Response::failure("no"),
        }
    });
    let mut client = Client::connect(server.path(), Duration::from_secs(60)).unwrap();
    assert_eq!(client.ask("ping", Args::new()).unwrap(), "pong");
    let error = client.ask("stop", Args::new()).unwrap_err();
    assert!(matches!(error.reason(), Reason::Failure(why) if why == "no"));
    assert_eq!(client.ask("ping", Args::new()).unwrap(), "pong");
    let asked: Vec<_> = asked.try_iter().map(|request| request.cmd).collect();
    assert_eq!(asked, ["ping", "stop", "ping"]);
}
