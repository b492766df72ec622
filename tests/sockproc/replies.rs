//! Requests and their replies.

use crate::common::skip;
use crate::common::sockproc::{Reply, request, run, run_with_stdin};
use crate::common::{Setup, sockproc};
use crate::start;
use std::io::Write;
use std::process::{Command, Stdio};

/// What socat prints for a person who types `text` and then ends the input.
fn socat(daemon: &crate::Daemon, text: &str) -> Option<String> {
    let program = skip::unless_tool("socat")?;
    // With `crlf` it sends and shows lines, as a terminal has them. It waits for the reply
    // for the time of `-t`; its usual half second is less than a busy machine needs.
    let mut child = Command::new(program)
        .args(["-t", "30", "-"])
        .arg(format!("UNIX-CONNECT:{},crlf", daemon.path().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_transcript_of_uname() {
    let daemon = start(&[]);
    let own = Command::new("uname").arg("-a").output().unwrap().stdout;
    let own = String::from_utf8(own).unwrap();
    let shown = format!("status:0\n{}\n{own}0\n", own.len());
    assert_eq!(run(&daemon, "uname -a").succeeded(), own);
    let Some(seen) = socat(&daemon, "uname -a\n0\n") else {
        return;
    };
    assert_eq!(seen, shown);
}

#[test]
fn the_transcript_of_a_bad_command() {
    let daemon = start(&[]);
    let reply = run(&daemon, "foobar");
    assert_eq!((reply.status, reply.stdout.len()), (32512, 0));
    assert!(reply.err().contains("foobar"), "{}", reply.err());
    assert!(reply.err().contains("not found"), "{}", reply.err());
    let Some(seen) = socat(&daemon, "foobar\n0\n") else {
        return;
    };
    let head = format!("status:32512\n0\n{}\n", reply.stderr.len());
    assert_eq!(seen, head + &reply.err());
}

#[test]
fn a_client_that_half_closes_gets_its_whole_reply() {
    let daemon = start(&[]);
    // Only the end of its input lets the command go on, far behind its request.
    let client = daemon.begin(request("cat >&2; head -c 3000000 /dev/zero", b"hello"));
    client.end();
    let reply = sockproc::reply(client);
    assert_eq!((reply.status, reply.err()), (0, "hello".to_owned()));
    assert_eq!(reply.stdout, vec![0; 3_000_000]);
    let Some(seen) = socat(&daemon, "sleep 0.7; echo late\n0\n") else {
        return;
    };
    assert_eq!(seen, "status:0\n5\nlate\n0\n");
}

#[test]
fn the_status_is_that_of_wait() {
    let daemon = start(&[]);
    for (command, status) in [
        ("exit 3", 768),
        ("exit 255", 65280),
        ("kill -TERM $$", 15),
        ("kill -KILL $$", 9),
        ("kill -34 $$", 34),
        ("ulimit -c 0; kill -SEGV $$", 11),
        ("", 0),
    ] {
        assert_eq!(run(&daemon, command).status, status, "{command}");
    }
}

#[test]
fn standard_input_is_what_was_announced() {
    let daemon = start(&[]);
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(run_with_stdin(&daemon, "cat", &all).stdout, all);
    assert_eq!(run_with_stdin(&daemon, "cat", b"").stdout, b"");
    // What comes after it means nothing, and does no harm.
    let mut client = daemon.begin(request("cat", b"12345"));
    client.send("and more\r\n");
    assert_eq!(sockproc::reply(client).succeeded(), "12345");
    // Nor does what the command does not read.
    let reply = run_with_stdin(&daemon, "exec <&-; echo done", &[b'x'; 300_000]);
    assert_eq!(reply.succeeded(), "done\n");
}

#[test]
fn what_is_no_request_gets_100_and_the_reason() {
    let daemon = start(&[]);
    for (input, words) in [
        (&b"uname\r\nx\r\n"[..], &["number of bytes"][..]),
        (b"uname\r\n\r\n", &["number of bytes"]),
        (b"uname\r\n-1\r\n", &["number of bytes"]),
        (b"uname\r\n99999999999999999999\r\n", &["19 digits"]),
        (b"una\0me\r\n0\r\n", &["NUL"]),
        (b"", &["ends before"]),
        (b"uname\n0\n", &["ends before"]),
        (b"cat\r\n5\r\nhell", &["1 bytes", "standard input"]),
    ] {
        let client = daemon.begin(input);
        client.end();
        sockproc::reply(client).refused(100, words);
    }
    let mut client = daemon.connect();
    // More than the limit of a request; the server may hang up before it has all.
    let _ = client.send_piece(&vec![b'x'; (2 << 20) + 1]);
    sockproc::reply(client).refused(100, &["2097152"]);
    assert_eq!(run(&daemon, "echo on").succeeded(), "on\n");
}

#[test]
fn a_command_is_as_long_as_a_request_may_be() {
    let daemon = start(&[]);
    for length in [2040, 100_000] {
        let command = format!("echo {}", "x".repeat(length - 5));
        assert_eq!(
            run(&daemon, &command).succeeded(),
            command[5..].to_owned() + "\n"
        );
    }
    // Longer than the kernel takes as one argument, but not than the server does.
    let reply = run(&daemon, &format!(": {}", "x".repeat(1 << 20)));
    reply.refused(126, &["Argument list too long"]);
}

#[test]
fn both_protocols_at_once() {
    let setup = Setup::new();
    let path = setup.directory.join("sockproc");
    let daemon = setup
        .arguments(["--sockproc", path.to_str().unwrap()])
        .start();
    daemon.serves();
    let mut client = crate::common::Client::connect(&path);
    client.send(request("exit 1", b""));
    let bytes = client.try_rest().unwrap();
    assert_eq!(bytes, b"status:256\r\n0\r\n0\r\n");
    assert_eq!(Reply::parse(&bytes).status, 256);
    assert_eq!(daemon.run(&["true"]).succeeded(), "");
}

#[test]
fn the_command_sees_who_asked() {
    let daemon = start(&[]);
    let out = run(&daemon, "env").succeeded();
    let pid = format!("IPCREMOTEPID={}", std::process::id());
    assert!(out.lines().any(|line| line == pid), "{out}");
    assert!(!out.contains("NOTIFY_SOCKET"), "{out}");
}
