//! The counts of `status`, against jobs with each outcome.

use crate::common::process::{eventually, wait_gone};
use crate::common::{Daemon, End, Setup, request, shell};
use crate::start;
use nix::sys::resource::{Resource, setrlimit};
use serde_json::{Value, json};

fn outcomes(daemon: &Daemon) -> Value {
    daemon.status()["outcomes"].clone()
}

#[test]
fn each_outcome_is_counted_once_where_it_belongs() {
    let setup = Setup::new().control();
    let plain = setup.directory.file("plain", 0o644, "");
    let rule = format!("[[allow]]\nprogram = [\"/bin/\", \"/usr/bin/\", \"{plain}\", \"/no/\"]\n");
    let daemon = setup.config(&rule).start();
    let none = json!({"exit-zero": 0, "exit-nonzero": 0, "signal": 0, "timeout": 0,
        "disconnected": 0, "malformed": 0, "refused": 0, "not-started": 0});
    assert_eq!(outcomes(&daemon), none);
    for _ in 0..3 {
        daemon.serves();
    }
    assert_eq!(daemon.shell("exit 7").end, End::Exit(7));
    assert_eq!(daemon.run(&["false"]).end, End::Exit(1));
    assert_eq!(daemon.shell("kill -9 $$").end, End::Signal("9".into()));
    daemon.begin("1:0,").reply().refused(100, &[]);
    daemon.run(&["/etc/passwd"]).refused(126, &["rule"]);
    daemon.run(&["/no/such/program"]).refused(127, &[]);
    daemon.run(&["/no/other/program"]).refused(127, &[]);
    daemon.run(&[&plain]).refused(126, &["denied"]);
    let mut gone = daemon.begin(shell("echo $$; exec sleep 1000"));
    let pid = gone.number();
    drop(gone);
    wait_gone(pid);
    daemon.ask("set", json!({"timeout": 0.1}));
    let late = daemon.run(&["sleep", "1000"]);
    assert_eq!(late.end, End::Signal("15".into()));
    // A connection that only checks for a server is no job.
    drop(daemon.connect());
    let expected = json!({"exit-zero": 3, "exit-nonzero": 2, "signal": 1, "timeout": 1,
        "disconnected": 1, "malformed": 1, "refused": 1, "not-started": 3});
    eventually("all are counted", || outcomes(&daemon) == expected);
    let status = daemon.status();
    assert_eq!(status["spawn-failures"], json!({"ENOENT": 2, "EACCES": 1}));
    assert_eq!(status["totals"]["accepted"], 14);
    assert_eq!(status["active"], 0);
}

#[test]
fn bytes_and_commands_are_added_up() {
    let daemon = start(&[]);
    let mut client = daemon.begin(shell("cat; echo err >&2"));
    client.send_netstring(&[b'x'; 40_000]);
    client.send_netstring(&[b'y'; 2]);
    client.end();
    let reply = client.reply();
    assert_eq!((reply.stdout.len(), reply.stderr.len()), (40_002, 4));
    daemon.ask("ping", json!({}));
    let status = daemon.status();
    let totals = &status["totals"];
    assert_eq!(totals["bytes-in"], 40_002);
    assert_eq!(totals["bytes-out"], 40_006);
    assert_eq!(totals["commands"], 2);
    assert_eq!(totals["log-lines-lost"], 0);
}

#[test]
fn percentiles_are_in_order_and_plausible() {
    let daemon = start(&[]);
    let nothing = daemon.status()["duration"].clone();
    assert_eq!(
        (&nothing["count"], &nothing["p50"]),
        (&json!(0), &json!(null))
    );
    for _ in 0..8 {
        daemon.serves();
    }
    assert_eq!(daemon.run(&["sleep", "0.5"]).succeeded(), "");
    let status = daemon.status();
    let check = |key: &str, count: u64, longest: f64| {
        let seconds = |name: &str| status[key][name].as_f64().unwrap();
        assert_eq!(status[key]["count"], count, "{key}");
        let (p50, p90, p99) = (seconds("p50"), seconds("p90"), seconds("p99"));
        let all = [0.000_001, p50, p90, p99, seconds("max"), 30.0];
        assert!(all.is_sorted(), "{key} {all:?}");
        assert!(seconds("max") >= longest, "{key} {all:?}");
        let window = seconds("window");
        assert!(window > 0.0 && window <= status["uptime"].as_f64().unwrap());
        p50
    };
    let half = check("duration", 9, 0.5);
    assert!(half < 0.5, "{half}");
    // Of those that wrote something.
    check("first-byte", 8, 0.000_001);
}

#[test]
fn the_longest_turn_of_the_loop_is_in_status_and_metrics() {
    let daemon = Setup::new().control().start();
    daemon.serves();
    let turn = &daemon.status()["turn"];
    assert!(turn["count"].as_u64().unwrap() >= 3, "{turn}");
    let longest = turn["max"].as_f64().unwrap();
    assert!(longest > 0.0 && longest < 30.0, "{turn}");
    let metrics = daemon.control().ask("metrics", &json!({})).unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("sockexec_turn_longest_seconds "));
    assert!(line.unwrap().parse::<f64>().unwrap() >= longest, "{line:?}");
}

