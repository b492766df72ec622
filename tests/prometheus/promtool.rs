//! promtool: it accepts the examples, its tests of the alert rules pass, and it reads the figures.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{Setup, skip};
use crate::examples;
use crate::exporter::Exporter;

fn promtool() -> Option<PathBuf> {
    skip::unless_tool("promtool")
}

#[test]
fn the_examples_are_valid_and_their_tests_pass() {
    let Some(promtool) = promtool() else { return };
    for (action, file) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "sockexec.rules.yml"),
        (["test", "rules"], "sockexec.test.yml"),
    ] {
        let mut command = Command::new(&promtool);
        command.current_dir(examples::path("prometheus"));
        let output = command.args(action).arg(file).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            output.status.success() && text.contains("SUCCESS"),
            "{file}: {text}"
        );
    }
}

#[test]
fn the_figures_of_a_server_and_of_all_are_read_by_the_real_parser() {
    let Some(promtool) = promtool() else { return };
    let rule = "[[allow]]\nname = \"a\\\\b'c\"\nprogram = \"/usr/bin/\"\nmax-jobs = 3\n";
    let daemon = Setup::new().control().config(rule).start();
    daemon.run(&["true"]);
    let exporter = Exporter::of(&daemon.control_path(), "20");
    let one = daemon
        .control()
        .ask("metrics", &serde_json::json!({}))
        .unwrap();
    for text in [one, exporter.figures()] {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let complaints = [output.stdout, output.stderr].concat();
        let complaints = String::from_utf8_lossy(&complaints);
        // 3 would be a name against the conventions.
        assert_eq!((output.status.code(), &complaints[..]), (Some(0), ""));
    }
}
