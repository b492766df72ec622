//! `top` where standard output is no terminal.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::answers;
use crate::common::temporary::Directory;
use crate::server::{Server, converse, stdout_of, tool};

#[test]
fn looks_follow_one_another_and_stop_after_the_count() {
    let server = Server::answering(answers::serving(30));
    let output = server.run(["top", "--interval", "0.001", "--count", "3"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout_of(&output);
    assert!(!text.contains('\x1b'), "{text}");
    let looks: Vec<_> = text.split("\n\nsockexec").collect();
    assert_eq!(looks.len(), 3, "{text}");
    assert!(
        looks[0].contains("rates        jobs -  in -  out -\n"),
        "{text}"
    );
    for look in &looks[1..] {
        assert!(
            look.contains("rates        jobs 10/s  in 10K/s  out 20K/s\n"),
            "{text}"
        );
    }
    for look in looks {
        // Neither cut in length nor in width.
        assert_eq!(look.matches("running").count(), 30);
        assert!(look.lines().any(|line| line.len() > 200));
        assert!(!look.contains("q quits"));
    }
}

#[test]
fn json_is_an_object_in_a_line_for_each_look() {
    let server = Server::answering(answers::serving(2));
    let output = server.run(["top", "--json", "--interval", "0.001", "--count", "2"]);
    let text = stdout_of(&output);
    let looks: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(looks.len(), 2);
    assert_eq!(looks[0]["rates"], Value::Null);
    assert_eq!(looks[0]["status"], answers::status(3661));
    assert_eq!(looks[1]["jobs"], answers::jobs(2));
    let rates = json!({"jobs": 10.0, "bytes-in": 10240.0, "bytes-out": 20480.0});
    assert_eq!(looks[1]["rates"], rates);
}

#[test]
fn a_server_that_goes_and_comes_back_is_told() {
    for json in [false, true] {
        let directory = Directory::new();
        let path = directory.join("control.sock");
        let serve = |path: &std::path::Path| {
            let mut answer = answers::serving(1);
            Server::at(path, move |peer| converse(peer, &mut answer))
        };
        let server = serve(&path);
        let mut command = tool(&path, ["top", "--interval", "0.01"]);
        command.args(json.then_some("--json"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |text: &str| {
            assert!(lines.any(|line| line.unwrap().contains(text)), "no {text}");
        };
        wait_for("4.0.0");
        drop(server);
        wait_for("no server listens there");
        std::fs::remove_file(&path).unwrap();
        wait_for("there is no such socket");
        let server = serve(&path);
        wait_for("4.0.0");
        // Its reader goes, and so does it.
        drop(lines);
        let mut rest = String::new();
        child.wait().unwrap();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut rest).unwrap();
        }
        assert_eq!(rest, "");
        drop(server);
    }
}
