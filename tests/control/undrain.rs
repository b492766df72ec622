//! `undrain`: a draining server accepts again, as long as a job runs.

use crate::common::{Client, Daemon, End, Setup, shell};
use crate::start;
use nix::sys::signal::Signal;
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// A draining server, and the job that keeps it.
#[track_caller]
fn draining(arguments: &[&str]) -> (Daemon, Client) {
    let daemon = start(&[&["-t", "0"], arguments].concat());
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    daemon.ask("drain", json!({}));
    assert!(Client::try_connect(daemon.path()).is_err());
    (daemon, running)
}

#[test]
fn clients_are_served_again_at_the_same_path_with_the_same_permissions() {
    let (mut daemon, mut running) = draining(&["-M", "640"]);
    assert_eq!(daemon.ask("undrain", json!({})), json!({"active": 1}));
    assert_eq!(daemon.status()["state"], "serving");
    daemon.serves();
    let mode = std::fs::metadata(daemon.path()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
    // Twice is the same as once.
    assert_eq!(daemon.ask("undrain", json!({})), json!({"active": 1}));
    // It does not end with the job that it would have waited for.
    running.send("0:,");
    assert_eq!(running.reply().end, End::Exit(0));
    daemon.serves();
    // And all of that again.
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    daemon.ask("drain", json!({}));
    assert!(Client::try_connect(daemon.path()).is_err());
    daemon.ask("undrain", json!({}));
    daemon.serves();
    daemon.ask("drain", json!({}));
    running.send("0:,");
    assert_eq!(running.reply().end, End::Exit(0));
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.path().exists());
}

#[test]
fn a_server_that_does_not_drain_only_answers() {
    let daemon = start(&[]);
    assert_eq!(daemon.ask("undrain", json!({})), json!({"active": 0}));
    daemon.serves();
}

#[test]
fn a_server_that_stops_does_not_come_back() {
    let (mut daemon, mut running) = draining(&["--stop-grace", "1000"]);
    daemon.signal(Signal::SIGTERM);
    daemon
        .log
        .wait_for("the stop", |line| line.contains("stopping"));
    let error = daemon.fails("undrain", json!({}));
    assert_eq!(
        error,
        "the server stops, and accepts no connection any more"
    );
    running.send("0:,");
    assert_eq!(running.reply().end, End::Exit(0));
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_socket_that_another_server_has_taken_is_left_alone() {
    let (mut daemon, mut running) = draining(&[]);
    let other = UnixListener::bind(daemon.path()).unwrap();
    let error = daemon.fails("undrain", json!({}));
    let path = daemon.path().display().to_string();
    let expected = format!("the server drains on: {path}: a server is listening there");
    assert_eq!(error, expected);
    assert_eq!(daemon.status()["state"], "draining");
    drop(other);
    std::fs::remove_file(daemon.path()).unwrap();
    daemon.ask("undrain", json!({}));
    daemon.serves();
    daemon.ask("drain", json!({}));
    running.send("0:,");
    running.reply();
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn ports_and_several_sockets_come_back() {
    let port = free_port().to_string();
    let setup = Setup::new().control();
    let sockproc = setup.directory.join("sockproc");
    let sockproc = sockproc.to_str().unwrap().to_owned();
    let arguments = ["--sockproc", &sockproc, "--sockproc", &port, "-t", "0"];
    let daemon = setup.arguments(arguments).start();
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let connects = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(connects());
    let before = daemon.status()["listeners"].clone();
    daemon.ask("drain", json!({}));
    assert!(!connects() && Client::try_connect(std::path::Path::new(&sockproc)).is_err());
    assert_eq!(daemon.status()["listeners"].as_array().unwrap().len(), 1);
    daemon.ask("undrain", json!({}));
    assert!(connects() && Client::try_connect(std::path::Path::new(&sockproc)).is_ok());
    assert_eq!(daemon.status()["listeners"], before);
    running.send("0:,");
    running.reply();
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn the_status_of_the_unit_says_it() {
    let (daemon, _running) = draining(&[]);
    let status = |what: &str, text: &str| {
        daemon.notify.wait_for(what, |line| {
            line.strip_prefix("STATUS=")
                .is_some_and(|status| status.starts_with(text))
        });
    };
    status("the drain", "draining: 1 of 100 connections active");
    daemon.ask("undrain", json!({}));
    status("the end of it", "1 of 100 connections active");
    while let Some(lines) = daemon.notify.next(Duration::from_millis(1)) {
        assert!(!lines.contains(&"STOPPING=1".to_owned()), "{lines:?}");
    }
}
