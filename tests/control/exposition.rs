//! A strict reader of Prometheus's text format, as its description has it.

use std::collections::BTreeMap;

/// All labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

/// One metric: HELP and TYPE stand before its samples, and nothing is between them.
#[derive(Debug)]
pub struct Metric {
    pub name: String,
    pub kind: String,
    /// Name, labels, value.
    pub samples: Vec<(String, Labels, f64)>,
}

fn is_name(name: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !name.is_empty() && name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Reads all metrics, and panics where the text is not as it must be.
pub fn read(text: &str) -> Vec<Metric> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut all: Vec<Metric> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a text");
            assert!(is_name(name, true) && !help.is_empty() && !help.contains('\\'));
            assert!(all.iter().all(|m| m.name != name), "{name} twice");
            let kind = lines.next().and_then(|l| l.strip_prefix("# TYPE "));
            let (same, kind) = kind.expect("TYPE behind HELP").split_once(' ').unwrap();
            assert_eq!(same, name);
            assert!(
                ["counter", "gauge", "histogram", "untyped"].contains(&kind),
                "{kind}"
            );
            all.push(Metric {
                name: name.to_owned(),
                kind: kind.to_owned(),
                samples: Vec::new(),
            });
        } else {
            let metric = all.last_mut().expect("HELP and TYPE first");
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&metric.name).expect("its own samples");
            let suffixes: &[&str] = match &metric.kind[..] {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            let twice = metric
                .samples
                .iter()
                .any(|s| (&s.0, &s.1) == (&name, &labels));
            assert!(!twice, "{line} twice");
            metric.samples.push((name, labels, value));
        }
    }
    for metric in &all {
        match &metric.kind[..] {
            "histogram" => check_histogram(metric),
            "counter" => {
                assert!(
                    metric.name.ends_with("_total")
                        && metric.samples.iter().all(|s| s.2 >= 0.0
                            && (metric.name.contains("_seconds") || s.2.fract() == 0.0)),
                    "{metric:?}"
                )
            }
            _ => {}
        }
    }
    all
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (before, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    let (name, labels) = match before.split_once('{') {
        None => (before, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
    };
    assert!(is_name(name, true), "{line}");
    let mut all = Labels::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').expect("a label");
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let value = value.expect("quotes");
        assert!(
            is_name(key, false) && !value.contains(['"', '\\', '\n']),
            "{line}"
        );
        assert_eq!(all.insert(key.into(), value.into()), None, "{line}");
    }
    (name.to_owned(), all, value)
}

/// For each set of other labels, buckets are in order, each has those before it, and the last has all.
fn check_histogram(metric: &Metric) {
    let mut series: BTreeMap<Labels, Series> = BTreeMap::new();
    for (name, labels, value) in &metric.samples {
        let mut others = labels.clone();
        let bound = others.remove("le");
        let suffix = &name[metric.name.len()..];
        assert_eq!(bound.is_some(), suffix == "_bucket", "{name}");
        let series = series.entry(others).or_default();
        match bound {
            Some(bound) => series.buckets.push((bound.parse().unwrap(), *value)),
            None if suffix == "_sum" => series.sums.push(*value),
            None => series.counts.push(*value),
        }
    }
    for Series {
        buckets,
        sums,
        counts,
    } in series.into_values()
    {
        assert!(buckets.len() > 1, "{metric:?}");
        let in_order = |w: &[(f64, f64)]| w[0].0 < w[1].0 && w[0].1 <= w[1].1;
        assert!(buckets.windows(2).all(in_order), "{metric:?}");
        let last = buckets.last().unwrap();
        assert_eq!(last.0, f64::INFINITY);
        assert_eq!((counts, sums.len()), (vec![last.1], 1));
    }
}

/// One histogram.
#[derive(Default)]
struct Series {
    buckets: Vec<(f64, f64)>,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

/// The value of a sample with at most one label.
#[track_caller]
pub fn value(all: &[Metric], name: &str, label: Option<(&str, &str)>) -> f64 {
    let labels: Labels = label
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    let samples = all.iter().flat_map(|metric| &metric.samples);
    let mut found = samples.filter(|s| s.0 == name && s.1 == labels);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} {label:?}"))
        .2
}
