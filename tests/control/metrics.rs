//! `metrics`: text that Prometheus reads, with the figures of `status`.

use crate::common::reply::End;
use crate::common::{Daemon, Setup, shell};
use crate::exposition::{Metric, read, value};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

fn metrics(daemon: &Daemon) -> Vec<Metric> {
    let text = daemon.control().ask("metrics", &json!({})).unwrap();
    let all = read(&text);
    // Only figures of servers that contradict each other have no type.
    assert!(all.iter().all(|metric| metric.kind != "untyped"));
    all
}

#[test]
fn the_text_is_as_it_must_be_before_any_job() {
    let all = metrics(&crate::start(&[]));
    assert!(all.len() > 15, "{all:?}");
    for metric in &all {
        let own = metric.name.starts_with("sockexec_");
        assert!(own || metric.name.starts_with("process_"), "{metric:?}");
    }
    let version = Some(("version", env!("CARGO_PKG_VERSION")));
    assert_eq!(value(&all, "sockexec_build_info", version), 1.0);
    let zero = Some(("outcome", "exit-zero"));
    assert_eq!(value(&all, "sockexec_requests_total", zero), 0.0);
    // Prometheus sees no increase in a counter that appears with its first event.
    for (name, label, of) in [
        ("sockexec_spawn_failures_total", "reason", "EAGAIN"),
        ("sockexec_spawn_failures_total", "reason", "not-in-time"),
        ("sockexec_limits_struck_total", "limit", "memory-max"),
    ] {
        assert_eq!(value(&all, name, Some((label, of))), 0.0);
    }
}

#[test]
fn the_figures_are_those_of_status() {
    let setup = Setup::new().control();
    let plain = setup.directory.file("plain", 0o644, "");
    let daemon = setup.arguments(["-m", "8"]).start();
    daemon.serves();
    daemon.shell("exit 9");
    daemon.shell("kill -HUP $$");
    daemon.run(&["/no/such/program"]).refused(127, &[]);
    daemon.run(&[&plain]).refused(126, &[]);
    let mut running = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(running.line(), "up");
    let (all, status) = (metrics(&daemon), daemon.status());
    for (name, count) in status["outcomes"].as_object().unwrap() {
        let told = value(&all, "sockexec_requests_total", Some(("outcome", name)));
        assert_eq!(Some(told), count.as_f64(), "{name}");
    }
    for reason in ["ENOENT", "EACCES"] {
        let label = Some(("reason", reason));
        assert_eq!(value(&all, "sockexec_spawn_failures_total", label), 1.0);
    }
    for (name, wanted) in [
        ("connections_active", &status["active"]),
        ("connections_max", &status["limits"]["max-connections"]),
        ("connections_parked", &status["parked"]),
        ("connections_control", &json!(1)),
        ("requests_parked", &status["throttled"]),
        ("requests_waiting", &status["waiting"]),
        ("programs_running", &status["programs"]),
        ("programs_max", &status["limits"]["programs"]),
        ("connections_accepted_total", &status["totals"]["accepted"]),
        ("input_bytes_total", &status["totals"]["bytes-in"]),
        ("output_bytes_total", &status["totals"]["bytes-out"]),
        ("requests_throttled_total", &status["totals"]["throttled"]),
        ("log_lines_lost_total", &status["totals"]["log-lines-lost"]),
        ("descriptors_max", &status["descriptors"]["limit"]),
        ("job_seconds_count", &status["duration"]["count"]),
        ("first_byte_seconds_count", &status["first-byte"]["count"]),
    ] {
        let told = value(&all, &format!("sockexec_{name}"), None);
        assert_eq!(Some(told), wanted.as_f64(), "{name}");
    }
    assert_eq!(value(&all, "sockexec_connections_active", None), 1.0);
    running.send("0:,");
    running.reply().succeeded();
}

#[test]
fn the_process_has_the_figures_that_all_processes_have() {
    let daemon = crate::start(&[]);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    daemon.serves();
    let (all, status) = (metrics(&daemon), daemon.status());
    let figure = |name: &str| value(&all, &format!("process_{name}"), None);
    assert!(figure("cpu_seconds_total") > 0.0);
    let memory = figure("resident_memory_bytes");
    assert!(memory > 500_000.0 && figure("virtual_memory_bytes") > memory);
    let fds = figure("open_fds");
    assert!(fds > 3.0 && fds <= figure("max_fds"), "{fds}");
    assert_eq!(
        Some(figure("max_fds")),
        status["descriptors"]["limit"].as_f64()
    );
    let start = figure("start_time_seconds");
    assert!((start - since.as_secs_f64()).abs() < 60.0, "{start}");
    // The same each time: a change means a restart.
    let again = metrics(&daemon);
    assert_eq!(value(&again, "process_start_time_seconds", None), start);
    assert!(value(&again, "process_cpu_seconds_total", None) >= figure("cpu_seconds_total"));
}

