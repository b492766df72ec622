//! The values above all rules, those of a rule, and their change by a reload.

use crate::common::{Daemon, Setup, request};
use serde_json::json;

/// What a program that the rule for its name allows shows of its surroundings.
fn seen(daemon: &Daemon, program: &str) -> String {
    let text = daemon.run(&[program, "-c", "printf '%s %s %s ' $A $B $(umask); pwd"]);
    text.succeeded().trim_end().to_owned()
}

const GENERAL: &str =
    "environment = { A = \"a\", B = \"b\" }\numask = \"0027\"\ndirectory = \"/usr\"\n";

#[test]
fn a_rule_wins_over_the_general_values_and_has_them_for_the_rest() {
    let text = format!(
        "{GENERAL}[[allow]]\nprogram = \"/usr/bin/sh\"\numask = \"0077\"\nenvironment = {{ B = \"own\" }}\n\
         [[allow]]\nprogram = \"/usr/bin/bash\"\n"
    );
    let daemon = Setup::new().config(&text).start();
    assert_eq!(seen(&daemon, "sh"), "a own 0077 /usr");
    assert_eq!(seen(&daemon, "bash"), "a b 0027 /usr");
}

#[test]
fn general_values_are_for_a_program_without_a_rule_too() {
    let text = format!(
        "{GENERAL}default = \"allow\"\n[[allow]]\nprogram = \"/usr/bin/true\"\numask = \"0\"\n"
    );
    let daemon = Setup::new().config(&text).start();
    assert_eq!(seen(&daemon, "sh"), "a b 0027 /usr");
}

#[test]
fn a_reload_changes_how_the_next_program_is_executed() {
    let daemon = Setup::new().control().config(GENERAL).start();
    assert_eq!(seen(&daemon, "sh"), "a b 0027 /usr");
    let mut running = daemon.begin(request(&["sh", "-c", "echo up; read word; umask; echo $A"]));
    assert_eq!(running.line(), "up");
    let text = "environment = { A = \"new\", B = \"b\" }\numask = \"0000\"\ndirectory = \"/usr\"\n";
    daemon.directory.file("sockexec.toml", 0o644, text);
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["umask", "environment"]));
    assert_eq!(seen(&daemon, "sh"), "new b 0000 /usr");
    // What runs stays as it is.
    running.send("3:go\n,0:,");
    assert_eq!(running.reply().succeeded(), "0027\na\n");
    // A file with a mistake changes nothing.
    daemon
        .directory
        .file("sockexec.toml", 0o644, "umask = \"0022\"\nnice = 20\n");
    let error = daemon.fails("reload", json!({}));
    assert!(
        error.contains("sockexec.toml:2: nice: not a number from 0 to 19"),
        "{error}"
    );
    assert_eq!(seen(&daemon, "sh"), "new b 0000 /usr");
}
