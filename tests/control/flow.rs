//! The totals of bytes count while programs run, each byte once, and never go backwards.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::common::process::{eventually, wait_gone};
use crate::common::{Client, Daemon, Setup, shell, sockproc};
use crate::exposition::{read, value};

/// Bytes in, and bytes out.
fn totals(daemon: &Daemon) -> [u64; 2] {
    let totals = &daemon.status()["totals"];
    ["bytes-in", "bytes-out"].map(|name| totals[name].as_u64().unwrap())
}

fn totals_of_metrics(daemon: &Daemon) -> [f64; 2] {
    let all = read(&daemon.control().ask("metrics", &json!({})).unwrap());
    ["input", "output"].map(|name| value(&all, &format!("sockexec_{name}_bytes_total"), None))
}

/// Reads output until there were `count` bytes.
fn take(client: &mut Client, count: usize) {
    let mut taken = 0;
    while taken < count {
        taken += client.pair().1.len();
    }
}

#[test]
fn the_totals_rise_while_programs_write_on_and_on() {
    let daemon = crate::start(&[]);
    let mut clients: Vec<_> = (0..3)
        .map(|_| daemon.begin(shell("exec yes sockexec")))
        .collect();
    let mut last = 0;
    for round in 1..=20 {
        for client in &mut clients {
            take(client, 50_000);
        }
        let [_, out] = totals(&daemon);
        // The clients have got these bytes, and all of them are in the totals.
        assert!(out >= 3 * 50_000 * round && out >= last, "{last} {out}");
        let [_, metric] = totals_of_metrics(&daemon);
        assert!(metric >= out as f64, "{out} {metric}");
        last = metric as u64;
    }
    assert_eq!(daemon.jobs().len(), 3, "no job has ended");
    let jobs: u64 = daemon
        .jobs()
        .iter()
        .map(|job| job["out"].as_u64().unwrap())
        .sum();
    assert!(jobs >= last && jobs <= totals(&daemon)[1]);
}

#[test]
fn the_bytes_of_a_running_program_are_exact_and_stay_when_it_ends() {
    let daemon = crate::start(&[]);
    let script =
        "head -c 100000 /dev/zero; head -c 300 /dev/zero >&2; head -c 5000 >/dev/null; exec cat";
    let mut client = daemon.begin(shell(script));
    take(&mut client, 100_300);
    assert_eq!(totals(&daemon), [0, 100_300]);
    client.send_netstring(&[b'x'; 5000]);
    eventually("its input is counted", || {
        totals(&daemon) == [5000, 100_300]
    });
    assert_eq!(totals_of_metrics(&daemon), [5000.0, 100_300.0]);
    client.send_netstring(b"abc");
    take(&mut client, 3);
    assert_eq!(totals(&daemon), [5003, 100_303]);
    client.send("0:,");
    client.reply().succeeded();
    assert_eq!(totals(&daemon), [5003, 100_303]);
}

/// The sum of a field over all lines about ended jobs, and their number.
fn logged(daemon: &Daemon) -> ([u64; 2], usize) {
    let field = |line: &str, name: &str| -> Option<u64> {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name));
        word.and_then(|number| number.parse().ok())
    };
    let lines = daemon.log.all();
    let ends = lines.iter().filter(|line| field(line, "seq=").is_some());
    let all = ends.filter_map(|line| {
        let [out, err, input] = ["out=", "err=", "in="].map(|name| field(line, name));
        Some([input?, out? + err?])
    });
    let all: Vec<_> = all.collect();
    let sum = |index: usize| all.iter().map(|bytes| bytes[index]).sum();
    ([sum(0), sum(1)], all.len())
}

/// Begins a job and takes some of its output. Returns its client, its number and its process.
fn begin(daemon: &Daemon, script: &str) -> (Client, Value, u32) {
    let mut client = daemon.begin(shell(script));
    take(&mut client, 90_000);
    let job = daemon.jobs().remove(0);
    let pid = job["pid"].as_u64().unwrap();
    (client, job["id"].clone(), u32::try_from(pid).unwrap())
}

#[test]
fn however_jobs_end_the_totals_are_the_sums_of_the_log() {
    let daemon = Setup::new()
        .control()
        .config("kill-timeout = 0.2\n")
        .start();
    // By itself, with input that it does not take.
    let mut client = daemon.begin(shell("echo one; exit 3"));
    client.send_netstring(&[b'x'; 2000]);
    client.reply();
    // Its client goes in the middle of a flow.
    let (client, _, pid) = begin(&daemon, "exec yes two");
    drop(client);
    wait_gone(pid);
    // By a signal, without a pause in its output; with SIGTERM ignored, by SIGKILL.
    for (script, signal) in [("exec yes", "TERM"), ("trap '' TERM; yes", "KILL")] {
        let (client, id, pid) = begin(&daemon, script);
        daemon.ask("kill", json!({"id": id, "signal": signal}));
        client.reply();
        wait_gone(pid);
    }
    // At its deadline.
    daemon.ask("set", json!({"timeout": 0.3}));
    daemon.shell("while echo five; do :; done");
    // Never started.
    daemon.run(&["/no/such/program"]);
    check_sums(&daemon, 6);
}

#[test]
fn output_that_is_kept_or_too_large_counts_too() {
    let setup = Setup::new().control().config("output-max = 70000\n");
    let daemon = setup.sockproc().start();
    sockproc::run(&daemon, "head -c 60000 /dev/zero").succeeded();
    assert_eq!(totals(&daemon), [0, 60_000]);
    let large = sockproc::run_with_stdin(&daemon, "cat; exec yes", b"input");
    assert_eq!(large.stdout.len(), 70_000);
    check_sums(&daemon, 2);
}

#[track_caller]
fn check_sums(daemon: &Daemon, jobs: usize) {
    eventually("all are logged", || logged(daemon).1 == jobs);
    assert_eq!(totals(daemon), logged(daemon).0);
    daemon.signal(Signal::SIGUSR1);
    let [input, output] = totals(daemon);
    daemon.log.wait_for("the line of the totals", |line| {
        line.contains(&format!(" bytes_out={output} bytes_in={input} "))
    });
}
