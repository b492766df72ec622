//! `recent`, `totals` and `follow`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sockexec::control::message::{Request, Response};

use crate::common::process;
use crate::common::temporary::Directory;
use crate::server::{Peer, Server, message, stderr_of, stdout_of, tool};

/// An ended job, which failed if it has a code.
fn ended(id: u64, code: i32, stderr: &str) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let outcome = if code == 0 {
        "exit-zero"
    } else {
        "exit-nonzero"
    };
    json!({"seq": id, "time": now.unwrap().as_secs_f64() - 60.0, "id": id, "peer": {"uid": 0},
        "title": "ls -l", "age": 1.5, "out": 1024, "err": 1024, "rule": "web",
        "cost": {"user": 0.5, "system": 0.25, "memory": 4096}, "state": "ended",
        "outcome": outcome, "failed": code != 0, "exit": code, "stderr": stderr})
}

fn event(seq: u64, kind: &str) -> Value {
    let mut event = match kind {
        "end" => ended(seq, 2, "no\u{1b}[2J file\n"),
        _ => json!({"id": seq, "peer": {"uid": 4_000_000_000_u32}, "title": "ls -l"}),
    };
    event["seq"] = seq.into();
    event["time"] = 1.5.into();
    event["kind"] = kind.into();
    event
}

fn events(pid: u32, missed: u64, events: &[Value]) -> Response {
    let next = events.last().map_or(json!(0), |event| event["seq"].clone());
    let answer = json!({"pid": pid, "next": next, "missed": missed, "events": events});
    Response::success(answer.to_string())
}

#[test]
fn recent_jobs_are_a_table_with_the_reasons_of_failures() {
    let (sender, asked) = channel();
    let server = Server::answering(move |request| {
        sender.send(request.clone()).unwrap();
        let mut refused = ended(7, 1, "");
        refused["exit"] = Value::Null;
        refused["outcome"] = "refused".into();
        refused["fault"] = "refused: no rule".into();
        refused["user"] = "deploy".into();
        let jobs = [
            refused,
            ended(6, 0, "fine\n"),
            ended(5, 2, "first\nlast \u{1b}[2J\n"),
        ];
        let answer = json!({"ended": 7, "kept": 1000, "jobs": jobs});
        Response::success(answer.to_string())
    });
    let lines = ["--failed", "--program", "ls", "--user", "root", "-n", "3"];
    let mut command = tool(server.path(), ["recent"]);
    let output = command.args(lines).output().unwrap();
    assert_eq!(stderr_of(&output), "");
    assert_eq!(
        stdout_of(&output).lines().collect::<Vec<_>>(),
        [
            "  AGO ID USER   RESULT  TIME   CPU MEMORY  OUT RULE ARGUMENTS",
            "1m00s  7 deploy refused 1.5s 750ms   4.0K 2.0K web  ls -l",
            "        refused: no rule",
            "1m00s  6 root   exit 0  1.5s 750ms   4.0K 2.0K web  ls -l",
            "1m00s  5 root   exit 2  1.5s 750ms   4.0K 2.0K web  ls -l",
            "        last \\u{1b}[2J"
        ]
    );
    let request = asked.recv().unwrap();
    let args = json!({"limit": 3, "failed": true, "user": "0", "program": "ls"});
    assert_eq!(
        (&request.cmd[..], Value::Object(request.args)),
        ("recent", args)
    );
    // Without options, and as JSON.
    let answer: Value =
        serde_json::from_str(&stdout_of(&server.run(["recent", "--json"]))).unwrap();
    assert_eq!(
        (&answer["ended"], &answer["jobs"][0]["id"]),
        (&json!(7), &json!(7))
    );
    let args = json!({"limit": 100, "failed": false, "user": null, "program": null});
    assert_eq!(Value::Object(asked.recv().unwrap().args), args);
    let output = server.run(["recent", "--user", "no-such-user"]);
    assert_eq!(output.status.code(), Some(100));
    assert!(stderr_of(&output).contains("no-such-user"));
}

