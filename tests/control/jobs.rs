//! The entries of `jobs`.

use crate::common::process::{children, own_user};
use crate::common::sockproc;
use crate::common::{Client, Setup, shell};
use crate::start;
use serde_json::json;

#[test]
fn a_job_is_told_with_who_what_how_long_and_how_much() {
    let daemon = start(&["-t", "50"]);
    assert_eq!(daemon.jobs(), [json!(null); 0]);
    let mut client = daemon.begin(shell("head -c 6 >&2; echo $$; exec cat"));
    client.send_netstring(b"abcdef");
    let (kind, data) = client.pair();
    assert_eq!((&kind[..], &data[..]), ("stderr", &b"abcdef"[..]));
    let pid = client.number();
    client.send_netstring(b"gh\n");
    assert_eq!(client.line(), "gh");
    let jobs = daemon.jobs();
    let [job] = &jobs[..] else { panic!("{jobs:?}") };
    let (uid, gid) = own_user();
    let peer = json!({"uid": uid, "gid": gid, "pid": std::process::id()});
    assert_eq!(job["peer"], peer);
    assert_eq!(
        (&job["pid"], &job["protocol"]),
        (&json!(pid), &json!("exec"))
    );
    let script = "head -c 6 >&2; echo $$; exec cat";
    assert_eq!(job["argv"], json!(["sh", "-c", script]));
    assert_eq!(job["argv-cut"], false);
    assert_eq!(job["title"], format!("sh -c \"{script}\""));
    assert_eq!(job["state"], "running");
    let told = [&job["in"], &job["out"], &job["err"]].map(|n| n.as_u64().unwrap());
    assert_eq!(told, [9, pid.to_string().len() as u64 + 4, 6]);
    let (age, left) = (
        job["age"].as_f64().unwrap(),
        job["deadline"].as_f64().unwrap(),
    );
    assert!(
        age > 0.0 && (age + left - 50.0).abs() < 0.001,
        "{age} {left}"
    );
    // The number is that of the log.
    client.send("0:,");
    client.reply();
    let line = daemon
        .log
        .wait_for("the job", |line| line.contains("head -c 6"));
    assert!(line.contains(&format!("job {}:", job["id"])), "{line}");
    assert_eq!(daemon.jobs().len(), 0);
}

#[test]
fn every_state_has_its_word() {
    let daemon = start(&["-k", "60", "-t", "0"]);
    // Without a request, with a program, with one whose child holds the output, and with
    // one that is asked to end and does not.
    let idle = daemon.connect();
    daemon.wait_jobs("request", 1);
    let mut running = daemon.begin(shell("echo up; exec sleep 1000"));
    running.line();
    let mut draining = daemon.begin(shell("sleep 1000 & echo $!; exit 0"));
    let child = draining.number();
    daemon.wait_jobs("draining", 1);
    let mut stopping = daemon.begin(shell("trap '' TERM; echo $$; exec sleep 1000"));
    let stubborn = stopping.number();
    drop(stopping);
    daemon.wait_jobs("stopping", 1);
    let jobs = daemon.jobs();
    let states: Vec<_> = jobs.iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["request", "running", "draining", "stopping"]);
    assert_eq!(
        (&jobs[0]["pid"], &jobs[0]["argv"], &jobs[0]["title"]),
        (&json!(null), &json!([]), &json!(""))
    );
    assert!(jobs.iter().all(|job| job["deadline"].is_null()), "{jobs:?}");
    assert_eq!(children(daemon.pid()).len(), 3);
    for pid in [child, stubborn] {
        crate::common::process::signal(pid, nix::sys::signal::Signal::SIGKILL);
    }
    drop(idle);
    draining.reply().succeeded();
}

#[test]
fn a_reply_that_is_not_taken_is_a_job() {
    let setup = Setup::new().control();
    let path = setup.directory.join("sockproc");
    let daemon = setup.arguments(["--sockproc".into(), path.clone()]).start();
    let mut client = Client::connect(&path);
    client.send(sockproc::request("head -c 3000000 /dev/zero", b""));
    daemon.wait_jobs("replying", 1);
    let job = &daemon.jobs()[0];
    assert_eq!(
        (&job["protocol"], &job["out"]),
        (&json!("sockproc"), &json!(3_000_000))
    );
    assert_eq!(
        job["argv"],
        json!(["/bin/sh", "-c", "head -c 3000000 /dev/zero"])
    );
    // Another process may have its number by now.
    assert_eq!(job["pid"], json!(null));
    assert_eq!(sockproc::reply(client).stdout.len(), 3_000_000);
    assert_eq!(daemon.jobs().len(), 0);
}

#[test]
fn arguments_are_escaped_and_cut() {
    let daemon = start(&[]);
    let mut client = daemon.begin(crate::common::request(&[
        &b"sh"[..],
        b"-c",
        b"echo up; exec cat",
        b"\x1b[2J\n\xff",
        &[b'x'; 5000],
    ]));
    client.line();
    let jobs = daemon.jobs();
    let title = jobs[0]["title"].as_str().unwrap();
    assert!(
        title.contains("\\x1b[2J\\n\\xff") && title.is_ascii(),
        "{title}"
    );
    assert!(title.len() < 300 && title.ends_with("..."), "{title}");
    let argv = jobs[0]["argv"].as_array().unwrap();
    assert_eq!(
        argv[..4],
        ["sh", "-c", "echo up; exec cat", "\x1b[2J\n\\xff"]
    );
    let cut = argv[4].as_str().unwrap();
    assert!(cut.len() < 256 && cut.trim_end_matches('x').is_empty());
    assert_eq!(jobs[0]["argv-cut"], true);
    client.send("0:,");
    client.reply().succeeded();
}