#[test]
fn they_show_whether_the_file_could_be_read() {
    let daemon = Setup::new().control().config("timeout = 9\n").start();
    let write = |text: &str| daemon.directory.file("sockexec.toml", 0o644, text);
    let last = || {
        let all = metrics(&daemon);
        ["successful", "success_timestamp_seconds"]
            .map(|name| value(&all, &format!("sockexec_config_last_reload_{name}"), None))
    };
    let [successful, start] = last();
    assert_eq!(successful, 1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!((now.as_secs_f64() - start).abs() < 60.0, "{start}");
    write("timeout = \"nonsense\"\n");
    daemon.fails("reload", json!({}));
    assert_eq!(last(), [0.0, start]);
    write("timeout = 8\n");
    daemon.signal(Signal::SIGHUP);
    daemon
        .log
        .wait_for("the reload", |line| line.contains("read again"));
    let [successful, second] = last();
    assert!(successful == 1.0 && second > start);
    write("nonsense");
    daemon.signal(Signal::SIGHUP);
    daemon.log.wait_for("the failure", |line| {
        line.contains("not changed: ") && line.contains(":1:")
    });
    assert_eq!(last(), [0.0, second]);
    // That changes nothing about the file.
    daemon.ask("set", json!({"timeout": 7}));
    assert_eq!(last(), [0.0, second]);
    write("timeout = 8\n");
    daemon.ask("reload", json!({}));
    assert_eq!(last()[0], 1.0);
}

#[test]
fn a_refusal_counts_for_the_rule_that_allows_other_arguments() {
    let rules = "[[allow]]\nname = \"greet\"\nprogram = \"/usr/bin/echo\"\narguments = [[\"hello\"]]\n\
                 [[allow]]\nname = \"second\"\nprogram = \"/usr/bin/echo\"\narguments = [[\"hi\"]]\n";
    let daemon = Setup::new().control().config(rules).start();
    daemon.run(&["echo", "hi"]).succeeded();
    daemon.run(&["echo", "ho"]).refused(126, &[]);
    daemon.run(&["id"]).refused(126, &[]);
    let all = metrics(&daemon);
    let of_rule = |rule: &str, outcome: &str| {
        let mut samples = all.iter().flat_map(|metric| &metric.samples);
        let wanted = [("rule", rule), ("outcome", outcome)];
        let found = samples.find(|(name, labels, _)| {
            name == "sockexec_rule_requests_total"
                && wanted.iter().all(|(label, value)| labels[*label] == *value)
        });
        found.unwrap().2
    };
    assert_eq!(of_rule("greet", "refused"), 1.0);
    assert_eq!(of_rule("second", "refused"), 0.0);
    assert_eq!(of_rule("second", "exit-zero"), 1.0);
    let refused = Some(("outcome", "refused"));
    assert_eq!(value(&all, "sockexec_requests_total", refused), 2.0);
}

#[test]
fn histograms_have_each_job_in_its_place() {
    let daemon = crate::start(&[]);
    daemon.run(&["sleep", "0.6"]).succeeded();
    let all = metrics(&daemon);
    let within = |bound: &str| value(&all, "sockexec_job_seconds_bucket", Some(("le", bound)));
    assert_eq!(
        (within("0.5"), within("60"), within("300"), within("+Inf")),
        (0.0, 1.0, 1.0, 1.0)
    );
    let sum = value(&all, "sockexec_job_seconds_sum", None);
    assert!((0.6..60.0).contains(&sum), "{sum}");
    // It wrote nothing.
    assert_eq!(value(&all, "sockexec_first_byte_seconds_count", None), 0.0);
    daemon.serves();
    let all = metrics(&daemon);
    assert_eq!(value(&all, "sockexec_first_byte_seconds_count", None), 1.0);
    assert_eq!(value(&all, "sockexec_job_seconds_count", None), 2.0);
}

#[test]
fn each_rule_has_its_figures() {
    let rules = "[[allow]]\nprogram = \"/usr/bin/true\"\n[[allow]]\nprogram = \"/usr/bin/sh\"\n\
                 max-jobs = 1\n";
    let daemon = Setup::new().control().config(rules).start();
    let figures = |name: &str| -> Vec<(String, f64)> {
        let name = format!("sockexec_rule_{name}");
        let all = metrics(&daemon);
        let metric = all.into_iter().find(|metric| metric.name == name);
        let samples = metric.expect(&name).samples.into_iter();
        let samples = samples.map(|(_, labels, value)| {
            let labels: Vec<_> = labels.into_values().collect();
            (labels.join(" "), value)
        });
        samples.filter(|(_, value)| *value > 0.0).collect()
    };
    let pair = |label: &str| (label.to_owned(), 1.0);
    assert_eq!(figures("programs_max"), [pair("2")]);
    assert_eq!(figures("programs_running"), []);
    let mut client = daemon.begin(shell("echo up; exec cat"));
    assert_eq!(client.line(), "up");
    let waiting = daemon.begin(shell("exit 3"));
    daemon.wait_jobs("waiting", 1);
    assert_eq!(figures("programs_running"), [pair("2")]);
    assert_eq!(figures("requests_waiting"), [pair("2")]);
    daemon.run(&["true"]).succeeded();
    daemon.run(&["id"]).refused(126, &[]);
    client.send("0:,");
    client.reply().succeeded();
    assert_eq!(waiting.reply().end, End::Exit(3));
    // Labels in the order of their names: the outcome, then the rule.
    let ended = ["exit-zero 1", "exit-zero 2", "exit-nonzero 2"].map(pair);
    assert_eq!(figures("requests_total"), ended);
}
