//! The decision about requests that no rule matches, and its log lines: an empty or cut-off file
//! does not silently allow everything.

use crate::common::{Daemon, Setup, skip};
use crate::start;
use serde_json::json;
use std::path::Path;

/// Waits for the line with the rules in force.
#[track_caller]
fn says(daemon: &Daemon, warns: bool, text: &str) {
    let line = daemon.log.wait_for(text, |line| line.contains(text));
    assert_eq!(line.contains("warning"), warns, "{line}");
}

const ECHO: &str = "[[allow]]\nprogram = \"/usr/bin/echo\"\nmax-jobs = 1\n";

#[test]
fn how_many_rules_hold_is_logged_at_the_start_and_at_a_reload() {
    let daemon = start(ECHO);
    says(&daemon, false, "1 rule; any other request is refused");
    let file = |text: &str| daemon.directory.file("sockexec.toml", 0o644, text);
    file(&ECHO.repeat(2));
    daemon.ask("reload", json!({}));
    says(&daemon, false, "2 rules; any other request is refused");
    file("default = \"allow\"\n");
    daemon.ask("reload", json!({}));
    says(
        &daemon,
        false,
        "no rules: any client that can connect may run anything",
    );
}

#[test]
fn that_there_are_no_rules_is_a_warning() {
    for text in ["# nothing but a comment\n", "timeout = 5\n"] {
        let daemon = Setup::new().config(text).start();
        says(
            &daemon,
            true,
            "no rules: any client that can connect may run anything",
        );
    }
    let daemon = Setup::new().start();
    says(
        &daemon,
        true,
        "no rules: any client that can connect may run anything",
    );
}

#[test]
fn a_file_that_was_emptied_or_cut_off_does_not_lift_the_rules() {
    let daemon = start(&format!("timeout = 50\n{ECHO}"));
    for text in ["", "\n \n", "# all gone\n", "timeout = 5\n", "[[allow]]\n"] {
        daemon.directory.file("sockexec.toml", 0o644, text);
        let error = daemon.fails("reload", json!({}));
        assert!(error.contains("sockexec.toml"), "{error}");
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        daemon.run(&["id"]).refused(126, &["rule"]);
        assert_eq!(daemon.status()["limits"]["timeout"], 50.0, "{text:?}");
    }
    daemon.directory.file("sockexec.toml", 0o644, "# gone\n");
    let error = daemon.fails("reload", json!({}));
    assert!(
        error.contains("no rule any more") && error.contains("default = \"allow\""),
        "{error}"
    );
    // An administrator can confirm it, and may then remove the line.
    for text in ["default = \"allow\"\n", "# gone\n"] {
        daemon.directory.file("sockexec.toml", 0o644, text);
        daemon.ask("reload", json!({}));
        daemon.run(&["id"]).succeeded();
    }
}

#[test]
fn a_default_decides_what_no_rule_matches() {
    let daemon = start(&format!("default = \"allow\"\n{ECHO}"));
    says(&daemon, false, "1 rule; any other request is allowed");
    daemon.run(&["id"]).succeeded();
    daemon
        .run(&["no-such-program"])
        .refused(127, &["No such file"]);
    // A name that could be another one for what the rule is about.
    daemon
        .run(&["/usr/bin/../bin/echo"])
        .refused(126, &["\"..\""]);
    let daemon = start(&format!("default = \"deny\"\n{ECHO}"));
    daemon.run(&["echo", "hi"]).succeeded();
    daemon.run(&["id"]).refused(126, &["rule"]);
    let daemon = start("default = \"deny\"\n");
    says(
        &daemon,
        false,
        "no rules, and the default is to deny: no program may run",
    );
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
}

#[test]
fn what_is_allowed_by_default_is_the_program_that_was_looked_up() {
    let Some(echo) = skip::unless_tool("readlink") else {
        return;
    };
    let daemon = start(&format!("default = \"allow\"\n{ECHO}"));
    let out = daemon.run(&["readlink", "/proc/self/exe"]).succeeded();
    let real = std::fs::canonicalize(Path::new(&echo)).unwrap();
    assert_eq!(Path::new(out.trim_end()), real);
}

#[test]
fn a_star_is_every_program() {
    let (uid, _) = crate::common::process::own_user();
    let daemon = start(&format!("[[allow]]\nuser = {uid}\nprogram = \"*\"\n"));
    assert_eq!(daemon.run(&["echo", "hi"]).succeeded(), "hi\n");
    let daemon = start(&format!("[[allow]]\nuser = {}\nprogram = \"*\"\n", uid + 1));
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
}
