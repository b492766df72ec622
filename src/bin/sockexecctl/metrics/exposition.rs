//! The figures of several servers as one text, in the format of Prometheus.
//!
//! The samples of a metric stand together, whichever server they come from, and each has the label
//! `instance` in front. A server's text is checked before, line by line: one that is not as the format
//! has it would have Prometheus refuse the figures of all, and a tenant's server must not speak for
//! another one.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::sample::{LABEL, is_name, with_label};

/// Whether each server has answered.
const UP: (&str, &str) = (
    "sockexec_up",
    "Whether the server runs and has answered. Without clients it may rest.",
);

/// Whether each server should have answered, and has not.
const FAILED: (&str, &str) = (
    "sockexec_scrape_failed",
    "Whether the server runs and has not answered as it must.",
);

/// The type of a metric for which servers have different ones.
const UNTYPED: &str = "untyped";

/// The answer of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its figures.
    Figures(String),
    /// There is no server to ask.
    NotRunning,
    /// It has not answered, and why.
    Failed(String),
}

/// A metric: its lines of help and type, and its samples.
#[derive(Clone, Debug, Default)]
struct Metric {
    help: String,
    kind: String,
    samples: String,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Exposition {
    /// In the order in which they came.
    names: Vec<String>,
    metrics: BTreeMap<String, Metric>,
}

impl Exposition {
    /// Adds the figures of a server.
    ///
    /// # Errors
    ///
    /// Why it has none, if it should have.
    pub fn add(&mut self, instance: &str, answer: &Answer) -> Result<(), String> {
        let label = format!("{LABEL}=\"{}\"", escaped(instance));
        let added = match answer {
            Answer::Figures(text) => self.add_figures(&label, text).map(|()| true),
            Answer::NotRunning => Ok(false),
            Answer::Failed(why) => Err(why.clone()),
        };
        let up = f64::from(u8::from(added == Ok(true)));
        let failed = f64::from(u8::from(added.is_err()));
        for ((name, help), value) in [(UP, up), (FAILED, failed)] {
            let metric = self.metric(name, help, "gauge");
            // Writing to a string does not fail.
            let _ = writeln!(metric.samples, "{name}{{{label}}} {value}");
        }
        added.map(|_| ())
    }

    /// All of it.
    pub fn into_string(mut self) -> String {
        let mut text = String::new();
        for name in self.names {
            let metric = self.metrics.remove(&name).unwrap_or_default();
            let Metric {
                help,
                kind,
                samples,
            } = metric;
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"
            );
        }
        text
    }

    /// Adds all samples of a server, or none.
    fn add_figures(&mut self, label: &str, text: &str) -> Result<(), String> {
        let metrics = read(label, text).map_err(|line| {
            let line: String = line.chars().take(80).collect();
            format!("the figures cannot be understood: {line}")
        })?;
        for (name, metric) in metrics {
            let known = self.metric(&name, &metric.help, &metric.kind);
            // One of them is wrong. No server may have the figures of another one refused.
            if known.kind != metric.kind {
                UNTYPED.clone_into(&mut known.kind);
            }
            known.samples.push_str(&metric.samples);
        }
        Ok(())
    }

    fn metric(&mut self, name: &str, help: &str, kind: &str) -> &mut Metric {
        if !self.metrics.contains_key(name) {
            self.names.push(name.to_owned());
        }
        self.metrics
            .entry(name.to_owned())
            .or_insert_with(|| Metric {
                help: help.to_owned(),
                kind: kind.to_owned(),
                samples: String::new(),
            })
    }
}

/// Reads the text of one server, in which HELP and TYPE stand before the samples of each metric.
/// Gives each sample the label. Returns the first line that is not as it must be.
fn read<'a>(label: &str, text: &'a str) -> Result<Vec<(String, Metric)>, &'a str> {
    let mut metrics: Vec<(String, Metric)> = Vec::new();
    let mut names = HashSet::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.contains(char::is_control) {
            return Err(line);
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').ok_or(line)?;
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (same, kind) = kind.and_then(|kind| kind.split_once(' ')).ok_or(line)?;
            let is_known = ["counter", "gauge", "histogram"].contains(&kind);
            let is_twice = !names.insert(name);
            // A help with an escape that the format has not would be an error.
            if same != name || !is_known || is_twice || !is_ours(name) || help.contains('\\') {
                return Err(line);
            }
            let metric = Metric {
                help: help.to_owned(),
                kind: kind.to_owned(),
                samples: String::new(),
            };
            metrics.push((name.to_owned(), metric));
        } else {
            let (name, metric) = metrics.last_mut().ok_or(line)?;
            let sample = with_label(line, name, &metric.kind, label).ok_or(line)?;
            metric.samples.push_str(&sample);
        }
    }
    Ok(metrics)
}

