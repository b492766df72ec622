//! Reading the configuration again: all of it or nothing, by command and by SIGHUP, and
//! the notifications to the service manager.

use crate::common::{Daemon, End, Setup};
use nix::sys::signal::Signal;
use serde_json::json;

fn start(text: &str, arguments: &[&str]) -> Daemon {
    let setup = Setup::new().control().config(text);
    setup.arguments(arguments).start()
}

/// Writes another configuration and returns its path.
fn write(daemon: &Daemon, text: &str) -> String {
    daemon.directory.file("sockexec.toml", 0o644, text)
}

/// The clock by which a service manager distinguishes reloads.
fn monotonic_usec() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct is ours and lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert_eq!(result, 0);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// Waits for what a service manager must hear of a reload, in this order.
#[track_caller]
fn told(daemon: &Daemon) {
    loop {
        let lines = daemon
            .notify
            .next(crate::common::PATIENCE)
            .expect("a message");
        if !lines.iter().any(|line| line == "RELOADING=1") {
            assert!(!lines.iter().any(|line| line == "READY=1"), "{lines:?}");
            continue;
        }
        let time = lines.iter().find_map(|l| l.strip_prefix("MONOTONIC_USEC="));
        let time: i64 = time.expect("with the time").parse().unwrap();
        let now = monotonic_usec();
        assert!(time <= now && now - time < 30_000_000, "{time} {now}");
        break;
    }
    daemon.notify.wait_for("the end", |line| line == "READY=1");
}

#[test]
fn what_has_changed_is_told_and_holds_for_new_jobs() {
    let daemon = start("timeout = 40\nqueue = 50\n", &[]);
    let mut before = daemon.begin(crate::common::shell("echo up; exec cat"));
    assert_eq!(before.line(), "up");
    let file = write(
        &daemon,
        "timeout = 0.3\ntermsig = \"name\"\nqueue = 60\nmode = \"0600\"\n",
    );
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["file"], file);
    let keys = ["changed", "at-next-start"].map(|key| {
        let mut keys: Vec<_> = answer[key].as_array().unwrap().clone();
        keys.sort_by_key(|key| key.to_string());
        keys
    });
    assert_eq!(keys[0], ["termsig", "timeout"]);
    assert_eq!(keys[1], ["mode", "queue"]);
    told(&daemon);
    assert_eq!(
        daemon.run(&["sleep", "1000"]).end,
        End::Signal("TERM".into())
    );
    assert!(daemon.jobs()[0]["deadline"].as_f64().unwrap() > 30.0);
    before.send("0:,");
    before.reply().succeeded();
    // The same again is no change.
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!([]));
}

#[test]
fn a_signal_does_it_too() {
    let daemon = start("timeout = 40\n", &[]);
    write(&daemon, "timeout = 5\n");
    daemon.signal(Signal::SIGHUP);
    told(&daemon);
    assert_eq!(daemon.status()["limits"]["timeout"], 5.0);
    daemon
        .log
        .wait_for("the change", |line| line.contains("timeout"));
}

#[test]
fn all_is_valid_or_nothing_changes() {
    let text = "timeout = 40\nmax-connections = 3\n[[allow]]\nprogram = \"/usr/bin/\"\n";
    let daemon = start(text, &[]);
    let before = daemon.status()["limits"].clone();
    for (text, line, error) in [
        (
            "timeout = 5\nmax-connections = 0\n",
            2,
            "max-connections: not a number from 1",
        ),
        ("timeout = 5\nlog-level = \"loud\"\n", 2, "log-level"),
        (
            "timeout = 5\n\nno-such-key = 1\n",
            3,
            "no-such-key: not a key",
        ),
        ("timeout = 5\nkill-timeout = \n", 2, ""),
        (
            "timeout = 5\n[[allow]]\nuser = \"no such user\"\n",
            3,
            "no such user",
        ),
        (
            "timeout = 5\n[[allow]]\nprogram = \"/usr/../bin/\"\n",
            3,
            "program",
        ),
    ] {
        let file = write(&daemon, text);
        let place = format!("{file}:{line}: ");
        let answer = daemon.fails("reload", json!({}));
        assert!(
            answer.contains(&place) && answer.contains(error),
            "{answer}"
        );
        told(&daemon);
        daemon.signal(Signal::SIGHUP);
        told(&daemon);
        let count = || {
            let all = daemon.log.all();
            all.iter().filter(|line| line.contains(&place)).count()
        };
        crate::common::process::eventually("both are logged", || count() >= 2);
        assert_eq!(daemon.status()["limits"], before, "{text}");
    }
    daemon.run(&["/etc/passwd"]).refused(126, &["rule"]);
    daemon.serves();
}

