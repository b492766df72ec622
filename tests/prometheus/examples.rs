//! The examples name series that the servers have, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Setup, shell};
use crate::exporter::Exporter;
use crate::exposition::read;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// The names of all series that a server with rules may have.
fn served() -> BTreeSet<String> {
    let rule = "[[allow]]\nprogram = [\"/usr/bin/\", \"/bin/\"]\nmax-jobs = 3\n";
    let daemon = Setup::new().control().config(rule).start();
    let exporter = Exporter::of(&daemon.control_path(), "20");
    let _running = daemon.begin(shell("cat"));
    let all = read(&exporter.figures());
    let samples = all.iter().flat_map(|metric| &metric.samples);
    let names = samples.map(|(name, _, _)| name.clone());
    // Not known in every sandbox, or before a program that was larger than the server.
    let sometimes = ["connections_queued", "programs_memory_peak_bytes"];
    names
        .chain(sometimes.map(|name| format!("sockexec_{name}")))
        .collect()
}

/// The names of series in an expression.
fn named(expression: &str) -> Vec<String> {
    // What stands between quotation marks is the value of a label.
    let outside: String = expression
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    let words = outside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_ours = |word: &&str| word.starts_with("sockexec_") || word.starts_with("process_");
    words.filter(is_ours).map(str::to_owned).collect()
}

/// The expressions of the alert rules: those in one line, and those in the lines below.
pub fn alerts() -> Vec<(String, String)> {
    let text = text("prometheus/sockexec.rules.yml");
    let rules = text.split("- alert: ").skip(1);
    let all = rules.map(|rule| {
        let (name, rest) = rule.split_once('\n').unwrap();
        let (_, expression) = rest.split_once("expr: ").expect(name);
        let end = ["\n        for:", "\n        labels:"].into_iter();
        let end = end
            .filter_map(|key| expression.find(key))
            .min()
            .expect(name);
        let expression = expression[..end].trim_start_matches('|').trim();
        (name.to_owned(), expression.to_owned())
    });
    all.collect()
}

/// All values of this key in a JSON value.
fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str().filter(|_| name == key) {
                    Some(text) => found.push(text),
                    None => collect(value, key, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, key, found)),
        _ => {}
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/sockexec.json")).unwrap()
}

/// The expressions of the dashboard, with values in the places of its variables.
pub fn dashboard_expressions() -> Vec<String> {
    let (dashboard, mut found) = (dashboard(), Vec::new());
    collect(&dashboard, "expr", &mut found);
    let all = found.iter().map(|expression| {
        let expression = expression.replace("$__rate_interval", "1m");
        let expression = expression
            .replace("$instance", ".*")
            .replace("$server", ".*");
        assert!(!expression.contains('$'), "{expression}");
        expression
    });
    all.collect()
}

#[test]
fn alerts_and_dashboard_name_series_that_there_are() {
    let (served, alerts, panels) = (served(), alerts(), dashboard_expressions());
    assert!(alerts.len() > 10 && panels.len() > 30);
    let expressions = alerts
        .iter()
        .map(|(_, expression)| expression)
        .chain(&panels);
    for expression in expressions {
        let names = named(expression);
        assert!(
            !names.is_empty() || expression.starts_with("up{"),
            "{expression}"
        );
        for name in names {
            assert!(served.contains(&name), "there is no {name}: {expression}");
        }
    }
    let dashboard = dashboard();
    let mut queries = Vec::new();
    collect(&dashboard, "definition", &mut queries);
    assert_eq!(queries.len(), 2);
    assert!(
        queries
            .iter()
            .flat_map(|query| named(query))
            .all(|name| served.contains(&name))
    );
}

#[test]
fn each_alert_has_a_test() {
    let tests = text("prometheus/sockexec.test.yml");
    for (name, _) in alerts() {
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name}");
    }
}

#[test]
fn the_job_has_the_address_of_the_unit_as_the_pages_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let unit = read("systemd/sockexec-metrics.socket");
    let address = unit
        .lines()
        .find_map(|line| line.strip_prefix("ListenStream="));
    let address = address.unwrap();
    assert!(text("prometheus/prometheus.yml").contains(&format!("targets: [\"{address}\"]")));
    assert!(read("docs/control.md").contains(&format!("http://{address}/metrics")));
}

/// Grafana reads a file with such mistakes, and shows less.
#[test]
fn the_panels_of_the_dashboard_have_their_own_numbers_and_places() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} is over another panel");
        }
        if panel["type"] != "row" {
            let mut names = Vec::new();
            collect(&panel["targets"], "refId", &mut names);
            let distinct: BTreeSet<_> = names.iter().collect();
            assert!(
                !names.is_empty() && names.len() == distinct.len(),
                "{title}"
            );
        }
    }
}
