//! The rule that decided, in the log, in `jobs`, and in refusals.

use nix::sys::signal::Signal;

use crate::{end, held, start};

#[test]
fn a_rule_without_a_name_is_its_number() {
    let daemon = start(
        "[[allow]]\nprogram = \"/usr/bin/true\"\n[[allow]]\nprogram = [\"/usr/bin/sh\", \
         \"/usr/bin/echo\"]\n",
    );
    let client = held(&daemon);
    assert_eq!(daemon.jobs()[0]["rule"], "2");
    daemon.signal(Signal::SIGUSR1);
    daemon.log.wait_for("its line", |line| {
        line.contains("running") && line.contains(" rule=2 argv=sh")
    });
    end(client);
    daemon.run(&["true"]).succeeded();
    for (program, field) in [
        ("argv=sh", " rule=2 program="),
        ("argv=true", " rule=1 program="),
    ] {
        daemon.log.wait_for("its line", |line| {
            line.contains(program) && line.contains(field)
        });
    }
}

#[test]
fn a_job_without_a_rule_has_none() {
    let daemon = start("default = \"allow\"\n[[allow]]\nprogram = \"/usr/bin/true\"\n");
    let client = held(&daemon);
    assert_eq!(daemon.jobs()[0]["rule"], serde_json::json!(null));
    end(client);
    let line = daemon
        .log
        .wait_for("its line", |line| line.contains("argv=sh"));
    assert!(!line.contains(" rule="), "{line}");
}

#[test]
fn a_refusal_under_a_rule_has_it_in_its_line() {
    let daemon = start("[[allow]]\nprogram = \"*\"\nrun-prefix = [\"nice\"]\n");
    daemon
        .run(&["/no/a=b"])
        .refused(126, &["run-prefix of rule 1"]);
    daemon.log.wait_for("its line", |line| {
        line.contains("refused") && line.contains(" rule=1 program=0 argv=/no/a=b")
    });
}
