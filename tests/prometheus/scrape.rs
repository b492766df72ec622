//! A real Prometheus with the example's configuration and rules, which scrapes servers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::lines::Lines;
use crate::common::process::eventually;
use crate::common::temporary::Directory;
use crate::common::{PATIENCE, Setup, shell, skip};
use crate::examples;
use crate::exporter::Exporter;

/// A Prometheus that runs until the end of the test.
struct Prometheus {
    child: Child,
    address: String,
    log: Lines,
    _directory: Directory,
}

impl Prometheus {
    /// `None` where there is none.
    fn start(exporter: &Exporter) -> Option<Self> {
        let program = skip::unless_tool("prometheus")?;
        let directory = Directory::new();
        let example = |name: &str| fs::read_to_string(examples::path(name)).unwrap();
        let config = example("prometheus/prometheus.yml");
        let target = exporter.address.to_string();
        let config = config.replace("127.0.0.1:9753", &target);
        assert!(config.contains(&target), "{config}");
        // More often than it would by default.
        let often = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n";
        let config = config.replace("scrape_timeout: 10s", "scrape_timeout: 1s");
        let file = directory.file("prometheus.yml", 0o644, format!("{often}{config}"));
        let rules = example("prometheus/sockexec.rules.yml");
        directory.file("sockexec.rules.yml", 0o644, rules);
        let mut child = Command::new(program)
            .arg(format!("--config.file={file}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Lines::read(child.stderr.take().unwrap());
        let line = log.wait_for("its address", |line| line.contains("Listening on"));
        let (_, address) = line.rsplit_once("address=").expect(&line);
        log.wait_for("that it is ready", |line| line.contains("ready to receive"));
        Some(Self {
            child,
            address: address.trim_matches('"').to_owned(),
            log,
            _directory: directory,
        })
    }

    /// What its interface for programs has at a path.
    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET /api/v1/{path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").expect(&text);
        let answer: Value = serde_json::from_str(body).expect(body);
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The labels and the value of each series of an expression now.
    fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let escaped: String = expression
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let data = self.get(&format!("query?query={escaped}"));
        let all = data["result"].as_array().unwrap().iter();
        let all = all.map(|series| {
            let value = series["value"][1].as_str().unwrap().parse().unwrap();
            (series["metric"].clone(), value)
        });
        all.collect()
    }

    /// Waits until an expression has this one value.
    fn wait(&self, expression: &str, wanted: f64) {
        let values = || {
            self.query(expression)
                .iter()
                .map(|series| series.1)
                .collect::<Vec<_>>()
        };
        eventually(expression, || values() == [wanted]);
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("prometheus: {:#?}", self.log.all());
        }
    }
}

#[test]
fn it_collects_the_figures_as_they_are_and_the_examples_hold() {
    let daemon = Setup::new()
        .control()
        .config("[[allow]]\nprogram = \"*\"\nmax-jobs = 9\n")
        .start();
    let exporter = Exporter::of(&daemon.control_path(), "20");
    let Some(prometheus) = Prometheus::start(&exporter) else {
        return;
    };
    prometheus.wait("up", 1.0);
    prometheus.wait("sockexec_up", 1.0);
    prometheus.wait("sockexec_scrape_failed", 0.0);
    for _ in 0..3 {
        daemon.serves();
    }
    daemon.shell("exit 9");
    let _running = daemon.begin(shell("head -c 3000 /dev/zero; exec cat"));
    prometheus.wait("sockexec_requests_total{outcome=\"exit-zero\"}", 3.0);
    prometheus.wait("sum(sockexec_requests_total)", 4.0);
    prometheus.wait("sockexec_programs_running", 1.0);
    // Of a program that runs.
    prometheus.wait("sockexec_output_bytes_total >= bool 3000", 1.0);
    prometheus.wait("sockexec_job_seconds_count", 4.0);

    // Its own label keeps the address of the target, and the server's has another name.
    let (labels, _) = prometheus.query("sockexec_programs_running").remove(0);
    assert_eq!(labels["instance"], exporter.address.to_string());
    assert_eq!(
        labels["exported_instance"],
        daemon.control_path().display().to_string()
    );
    assert_eq!(labels["job"], "sockexec");
    let types = prometheus.get("metadata");
    for (name, kind) in [
        ("sockexec_requests_total", "counter"),
        ("sockexec_job_seconds", "histogram"),
        ("sockexec_up", "gauge"),
        ("process_cpu_seconds_total", "counter"),
    ] {
        assert_eq!(types[name][0]["type"], kind, "{name}");
    }

    // All that a dashboard asks for can be asked, and most of it is there.
    let expressions = examples::dashboard_expressions();
    let with_data = |expression: &&String| !prometheus.query(expression).is_empty();
    eventually("the dashboard has data", || {
        expressions.iter().filter(with_data).count() * 4 > expressions.len() * 3
    });
    eventually("the rules are evaluated", || {
        let groups = prometheus.get("rules")["groups"].clone();
        let rules = groups[0]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), examples::alerts().len());
        assert!(
            rules.iter().all(|rule| rule["health"] != "err"),
            "{rules:#?}"
        );
        rules.iter().all(|rule| rule["health"] == "ok")
    });
    assert_eq!(prometheus.query("ALERTS"), []);
}

#[test]
fn it_sees_a_server_that_stops_and_a_file_with_a_mistake() {
    let config = "timeout = 60\n";
    let daemon = Setup::new().control().config(config).start();
    let exporter = Exporter::of(&daemon.control_path(), "20");
    let Some(prometheus) = Prometheus::start(&exporter) else {
        return;
    };
    prometheus.wait("sockexec_config_last_reload_successful", 1.0);
    daemon
        .directory
        .file("sockexec.toml", 0o644, "timeout = \"x\"\n");
    daemon.fails("reload", serde_json::json!({}));
    prometheus.wait("sockexec_config_last_reload_successful", 0.0);
    let pending = "ALERTS{alertname=\"SockexecConfigurationNotRead\"}";
    prometheus.wait(pending, 1.0);
    daemon.stop();
    prometheus.wait("sockexec_up", 0.0);
    // Nothing that was true before stays.
    assert_eq!(
        prometheus.query("sockexec_config_last_reload_successful"),
        []
    );
    prometheus.wait("up", 1.0);
}
