//! Cgroups are kept for the next job, and none is left behind.

use std::fs;

use serde_json::json;

use crate::cgroup::Directory;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use crate::common::{End, shell};

#[test]
fn jobs_one_after_another_share_one() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let own = "grep '^0::' /proc/self/cgroup";
    let first = daemon.shell(own).stdout;
    let text = String::from_utf8_lossy(&first).into_owned();
    let name = directory.path().file_name().unwrap().to_string_lossy();
    assert!(text.contains(&format!("/{name}/job-")), "{text}");
    for _ in 0..20 {
        assert_eq!(daemon.shell(own).stdout, first);
    }
    assert_eq!(directory.jobs().len(), 1);
}

#[test]
fn jobs_at_once_have_one_each_and_what_is_kept_is_removed_at_the_end() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = directory.contained();
    let mut before = Vec::new();
    for _ in 0..2 {
        let mut clients: Vec<_> = (0..80)
            .map(|_| daemon.begin(shell("echo up; cat")))
            .collect();
        for client in &mut clients {
            assert_eq!(client.line(), "up");
        }
        let mut jobs = directory.jobs();
        jobs.sort();
        assert_eq!(jobs.len(), 80);
        for client in clients {
            client.end();
            assert_eq!(client.reply().end, End::Exit(0));
        }
        // As many are kept as there were at once, for the next.
        assert!(before.is_empty() || before == jobs);
        before = jobs;
    }
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert!(directory.jobs().is_empty());
}

#[test]
fn a_thousand_jobs_leave_no_descriptors() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let open = || {
        fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    daemon.serves();
    let before = open();
    for _ in 0..1000 {
        daemon.run(&["true"]);
    }
    assert!(open() <= before + 2, "{} {before}", open());
    assert_eq!(directory.jobs().len(), 1);
}

#[test]
fn the_cpu_time_is_that_of_all_processes_and_of_this_job_alone() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let busy = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
    // Nothing waits for the one that works.
    daemon.shell(&format!(
        "(setsid sh -c '{busy}; echo done' &) | cat; : marker-busy"
    ));
    daemon.shell(": marker-idle");
    let user = |word: &str| {
        let line = daemon.log.wait_for(word, |line| line.contains(word));
        let mut words = line.split(' ');
        let field = words.find_map(|word| word.strip_prefix("utime=")?.parse::<f64>().ok());
        field.unwrap_or_else(|| panic!("{line}"))
    };
    let (busy, idle) = (user("marker-busy"), user("marker-idle"));
    assert!(busy > 0.01 && idle < busy / 2.0, "{busy} {idle}");
}

#[test]
fn what_a_killed_server_has_left_is_removed_at_the_next_start() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = directory.contained();
    let script = "setsid sh -c 'echo up; exec sleep 1000'";
    let mut client = daemon.begin(shell(script));
    assert_eq!(client.line(), "up");
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    assert!(!directory.processes().is_empty());
    let second = directory.contained();
    directory.wait_empty();
    second
        .log
        .wait_for("the removal", |line| line.contains("of an earlier server"));
    second.serves();
}

#[test]
fn more_cgroups_than_descriptors_do_not_keep_a_server_from_its_start() {
    let Some(directory) = Directory::new() else {
        return;
    };
    for number in 0..300 {
        fs::create_dir(directory.path().join(format!("job-{number}"))).unwrap();
    }
    let limit = || Ok(setrlimit(Resource::RLIMIT_NOFILE, 600, 600)?);
    let daemon = directory
        .setup("contain = true\n")
        .before_exec(limit)
        .start();
    daemon.serves();
    assert_eq!(directory.jobs().len(), 1);
}

#[test]
fn none_are_kept_when_jobs_have_none_any_more() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = "# A line.\ncontain = true\n";
    let daemon = directory.setup(config).start();
    let mut client = daemon.begin(shell("echo up; cat"));
    assert_eq!(client.line(), "up");
    daemon.serves();
    directory.wait(|directory| directory.jobs().len() == 2);
    for (text, left) in [("contain = false\n", 1), (config, 2)] {
        fs::write(daemon.directory.join("sockexec.toml"), text).unwrap();
        daemon.ask("reload", json!({}));
        daemon.serves();
        assert_eq!(directory.jobs().len(), left, "{text}");
    }
    fs::write(daemon.directory.join("sockexec.toml"), "# Nothing.\n").unwrap();
    daemon.ask("reload", json!({}));
    client.end();
    assert_eq!(client.reply().end, End::Exit(0));
    directory.wait(|directory| directory.jobs().is_empty());
}

#[test]
fn a_reload_that_is_refused_leaves_the_kept_ones() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let config = "contain = true\n[[allow]]\nprogram = \"*\"\n";
    let daemon = directory.setup(config).start();
    let own = "grep '^0::' /proc/self/cgroup";
    let first = daemon.shell(own).stdout;
    // Without a rule, and without a default that says so.
    fs::write(daemon.directory.join("sockexec.toml"), "# Nothing.\n").unwrap();
    let error = daemon.fails("reload", json!({}));
    assert!(error.contains("there is no rule any more"), "{error}");
    assert_eq!(daemon.shell(own).stdout, first);
}
