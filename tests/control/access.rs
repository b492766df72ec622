//! Permissions: the server answers root, and its own user.

use crate::common::process::own_user;
use crate::common::user::{NOBODY, as_user};
use crate::common::{Control, Daemon, Setup, skip};
use crate::start;
use serde_json::json;
use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// Lets every user connect, as a careless administrator may.
fn open_to_all(daemon: &Daemon) {
    set_permissions(daemon.control_path(), Permissions::from_mode(0o666)).unwrap();
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let daemon = Setup::new().control().arguments(["--mode", "0666"]).start();
    let mode = metadata(daemon.control_path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let connected = as_user(NOBODY, NOBODY, &[], || {
        std::os::unix::net::UnixStream::connect(daemon.control_path()).map(drop)
    });
    if let Some(connected) = connected {
        let error = connected.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn the_servers_own_user_is_answered() {
    let daemon = start(&[]);
    assert_eq!(daemon.ask("ping", json!({})), "pong");
    assert_eq!(daemon.status()["totals"]["commands"], 2);
}

#[test]
fn others_get_a_failure_and_the_log_a_line() {
    let daemon = start(&[]);
    open_to_all(&daemon);
    let path = daemon.control_path();
    for cmd in ["ping", "status", "drain"] {
        // The connection belongs to the user who made it, whichever process uses it later.
        let Some(mut control) = as_user(NOBODY, NOBODY, &[0], || Control::connect(&path)) else {
            return;
        };
        let error = control.ask(cmd, &json!({})).unwrap_err();
        assert!(error.contains("root"), "{error}");
        control.closed();
    }
    let line = daemon.log.wait_for("the refusal", |line| {
        line.contains(&format!("uid={NOBODY}")) && line.contains("control")
    });
    assert!(line.contains("root"), "{line}");
    // Nothing was done.
    let status = daemon.status();
    assert_eq!(
        (&status["state"], &status["totals"]["commands"]),
        (&json!("serving"), &json!(1))
    );
    daemon.serves();
}

#[test]
fn others_learn_nothing_by_not_asking() {
    let daemon = start(&[]);
    open_to_all(&daemon);
    let path = daemon.control_path();
    let connect = || as_user(NOBODY, NOBODY, &[], || Control::connect(&path));
    let Some(mut silent) = connect() else { return };
    let Some(mut quiet) = connect() else { return };
    quiet.send(crate::common::control::command(
        "drain",
        &json!({}),
        false,
        true,
    ));
    assert!(quiet.response().is_err());
    quiet.closed();
    silent.send("GET / HTTP/1.1\r\n");
    assert!(silent.response().is_err());
    silent.closed();
    assert_eq!(daemon.status()["state"], "serving");
}

#[test]
fn others_who_say_nothing_are_told_at_once_and_keep_nobody_out() {
    let daemon = start(&[]);
    open_to_all(&daemon);
    let path = daemon.control_path();
    let mut strangers = Vec::new();
    // Twice as many as there may be control connections.
    for _ in 0..32 {
        let Some(stranger) = as_user(NOBODY, NOBODY, &[], || Control::connect(&path)) else {
            return;
        };
        strangers.push(stranger);
    }
    assert_eq!(daemon.status()["totals"]["commands"], 1);
    for mut stranger in strangers {
        assert!(stranger.response().unwrap_err().contains("root"));
        stranger.closed();
    }
    let all = daemon.log.wait(|lines| {
        let refusals = lines.iter().filter(|line| line.contains("control is for"));
        (refusals.count() == 32).then_some(())
    });
    assert!(all.is_some(), "{:#?}", daemon.log.all());
}

#[test]
fn a_server_of_somebody_else_answers_that_one_and_root() {
    if !skip::unless_root() {
        return;
    }
    let mut setup = Setup::new();
    // The server makes its sockets itself.
    set_permissions(setup.directory.path(), Permissions::from_mode(0o777)).unwrap();
    setup.command.uid(NOBODY).gid(NOBODY);
    let daemon = setup.control().start();
    open_to_all(&daemon);
    let path = daemon.control_path();
    assert_eq!(daemon.ask("ping", json!({})), "pong");
    for (uid, answered) in [(NOBODY, true), (NOBODY - 1, false), (own_user().0, true)] {
        let mut control = as_user(uid, NOBODY, &[], || Control::connect(&path)).unwrap();
        assert_eq!(control.ask("ping", &json!({})).is_ok(), answered, "{uid}");
    }
}
