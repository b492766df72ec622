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
        line.contains("running") && line.contains(" rule=2 ")
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
fn a_rule_with_a_name_is_its_name_everywhere() {
    let rules = "[[allow]]\nname = \"in-front\"\nprogram = \"/usr/bin/sh\"\nmax-jobs = 1\n\
                 [[allow]]\nname = \"wrong\"\nprogram = \"/usr/bin/true\"\n\
                 run-prefix = [\"/nonexistent/nice\"]\n";
    let daemon = start(rules);
    let client = held(&daemon);
    let waiting = daemon.begin(crate::common::shell("exit 0"));
    daemon.wait_jobs("waiting", 1);
    let jobs = daemon.jobs();
    assert!(jobs.iter().all(|job| job["rule"] == "in-front"), "{jobs:?}");
    daemon.run(&["true"]).refused(126, &["(rule wrong)"]);
    let metrics = daemon
        .control()
        .ask("metrics", &serde_json::json!({}))
        .unwrap();
    for line in [
        "sockexec_rule_programs_running{rule=\"in-front\"} 1\n",
        "sockexec_rule_requests_waiting{rule=\"in-front\"} 1\n",
        "sockexec_rule_requests_total{rule=\"wrong\",outcome=\"not-started\"} 1\n",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    end(client);
    waiting.reply().succeeded();
    let line = |what: &'static str| move |line: &str| line.contains(what);
    daemon
        .log
        .wait_for("its line", line(" rule=in-front program="));
    daemon
        .log
        .wait_for("its line", line(" rule=wrong program="));
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
        line.contains("refused") && line.contains(" rule=1 program=0 ") && line.contains("/no/a=b")
    });
}