#[test]
fn totals_are_a_table_for_each_kind_of_group_or_one() {
    let group = |name: &str, jobs: u64, other: bool| {
        json!({"name": name, "running": 1, "jobs": jobs, "failed": 2, "seconds": 90.0, "cpu": 0.5,
            "memory": null, "bytes-in": 512, "bytes-out": 2048, "other": other})
    };
    let answer = json!({"programs": [group("a\u{9b}", 9, false), group("other", 4, true)],
        "users": [group("0", 12, false), group("4000000000", 1, false)],
        "rules": [group("", 13, false)]});
    let expected = answer.clone();
    let server = Server::answering(move |request| {
        assert_eq!((&request.cmd[..], request.args.len()), ("totals", 0));
        Response::success(answer.to_string())
    });
    let text = stdout_of(&server.run(["totals"]));
    let head = "RUNNING JOBS FAILED  TIME   CPU MEMORY  IN  OUT";
    let row = |jobs: u64, name: &str| {
        format!("      1 {jobs:>4}      2 1m30s 500ms      - 512 2.0K {name}")
    };
    let users = [
        format!("{head} USER"),
        row(12, "root"),
        row(1, "4000000000"),
    ];
    let all = [
        format!("{head} PROGRAM"),
        row(9, "a\\u{9b}"),
        row(4, "(all others)"),
        String::new(),
        users[0].clone(),
        users[1].clone(),
        users[2].clone(),
        String::new(),
        format!("{head} RULE"),
        row(13, "-"),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), all);
    let text = stdout_of(&server.run(["totals", "--by", "user"]));
    assert_eq!(text.lines().collect::<Vec<_>>(), users);
    let json = |words: [&str; 4]| -> Value {
        serde_json::from_str(&stdout_of(&server.run(words))).unwrap()
    };
    assert_eq!(
        json(["totals", "--json", "--by", "rule"]),
        expected["rules"]
    );
    let all: Value = serde_json::from_str(&stdout_of(&server.run(["totals", "--json"]))).unwrap();
    assert_eq!(all, expected);
    assert_eq!(server.run(["totals", "--by", "x"]).status.code(), Some(100));
}

/// A server that answers with each of these in turn, and then with the end of the connection.
fn telling(answers: Vec<Response>) -> (Server, Receiver<Value>) {
    let (script, asked) = script(answers);
    (Server::start(script), asked)
}

fn script(answers: Vec<Response>) -> (impl FnMut(&mut Peer) + Send + 'static, Receiver<Value>) {
    let (sender, asked) = channel();
    let mut answers = answers.into_iter();
    let script = move |peer: &mut Peer| {
        while let Some(request) = take(peer, &sender) {
            let Some(answer) = answers.next() else { return };
            peer.say(&message(request, answer));
        }
    };
    (script, asked)
}

fn take(peer: &mut Peer, sender: &std::sync::mpsc::Sender<Value>) -> Option<Request> {
    let request = peer.take()?;
    assert_eq!(request.cmd, "events");
    let _ = sender.send(request.args["after"].clone());
    Some(request)
}

#[test]
fn a_follower_prints_what_comes_and_what_it_missed_until_the_server_ends() {
    let (server, asked) = telling(vec![
        events(7, 0, &[event(1, "start")]),
        events(7, 3, &[event(5, "start"), event(6, "end")]),
    ]);
    let output = tool(server.path(), ["follow"])
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert_eq!(
        stdout_of(&output).lines().collect::<Vec<_>>(),
        [
            "00:00:01      1 4000000000   start                    ls -l",
            "-- 3 events are missing here",
            "00:00:01      5 4000000000   start                    ls -l",
            "00:00:01      6 root         exit 2         1.5s 2.0K ls -l",
            "        no\\u{1b}[2J file"
        ]
    );
    assert_eq!(output.status.code(), Some(111));
    let error = stderr_of(&output);
    assert!(
        error.contains("the server has ended") && error.lines().count() == 1,
        "{error}"
    );
    let after: Vec<_> = asked.try_iter().collect();
    assert_eq!(after, [Value::Null, json!(1), json!(6)]);
}

