//! The request of each command, and the text of its answer.

use std::process::Stdio;
use std::sync::mpsc::channel;

use serde_json::{Value, json};
use sockexec::control::message::Response;

use crate::answers;
use crate::server::{Server, stderr_of, stdout_of, tool};

#[test]
fn each_command_asks_what_it_should_and_tells_the_answer() {
    let limits = &answers::status(0)["limits"];
    let reloaded = json!({"file": "/etc/sockexec/sockexec.toml", "changed": ["timeout"],
        "at-next-start": ["queue", "mode"]});
    let killed = json!({"pid": 4567, "signal": "SIGKILL"});
    let told_limits = "limits  max-connections 100  programs 90  timeout 1m00s  request-timeout 10s\n        \
                       kill-timeout 10s  stop-grace 0s  user-share 100  requests-memory 64M\n        \
                       spool-total 8.0G  log-level info\n";
    for (line, args, payload, text) in [
        ("ping", json!({}), Value::from("pong"), "pong\n"),
        ("version", json!({}), "4.0.0".into(), "4.0.0\n"),
        (
            "metrics",
            json!({}),
            "# HELP a \u{e4}\na 1\n".into(),
            "# HELP a \u{e4}\na 1\n",
        ),
        (
            "kill 12",
            json!({"id": 12, "signal": "TERM"}),
            killed.clone(),
            "SIGKILL sent to the process group of 4567\n",
        ),
        (
            "kill 12 --signal 9",
            json!({"id": 12, "signal": "9"}),
            killed,
            "SIGKILL sent to the process group of 4567\n",
        ),
        (
            "kill 12 13 14",
            json!({"ids": [12, 13, 14], "signal": "TERM"}),
            json!({"signal": "SIGTERM", "jobs": [{"id": 12, "pid": 1}, {"id": 13, "pid": 2},
                {"id": 14, "pid": 3}], "failed": [], "waiting": 0}),
            "SIGTERM sent to 3 jobs: 12 13 14\n",
        ),
        (
            "kill --user root --program id --rule web --signal 9",
            json!({"user": 0, "program": "id", "rule": "web", "signal": "9"}),
            json!({"signal": "SIGKILL", "jobs": [{"id": 12, "pid": 1}], "failed": [], "waiting": 2}),
            "SIGKILL sent to 1 job: 12\n2 more jobs have no program yet, and got none\n",
        ),
        (
            "kill --all",
            json!({"all": true, "signal": "TERM"}),
            json!({"signal": "SIGTERM", "jobs": [{"id": 12, "pid": 1}], "failed": [], "waiting": 0}),
            "SIGTERM sent to 1 job: 12\n",
        ),
        (
            "set timeout=60 log-level=info",
            json!({"timeout": 60, "log-level": "info"}),
            limits.clone(),
            told_limits,
        ),
        (
            "explain --user 4000000000 --group 7 --label web_t id -u",
            json!({"user": 4_000_000_000_u32, "groups": [7], "label": "web_t", "program": "id",
                "arguments": ["-u"]}),
            json!({"user": 4_000_000_000_u32, "groups": [7], "label": "web_t",
                "program": "/usr/bin/id", "arguments": ["-u"],
                "rules": [{"number": 1, "name": "web", "mismatches": []}], "allowed": true,
                "limits": {"timeout": 60}}),
            "client: uid 4000000000, groups 7, security label web_t\n\
             request: /usr/bin/id -u\n\
             rule 1 (web): decides: the request is allowed\n  \
             timeout = 60\n",
        ),
        (
            "reload",
            json!({}),
            reloaded,
            "file           /etc/sockexec/sockexec.toml\nchanged        timeout\nat next start  queue  mode\n",
        ),
        (
            "reload",
            json!({}),
            json!({"file": null}),
            "file     none\nchanged  nothing\n",
        ),
        (
            "drain",
            json!({}),
            json!({"active": 3}),
            "draining, 3 to finish\n",
        ),
        (
            "config",
            json!({}),
            json!({"settings": [
                {"name": "timeout", "value": 60.0, "source": "default", "place": null, "default": 60.0},
                {"name": "kill-timeout", "value": 3.0, "source": "file", "place": "/x.toml:3",
                    "default": 10.0},
                {"name": "queue", "value": 100, "source": "default", "place": null, "default": 100,
                    "at-next-start": 5},
                {"name": "burst", "value": 4, "source": "set", "place": null, "default": 10},
                {"name": "max-connections", "value": 500, "source": "option",
                    "place": "--max-connections", "default": 100,
                    "note": "90, for the limit of descriptors"}],
                "programs": [{"name": "run-as", "value": null, "source": "default"}],
                "startup": [{"name": "listen exec", "value": "/s", "source": "environment",
                    "place": "LISTEN_FDS"}]}),
            "NAME            VALUE FROM\n\
             timeout         1m00s default\n\
             kill-timeout    3.0s  /x.toml:3; default 10s\n\
             queue           100   default; at the next start 5\n\
             burst           4     set by command, until a reload or the next start; default 10\n\
             max-connections 500   option --max-connections; default 100; in effect 90, for the \
             limit of descriptors\n\
             run-as          -     default\n\
             listen exec     /s    environment, LISTEN_FDS\n",
        ),
        (
            "rules",
            json!({}),
            json!({"summary": "1 rule; any other request is refused", "default": "deny",
                "others": "any other request: nice 3", "rules": [{"number": 1, "name": "web",
                "text": "rule 1 (web): every client; every program", "running": 2, "waiting": 10}]}),
            "RUNNING WAITING RULE\n      2      10 rule 1 (web): every client; every program\n\
             any other request: nice 3\n1 rule; any other request is refused\n",
        ),
        (
            "undrain",
            json!({}),
            json!({"active": 2}),
            "accepting again, 2 active\n",
        ),
        (
            "jobs",
            json!({}),
            json!([]),
            "ID PROTO USER/PID PROGRAM STATE AGE LEFT IN OUT RULE ARGUMENTS\n",
        ),
    ] {
        let answer = match &payload {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (sender, asked) = channel();
        let server = Server::answering(move |request| {
            sender.send(request.clone()).unwrap();
            Response::success(answer.clone())
        });
        let run = |json: bool| {
            let mut command = tool(server.path(), []);
            // Behind a program of explain it would be the program's.
            command.args(json.then_some("--json")).args(line.split(' '));
            let output = command.output().unwrap();
            assert_eq!(
                output.status.code(),
                Some(0),
                "{line}: {}",
                stderr_of(&output)
            );
            assert!(output.stderr.is_empty());
            stdout_of(&output)
        };
        assert_eq!(run(false), text, "{line}");
        let request = asked.recv().unwrap();
        assert_eq!(Some(request.cmd.as_str()), line.split(' ').next());
        assert_eq!(Value::Object(request.args), args);
        assert!(request.respond);
        let json = run(true);
        assert!(json.is_ascii() && json.lines().count() == 1, "{json}");
        assert_eq!(
            serde_json::from_str::<Value>(&json).unwrap(),
            payload,
            "{line}"
        );
    }
}

#[test]
fn config_shows_only_what_is_named() {
    let answer = json!({"settings": [{"name": "timeout", "value": 60.0, "source": "default"},
        {"name": "burst", "value": 10, "source": "default"}], "programs": [], "startup": []});
    let server = Server::answering(move |_| Response::success(answer.to_string()));
    let text = stdout_of(&server.run(["config", "timeout"]));
    assert_eq!(text, "NAME    VALUE FROM\ntimeout 1m00s default\n");
    let json: Value =
        serde_json::from_str(&stdout_of(&server.run(["--json", "config", "burst"]))).unwrap();
    assert_eq!(json["settings"].as_array().unwrap().len(), 1);
    assert_eq!(json["settings"][0]["name"], "burst");
    let output = server.run(["config", "nothing"]);
    assert_eq!(output.status.code(), Some(100));
    let expected = "sockexecctl: there is no setting \"nothing\"; the names are timeout, burst\n";
    assert_eq!(stderr_of(&output), expected);
    let output = server.run(["config", "timeuot"]);
    let expected = "sockexecctl: there is no setting \"timeuot\"; did you mean timeout?\n";
    assert_eq!(stderr_of(&output), expected);
}

#[test]
fn a_job_that_gets_no_signal_is_named_and_makes_the_exit_code_1() {
    let answer = json!({"signal": "SIGTERM", "jobs": [{"id": 12, "pid": 1}],
        "failed": [{"id": 13, "error": "there is no job 13"}], "waiting": 0});
    let server = Server::answering(move |_| Response::success(answer.to_string()));
    for (json, stdout) in [(&[][..], "SIGTERM sent to 1 job: 12\n"), (&["--json"], "{")] {
        let output = tool(server.path(), ["kill", "12", "13"])
            .args(json)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout_of(&output).starts_with(stdout));
        assert_eq!(stderr_of(&output), "sockexecctl: there is no job 13\n");
    }
}