/// Whether a server may have a metric of this name.
fn is_ours(name: &str) -> bool {
    let is_server = name.starts_with("sockexec_") || name.starts_with("process_");
    is_server && is_name(name) && name != UP.0 && name != FAILED.0
}

/// The value of a label.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "\
# HELP sockexec_programs_running Programs that run.
# TYPE sockexec_programs_running gauge
sockexec_programs_running 3
# HELP sockexec_requests_total Requests, by how they ended.
# TYPE sockexec_requests_total counter
sockexec_requests_total{outcome=\"exit-zero\"} 5
sockexec_requests_total{outcome=\"a\\\\b\\\"},x\",of=\"n\"} 0.5
# HELP sockexec_job_seconds Time.
# TYPE sockexec_job_seconds histogram
sockexec_job_seconds_bucket{le=\"+Inf\"} 1
sockexec_job_seconds_sum 0.25
sockexec_job_seconds_count 1
";

    fn figures(text: &str) -> Answer {
        Answer::Figures(text.into())
    }

    #[test]
    fn samples_of_a_metric_stand_together_with_the_label_of_their_server() {
        let mut exposition = Exposition::default();
        let main = "# HELP sockexec_programs_running Other help.\n\
                    # TYPE sockexec_programs_running gauge\nsockexec_programs_running 1\n";
        exposition.add("sockexec", &figures(main)).unwrap();
        exposition.add("sockexec@web", &figures(WEB)).unwrap();
        exposition
            .add(r"sockexec@a\x2db", &Answer::NotRunning)
            .unwrap();
        let failed = exposition.add("sockexec@bad", &Answer::Failed("why".into()));
        assert_eq!(failed, Err("why".into()));
        let expected = r#"# HELP sockexec_programs_running Other help.
# TYPE sockexec_programs_running gauge
sockexec_programs_running{instance="sockexec"} 1
sockexec_programs_running{instance="sockexec@web"} 3
# HELP sockexec_up Whether the server runs and has answered. Without clients it may rest.
# TYPE sockexec_up gauge
sockexec_up{instance="sockexec"} 1
sockexec_up{instance="sockexec@web"} 1
sockexec_up{instance="sockexec@a\\x2db"} 0
sockexec_up{instance="sockexec@bad"} 0
# HELP sockexec_scrape_failed Whether the server runs and has not answered as it must.
# TYPE sockexec_scrape_failed gauge
sockexec_scrape_failed{instance="sockexec"} 0
sockexec_scrape_failed{instance="sockexec@web"} 0
sockexec_scrape_failed{instance="sockexec@a\\x2db"} 0
sockexec_scrape_failed{instance="sockexec@bad"} 1
# HELP sockexec_requests_total Requests, by how they ended.
# TYPE sockexec_requests_total counter
sockexec_requests_total{instance="sockexec@web",outcome="exit-zero"} 5
sockexec_requests_total{instance="sockexec@web",outcome="a\\b\"},x",of="n"} 0.5
# HELP sockexec_job_seconds Time.
# TYPE sockexec_job_seconds histogram
sockexec_job_seconds_bucket{instance="sockexec@web",le="+Inf"} 1
sockexec_job_seconds_sum{instance="sockexec@web"} 0.25
sockexec_job_seconds_count{instance="sockexec@web"} 1
"#;
        assert_eq!(exposition.into_string(), expected);
    }

    #[test]
    fn a_text_that_is_not_as_it_must_be_adds_nothing() {
        let sample = |line: &str| format!("{WEB}{line}\n");
        let metric = |name: &str, kind: &str, line: &str| {
            format!("# HELP {name} x\n# TYPE {name} {kind}\n{line}\n")
        };
        for text in [
            // Another server's label, in any place.
            sample("sockexec_job_seconds_sum{instance=\"sockexec\"} 1"),
            sample("sockexec_job_seconds_sum{a=\"b\",instance=\"sockexec\"} 1"),
            // Or its state.
            metric("sockexec_up", "gauge", "sockexec_up 1"),
            metric("sockexec_scrape_failed", "gauge", ""),
            // Metrics of other programs.
            metric("node_load1", "gauge", "node_load1 1"),
            metric("sockexec_a-b", "gauge", "sockexec_a-b 1"),
            metric("sockexec_a", "summary", "sockexec_a 1"),
            metric("sockexec_programs_running", "gauge", "sockexec_other 1"),
            "sockexec_programs_running 3\n".into(),
            "# HELP sockexec_a x\nsockexec_a 1\n".into(),
            "# HELP sockexec_a x\n# TYPE sockexec_b gauge\n".into(),
            format!("{WEB}{WEB}"),
            // No samples.
            sample("sockexec_job_seconds 1"),
            sample("sockexec_job_seconds_sum"),
            sample("sockexec_job_seconds_sum one"),
            sample("sockexec_job_seconds_sum 1 1700000000"),
            sample("sockexec_job_seconds_sum 1e309"),
            sample("sockexec_job_seconds_sum{} 1"),
            sample("sockexec_job_seconds_sum{a=\"b\"}1"),
            sample("sockexec_job_seconds_sum{a=\"b\" 1"),
            sample("sockexec_job_seconds_sum{a=\"b} 1"),
            sample("sockexec_job_seconds_sum{a=\"\\x\"} 1"),
            sample("sockexec_job_seconds_sum{a=\"b\",a=\"c\"} 1"),
            sample("sockexec_job_seconds_sum{a=b} 1"),
            sample("sockexec_job_seconds_sum{2=\"b\"} 1"),
            sample("sockexec_job_seconds_sum{a=\"\0\"} 1"),
            metric("sockexec_a", "gauge", "sockexec_a 1").replacen(" x", r" \x", 1),
            sample("# EOF"),
            sample(""),
        ] {
            let mut exposition = Exposition::default();
            exposition.add("one", &figures(WEB)).unwrap();
            let before = exposition.metrics["sockexec_requests_total"]
                .samples
                .clone();
            let added = exposition.add("two", &figures(&text));
            assert!(added.is_err(), "{text}");
            assert_eq!(
                exposition.metrics["sockexec_requests_total"].samples,
                before
            );
            let text = exposition.into_string();
            assert!(text.contains("sockexec_scrape_failed{instance=\"two\"} 1\n"));
        }
    }

    /// A tenant's programs could replace their server.
    #[test]
    fn a_server_with_other_types_does_not_hide_the_figures_of_another() {
        let mut exposition = Exposition::default();
        let name = "sockexec_job_seconds";
        let wrong = format!("# HELP {name} x\n# TYPE {name} counter\n{name} 1\n");
        exposition.add("a", &figures(&wrong)).unwrap();
        exposition.add("web", &figures(WEB)).unwrap();
        exposition.add("c", &figures(&wrong)).unwrap();
        let text = exposition.into_string();
        for line in [
            "# TYPE sockexec_job_seconds untyped\n",
            "sockexec_job_seconds{instance=\"a\"} 1\n",
            "sockexec_job_seconds_sum{instance=\"web\"} 0.25\n",
            "# TYPE sockexec_programs_running gauge\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    /// With a comparison of each with each these would take hours.
    #[test]
    fn many_names_from_one_server_do_not_hold_up_the_figures_of_others() {
        const MANY: usize = 200_000;
        let numbers = 0..MANY;
        let labels: String = numbers.clone().map(|n| format!("a{n:07}=\"\",")).collect();
        let name = "sockexec_programs_running";
        let sample = format!("{WEB}# HELP {name}_2 x\n# TYPE {name}_2 gauge\n");
        let wide = format!("{sample}{name}_2{{{labels}a=\"\"}} 1\n");
        let metrics =
            numbers.map(|n| format!("# HELP {name}_{n:07} x\n# TYPE {name}_{n:07} gauge\n"));
        for text in [wide, metrics.collect()] {
            let added = Exposition::default().add("one", &figures(&text));
            assert_eq!(added, Ok(()));
        }
    }
}