#[test]
fn it_tells_of_the_server_and_its_limits() {
    let setup = Setup::new().control().config("user-share = 70");
    let daemon = setup
        .arguments(["-m", "7", "-t", "0", "-k", "2.5", "--stop-grace", "1.5"])
        .start();
    let status = daemon.status();
    assert_eq!(
        status["limits"],
        json!({"max-connections": 7, "programs": 7, "timeout": 0.0,
            "request-timeout": 10.0, "kill-timeout": 2.5, "stop-grace": 1.5, "user-share": 70,
            "requests-memory": 67_108_864, "spool-total": 8_589_934_592_u64,
            "requests-per-second": 0.0, "burst": 10, "detached-max": 100, "recent-jobs": 1000, "log-level": "info",
            "audit": "end"})
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!(status["state"], "serving");
    assert_eq!(status["control"], 1);
    let open = crate::common::process::descriptors(daemon.pid()).len() as u64;
    let told = status["descriptors"]["open"].as_u64().unwrap();
    // Its own look at them takes one, and the client of before may have gone.
    assert!(told.abs_diff(open) <= 2, "{told} {open}");
    assert!(status["descriptors"]["limit"].as_u64().unwrap() >= told);
    let resident = crate::common::process::resident(daemon.pid()) as u64 * 1024;
    let told = status["memory"].as_u64().unwrap();
    assert!(
        told / 2 < resident && resident < told * 2,
        "{told} {resident}"
    );
    assert!(daemon.status()["uptime"].as_f64() > status["uptime"].as_f64());
}

#[test]
fn those_who_wait_for_a_program_and_go_are_not_counted() {
    // So few descriptors that there are less programs than connections.
    let daemon = Setup::new()
        .control()
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 120, 120)?))
        .start();
    let limits = daemon.status()["limits"].clone();
    let most = ["max-connections", "programs"].map(|key| limits[key].as_u64().unwrap());
    assert!(most[0] > most[1] + 3, "{limits}");
    let running: Vec<_> = (0..most[1])
        .map(|_| {
            let mut client = daemon.begin(shell("echo up; exec cat"));
            assert_eq!(client.line(), "up");
            client
        })
        .collect();
    let first = daemon.begin(shell("echo first"));
    daemon.wait_jobs("waiting", 1);
    for _ in 0..10 {
        let gone = daemon.begin(shell("echo never"));
        daemon.wait_jobs("waiting", 2);
        drop(gone);
        daemon.wait_jobs("waiting", 1);
    }
    assert_eq!(daemon.status()["waiting"], 1);
    for mut client in running {
        client.send("0:,");
        client.reply().succeeded();
    }
    assert_eq!(first.reply().succeeded(), "first\n");
    assert_eq!(daemon.status()["waiting"], 0);
}

#[test]
fn those_who_linger_are_counted_and_not_hurried_by_those_who_have_gone() {
    let setup = Setup::new().control().config("linger = 60");
    let daemon = setup.arguments(["-m", "3"]).start();
    let mut lingering = daemon.begin("1:1,4:true,0:,");
    assert_eq!(lingering.pair().0, "exitcode");
    for _ in 0..20 {
        daemon.serves();
    }
    eventually("one lingers", || daemon.status()["lingering"] == 1);
    // It may go on sending.
    lingering.send([b'x'; 100_000]);
    assert_eq!(lingering.try_rest().unwrap(), b"");
}

#[test]
fn those_in_the_queue_are_counted_where_the_kernel_tells() {
    let daemon = start(&["-m", "1"]);
    let mut first = daemon.begin(request(&["cat"]));
    daemon.wait_jobs("running", 1);
    let waiting: Vec<_> = (0..3)
        .map(|_| daemon.begin("1:2,4:echo,2:hi,0:,"))
        .collect();
    let status = daemon.status();
    let listener = |protocol: &str| {
        let all = status["listeners"].as_array().unwrap();
        let found = all.iter().find(|l| l["protocol"] == protocol);
        found.unwrap().clone()
    };
    assert_eq!(listener("exec")["address"], daemon.path().to_str().unwrap());
    let path = daemon.control_path();
    assert_eq!(listener("control")["address"], path.to_str().unwrap());
    assert_eq!(status["active"], 1);
    if status["queued"].is_null() {
        crate::common::skip::say("this kernel does not report the length of a queue");
    } else {
        assert_eq!(listener("exec")["queued"], 3);
        assert_eq!(listener("control")["queued"], 0);
        assert_eq!(status["queued"], 3);
    }
    first.send("0:,");
    for client in waiting {
        assert_eq!(client.reply().succeeded(), "hi\n");
    }
    assert_eq!(daemon.status()["outcomes"]["exit-zero"], 4);
}
