//! Rules that are replaced while jobs run by them.

use crate::common::{Client, Daemon, Setup, shell};
use crate::{end, held, start};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;
use std::os::unix::fs::symlink;

#[track_caller]
fn reload(daemon: &Daemon, rules: &str) {
    daemon.directory.file("sockexec.toml", 0o644, rules);
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["allow"]));
}

/// A file that confirms that there is no rule any more.
#[track_caller]
fn lift(daemon: &Daemon) {
    daemon
        .directory
        .file("sockexec.toml", 0o644, "default = \"allow\"\n");
    let answer = daemon.ask("reload", json!({}));
    assert_eq!(answer["changed"], json!(["allow", "default"]));
}

fn shells(most: u32) -> String {
    format!("[[allow]]\nprogram = \"/bin/sh\"\nmax-jobs = {most}\n")
}

/// A daemon with these rules and so few descriptors that few programs run at once, and as
/// many jobs as there may be.
fn full(rules: &str) -> (Daemon, Vec<Client>) {
    let daemon = Setup::new()
        .control()
        .config(rules)
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 100, 100)?))
        .start();
    let most = daemon.status()["limits"]["programs"].as_u64().unwrap();
    let jobs = (0..most).map(|_| held(&daemon)).collect();
    (daemon, jobs)
}

#[test]
fn what_runs_goes_on_and_what_comes_is_judged_anew() {
    let daemon = start("[[allow]]\nprogram = \"*\"\n");
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
    lift(&daemon);
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
    lift(&daemon);
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "up\n");
    }
    end(first);
}

#[test]
fn a_rule_that_goes_and_comes_back_still_counts_what_runs_by_it() {
    let daemon = start(&shells(1));
    let first = held(&daemon);
    reload(&daemon, "[[allow]]\nprogram = \"*\"\n");
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

#[test]
fn requests_that_wait_for_their_turn_do_not_keep_the_old_rules() {
    let (daemon, running) = full("[[allow]]\nprogram = \"*\"\ntimeout = 100\n");
    let mark = daemon.directory.join("mark");
    let script = format!("echo >>{}", mark.display());
    let waiting: Vec<_> = (0..5).map(|_| daemon.begin(shell(&script))).collect();
    let allowed = daemon.begin("1:2,4:echo,2:hi,0:,");
    daemon.wait_jobs("waiting", 6);
    reload(&daemon, "[[allow]]\nprogram = \"/usr/bin/echo\"\n");
    // At once, and not when their turn comes.
    for client in waiting {
        client.reply().refused(126, &["sh", "rule"]);
    }
    daemon.wait_jobs("waiting", 1);
    running.into_iter().for_each(end);
    assert_eq!(allowed.reply().succeeded(), "hi\n");
    assert!(!mark.exists());
    assert_eq!(daemon.status()["waiting"], 0);
}

#[test]
fn requests_that_wait_for_their_turn_without_rules_meet_the_first_ones() {
    let (daemon, running) = full("# no rules\n");
    let waiting = daemon.begin(shell("echo never"));
    daemon.wait_jobs("waiting", 1);
    reload(&daemon, "[[allow]]\nprogram = \"/usr/bin/echo\"\n");
    waiting.reply().refused(126, &["sh", "rule"]);
    running.into_iter().for_each(end);
}

#[test]
fn requests_that_wait_for_their_turn_count_for_the_new_rule_alone() {
    let (daemon, mut running) = full("timeout = 1000\n[[allow]]\nprogram = \"*\"\ntimeout = 500\n");
    let count = running.len();
    let waiting: Vec<_> = (0..3).map(|_| daemon.begin(shell("exec cat"))).collect();
    daemon.wait_jobs("waiting", 3);
    let left = || daemon.jobs()[count]["deadline"].as_f64().unwrap();
    assert!(left() < 600.0);
    // Those that run are another rule's, and one at a time may run by this one.
    reload(&daemon, &format!("timeout = 1000\n{}", shells(1)));
    daemon.wait_jobs("waiting", 3);
    assert!(left() > 900.0, "{}", left());
    end(running.pop().unwrap());
    if count > 1 {
        end(running.pop().unwrap());
    }
    daemon.wait_jobs("waiting", 2);
    running.into_iter().for_each(end);
    for client in waiting {
        end(client);
    }
    assert_eq!(daemon.status()["waiting"], 0);
}

#[test]
fn one_who_is_parked_is_judged_by_the_new_rules() {
    let daemon =
        start("user-share = 50\nmax-connections = 2\n[[allow]]\nprogram = \"*\"\ntimeout = 100\n");
    let first = held(&daemon);
    let parked = daemon.begin(shell("echo never"));
    daemon.wait_jobs("parked", 1);
    reload(
        &daemon,
        "user-share = 50\nmax-connections = 2\n[[allow]]\nprogram = \"/usr/bin/echo\"\n",
    );
    end(first);
    parked.reply().refused(126, &["sh", "rule"]);
}

#[test]
fn a_link_in_path_that_leads_elsewhere_is_looked_up_anew() {
    let setup = Setup::new().control();
    let root = setup.directory.path().to_owned();
    for version in ["v1", "v2"] {
        std::fs::create_dir_all(root.join(version).join("bin")).unwrap();
        let name = format!("{version}/bin/job");
        let text = format!("#!/bin/sh\necho {version} $0\n");
        setup.directory.file(&name, 0o755, text);
    }
    symlink("v1", root.join("current")).unwrap();
    let root = root.to_str().unwrap();
    let daemon = setup
        .env("PATH", format!("{root}/current/bin:/usr/bin:/bin"))
        .config(&format!(
            "[[allow]]\nprogram = \"{root}/current/bin/job\"\n"
        ))
        .start();
    let names = ["job", &format!("{root}/current/bin/job")];
    for name in names {
        let out = daemon.run(&[name]).succeeded();
        assert_eq!(out, format!("v1 {root}/v1/bin/job\n"));
    }
    // As a deployment does it.
    symlink("v2", format!("{root}/new")).unwrap();
    std::fs::rename(format!("{root}/new"), format!("{root}/current")).unwrap();
    assert_eq!(daemon.ask("reload", json!({}))["changed"], json!(["allow"]));
    for name in names {
        let out = daemon.run(&[name]).succeeded();
        assert_eq!(out, format!("v2 {root}/v2/bin/job\n"));
    }
    let old = format!("{root}/v1/bin/job");
    daemon.run(&[&old]).refused(126, &["rule"]);
}

#[test]
fn a_rule_that_is_never_reached_is_reported_at_the_start_and_after_a_reload() {
    let rule = |name: &str, program: &str| {
        format!("[[allow]]\nname = \"{name}\"\nprogram = \"{program}\"\n")
    };
    let file = |last: &str| rule("wide", "/usr/bin/") + &rule(last, "/usr/bin/id");
    let daemon = start(&file("first"));
    let hidden = "is never reached: rule 1 (wide) matches every request that it matches";
    let warning = |name: &str| format!("rule 2 ({name}) {hidden}");
    let wait_for = |name: &str| {
        let warning = warning(name);
        daemon
            .log
            .wait_for("a warning", move |line| line.contains(&warning))
    };
    wait_for("first");
    reload(&daemon, &file("second"));
    wait_for("second");
}