#[test]
fn with_json_each_event_is_a_line() {
    let (server, _) = telling(vec![events(7, 3, &[event(5, "start"), event(6, "end")])]);
    let output = server.run(["--json", "follow"]);
    let lines: Vec<Value> = stdout_of(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let missed = json!({"kind": "missed", "missed": 3});
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0], &lines[1]), (&missed, &event(5, "start")));
    assert_eq!(
        (&lines[2]["kind"], &lines[2]["exit"]),
        (&json!("end"), &json!(2))
    );
    assert!(stdout_of(&output).is_ascii());
}

#[test]
fn a_server_that_refuses_ends_it_with_the_reason() {
    for retry in [&[][..], &["--retry"]] {
        let (server, _) = telling(vec![Response::failure("recent-jobs is 0")]);
        let output = tool(server.path(), ["follow"])
            .args(retry)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr_of(&output), "sockexecctl: recent-jobs is 0\n");
    }
}

/// Starts a follower, with its output to read.
fn follower(command: &mut Command) -> (Child, BufReader<std::process::ChildStdout>) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

#[test]
fn with_retry_it_finds_the_next_server_and_begins_with_its_first_event() {
    let (first, asked) = script(vec![
        events(7, 0, &[event(40, "start")]),
        Response::success(json!({"pid": 7, "next": 40}).to_string()),
    ]);
    let directory = Directory::new();
    let path = directory.join("control.sock");
    let server = Server::at(&path, first);
    let (mut child, mut stdout) = follower(&mut tool(&path, ["follow", "--retry"]));
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("start"), "{line}");
    // The connection ends with the third question, and another server has the path.
    assert_eq!(asked.recv(), Ok(Value::Null));
    for _ in 0..2 {
        assert_eq!(asked.recv(), Ok(json!(40)));
    }
    std::fs::remove_file(&path).unwrap();
    let (sender, asked) = channel();
    let mut answers = vec![
        events(8, 0, &[event(1, "end")]),
        Response::success(json!({"pid": 8, "next": 50}).to_string()),
    ];
    let next = Server::at(&path, move |peer| {
        while let Some(request) = take(peer, &sender) {
            let Some(answer) = answers.pop() else {
                return peer.linger();
            };
            peer.say(&message(request, answer));
        }
    });
    // The first one is still waiting for a connection that does not find it any more.
    std::mem::forget(server);
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("exit 2"), "{line}");
    let after: Vec<_> = (0..3).map(|_| asked.recv().unwrap()).collect();
    assert_eq!(after, [json!(40), json!(0), json!(1)]);
    process::signal(child.id(), Signal::SIGINT);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut errors).unwrap();
    assert_eq!(
        errors,
        "sockexecctl: the server has ended: waiting for the next one\n\
         sockexecctl: another server is there, process 8\n"
    );
    drop(next);
}

/// A server closes a connection on which no command comes for a while, as when the reader of the
/// follower's output takes its time.
#[test]
fn a_slow_reader_loses_the_connection_and_misses_nothing() {
    let many: Vec<_> = (1..=2000).map(|seq| event(seq, "start")).collect();
    let mut answers = vec![events(7, 0, &[event(2001, "start")]), events(7, 0, &many)];
    let (sender, asked) = channel();
    let server = Server::start(move |peer| {
        // One answer for each connection.
        if let (Some(request), Some(answer)) = (take(peer, &sender), answers.pop()) {
            peer.say(&message(request, answer));
        }
    });
    let (mut child, stdout) = follower(&mut tool(server.path(), ["follow", "--json"]));
    asked.recv().unwrap();
    // At least as long as shows that it was slow.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let lines: Vec<_> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 2001);
    assert_eq!(asked.recv(), Ok(json!(2000)));
    // The other connection ended at once: that was the server's end.
    assert_eq!(child.wait().unwrap().code(), Some(111));
}

#[test]
fn it_ends_with_its_reader_also_while_nothing_comes() {
    let (sender, asked) = channel();
    let server = Server::start(move |peer| {
        while take(peer, &sender).is_some() {
            peer.linger();
        }
    });
    let (mut child, stdout) = follower(&mut tool(server.path(), ["follow"]));
    asked.recv().unwrap();
    drop(stdout);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGPIPE as i32));
}