#[test]
fn a_file_that_has_gone_changes_nothing() {
    let daemon = start("timeout = 40\n", &[]);
    let path = daemon.directory.join("sockexec.toml");
    std::fs::remove_file(&path).unwrap();
    let error = daemon.fails("reload", json!({}));
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(error.contains("No such file"), "{error}");
    assert_eq!(daemon.status()["limits"]["timeout"], 40.0);
}

#[test]
fn options_win_again() {
    let daemon = start("timeout = 40\n", &["-t", "30"]);
    write(&daemon, "timeout = 5\nkill-timeout = 6\n");
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["kill-timeout"]));
    let limits = daemon.status()["limits"].clone();
    assert_eq!(
        (&limits["timeout"], &limits["kill-timeout"]),
        (&json!(30.0), &json!(6.0))
    );
}

#[test]
fn a_server_that_drains_can_still_be_told() {
    let daemon = start("kill-timeout = 40\n", &[]);
    let mut client = daemon.begin(crate::common::shell("echo up; exec cat"));
    assert_eq!(client.line(), "up");
    let mut control = daemon.control();
    control.ask("drain", &json!({})).unwrap();
    write(&daemon, "kill-timeout = 5\n");
    control.ask("reload", &json!({})).unwrap();
    let status = control.ask("status", &json!({})).unwrap();
    assert!(status.contains("\"kill-timeout\":5.0"), "{status}");
    client.send("0:,");
    client.reply().succeeded();
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn the_status_of_the_unit_has_the_mistake_until_it_is_right() {
    let daemon = start("timeout = 40\n", &[]);
    let status = |what: &str, is_wanted: &dyn Fn(&str) -> bool| {
        let is_wanted = |line: &str| line.strip_prefix("STATUS=").is_some_and(is_wanted);
        daemon.notify.wait_for(what, is_wanted)
    };
    let is_bad = |status: &str| status.starts_with("configuration not read: ");
    let file = write(&daemon, "timeout = 5\nqueue = 0\n");
    daemon.signal(Signal::SIGHUP);
    let told = status("the mistake", &is_bad);
    let mistake = format!("{file}:2: queue: not a number from 1 to 65535; 0 of ");
    assert!(told.contains(&mistake), "{told}");
    // It stays, with the load.
    daemon.serves();
    let stays = |status: &str| is_bad(status) && status.contains(" active, 1 accepted");
    status("the load after it", &stays);
    // Another mistake, by command, which is a client too.
    write(&daemon, "timeout = -1\n");
    daemon.fails("reload", json!({}));
    let other = |status: &str| is_bad(status) && status.contains(":1: timeout");
    status("the other mistake", &other);
    write(&daemon, "timeout = 5\n");
    daemon.signal(Signal::SIGHUP);
    status("the load alone", &|status| status.starts_with("0 of "));
}

#[test]
fn a_fallback_is_used_where_neither_the_file_nor_an_option_has_a_value() {
    let fallback = [
        "--fallback",
        "timeout=30",
        "--fallback",
        "kill-timeout=7",
        "--fallback",
        "request-timeout=3",
        "-k",
        "8",
    ];
    let daemon = start("timeout = 40\n", &fallback);
    let limits = |keys: [&str; 3]| {
        let status = daemon.status();
        keys.map(|key| status["limits"][key].as_f64().unwrap())
    };
    let keys = ["timeout", "kill-timeout", "request-timeout"];
    assert_eq!(limits(keys), [40.0, 8.0, 3.0]);
    write(&daemon, "request-timeout = 2\n");
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"].as_array().unwrap().len(), 2);
    assert_eq!(limits(keys), [30.0, 8.0, 2.0]);
}

#[test]
fn a_fallback_that_is_no_setting_or_has_no_valid_value_is_refused() {
    for (fallback, reason) in [
        ("stop-grace", "not KEY=VALUE"),
        (
            "stop-grce=1",
            "there is no setting \"stop-grce\"; did you mean stop-grace?",
        ),
        ("stop-grace=x", "stop-grace: not a number of seconds"),
    ] {
        let mut command = crate::common::daemon::command(crate::common::daemon::PROGRAM);
        let output = crate::common::daemon::finish(command.args(["--fallback", fallback, "x"]));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(100));
        assert!(error.contains(reason), "{error}");
    }
}
