//! Rules that are replaced while jobs run by them.

use crate::common::{Daemon, shell};
use crate::{end, held, start};
use serde_json::json;

#[track_caller]
fn reload(daemon: &Daemon, rules: &str) {
    daemon.directory.file("sockexec.toml", 0o644, rules);
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["allow"]));
}

fn shells(most: u32) -> String {
    format!("[[allow]]\nprogram = \"/bin/sh\"\nmax-jobs = {most}\n")
}

#[test]
fn what_runs_goes_on_and_what_comes_is_judged_anew() {
    let daemon = start("[[allow]]\n");
    let running = held(&daemon);
    let begun = daemon.begin("1:2,4:echo,");
    daemon.wait_jobs("request", 1);
    reload(&daemon, "[[allow]]\nprogram = \"/usr/bin/true\"\n");
    daemon.run(&["echo", "hi"]).refused(126, &["rule"]);
    // Half a request is none yet.
    let mut begun = begun;
    begun.send("2:hi,0:,");
    begun.reply().refused(126, &["rule"]);
    daemon.run(&["true"]).succeeded();
    end(running);
    // No rule is none at all.
    reload(&daemon, "");
    assert_eq!(daemon.run(&["echo", "hi"]).succeeded(), "hi\n");
}

#[test]
fn more_jobs_let_those_go_who_wait() {
    let daemon = start(&shells(1));
    let first = held(&daemon);
    let all: Vec<_> = (0..2).map(|_| daemon.begin(shell("exec cat"))).collect();
    daemon.wait_jobs("waiting", 2);
    reload(&daemon, &shells(2));
    daemon.wait_jobs("waiting", 1);
    reload(&daemon, &shells(3));
    daemon.wait_jobs("running", 3);
    for client in all {
        end(client);
    }
    end(first);
}

#[test]
fn fewer_jobs_count_those_that_run_already() {
    let daemon = start(&shells(3));
    let mut all: Vec<_> = (0..3).map(|_| held(&daemon)).collect();
    reload(&daemon, &shells(1));
    let late = daemon.begin(shell("echo late"));
    for _ in 0..2 {
        daemon.wait_jobs("waiting", 1);
        end(all.pop().unwrap());
    }
    daemon.wait_jobs("waiting", 1);
    daemon.wait_jobs("running", 1);
    end(all.pop().unwrap());
    assert_eq!(late.reply().succeeded(), "late\n");
    // The count is right again.
    let only = held(&daemon);
    let second = daemon.begin(shell("exec cat"));
    daemon.wait_jobs("waiting", 1);
    end(only);
    end(second);
}

#[test]
fn one_who_waits_may_be_refused_by_the_new_rules() {
    let daemon = start(&shells(1));
    let first = held(&daemon);
    let waiting = daemon.begin(shell("echo never"));
    daemon.wait_jobs("waiting", 1);
    reload(&daemon, "[[allow]]\nprogram = \"/usr/bin/true\"\n");
    waiting.reply().refused(126, &["sh", "rule"]);
    end(first);
}

#[test]
fn a_limit_that_is_lifted_lets_all_go() {
    let daemon = start(&shells(1));
    let first = held(&daemon);
    let waiting: Vec<_> = (0..3).map(|_| daemon.begin(shell("echo up"))).collect();
    daemon.wait_jobs("waiting", 3);
    reload(&daemon, "");
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "up\n");
    }
    end(first);
}

#[test]
fn a_rule_that_goes_and_comes_back_still_counts_what_runs_by_it() {
    let daemon = start(&shells(1));
    let first = held(&daemon);
    reload(&daemon, "[[allow]]\n");
    reload(&daemon, &shells(1));
    let second = daemon.begin(shell("exec cat"));
    daemon.wait_jobs("waiting", 1);
    end(first);
    daemon.wait_jobs("running", 1);
    end(second);
}

#[test]
fn one_who_waits_has_the_timeout_of_the_new_rule() {
    let daemon = start(&format!("timeout = 1000\n{}timeout = 500\n", shells(1)));
    let first = held(&daemon);
    let waiting = daemon.begin(shell("exec cat"));
    daemon.wait_jobs("waiting", 1);
    let left = || daemon.jobs()[1]["deadline"].as_f64().unwrap();
    assert!(left() < 600.0);
    reload(&daemon, &format!("timeout = 1000\n{}", shells(1)));
    assert!(left() > 900.0, "{}", left());
    end(first);
    end(waiting);
}