#[test]
fn status_reads_as_a_page_and_fits_80_columns() {
    let server = Server::answering(answers::serving(0));
    let text = stdout_of(&server.run(["status"]));
    for part in [
        "sockexec     4.0.0  process 123  serving  up 1h01m\n",
        "connections  active 3 of 100  queued 8  waiting 5  parked 4  throttled 2\n  \
                    \x20          lingering 7  detached 8\n",
        "resources    programs 6 of 90  memory 12M  requests 0  spools 2.0K\n",
        "timeout 1m00s",
        "totals       accepted 9  in 36M  out 72M  commands 11  throttled 13\n             log-lines-lost 12\n",
        "duration     p50 1.2ms  p90 34ms  p99 1.5s  max 3m05s  120 in 5m00s\n",
        "not started  EACCES 2  ENOENT 5\n",
        "listening    exec /run/sockexec/exec.sock, queued 8\n",
        "             control /run/sockexec/control.sock, queued -\n",
        "exit-zero 36610",
        "refused 6",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let all: Value = serde_json::from_str(&stdout_of(&server.run(["status", "--json"]))).unwrap();
    assert_eq!(all["of-a-newer-version"], json!([1]));
}

#[test]
fn jobs_are_a_table_that_is_not_cut_where_nobody_looks() {
    let server = Server::answering(|_| {
        let mut jobs = answers::jobs(2);
        jobs[0]["rule"] = "web".into();
        jobs[1]["peer"] = json!({"address": "127.0.0.1:40000"});
        jobs[1]["pid"] = Value::Null;
        jobs[1]["deadline"] = Value::Null;
        jobs[1]["title"] = "\u{1b}]0;title\u{7} \u{202e}\n2 exec".into();
        Response::success(jobs.to_string())
    });
    let text = stdout_of(&server.run(["jobs"]));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "ID PROTO USER/PID        PROGRAM STATE     AGE LEFT   IN  OUT RULE ARGUMENTS"
    );
    assert!(lines[1].starts_with(
        " 1 exec  33/123             4567 running 1m39s  59s 1.5K 2.0K web  sleep 100 sleep 100 "
    ));
    assert!(lines[1].len() > 200);
    assert_eq!(
        lines[2],
        " 2 exec  127.0.0.1:40000       - running 1m38s    - 1.5K 2.0K -    \
         \\u{1b}]0;title\\u{7} \\u{202e}\\n2 exec"
    );
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let server = Server::answering(|_| Response::success(answers::jobs(5000).to_string()));
    let mut child = tool(server.path(), ["jobs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr_of(&output), "");
    assert!(!output.status.success());
}
