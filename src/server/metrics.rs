//! All figures in the text format of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use super::Server;
use super::guard::InForce;
use crate::statistics::{BUCKETS, Durations};

/// Text that grows by one metric after the other.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP sockexec_{name} {help}");
        let _ = writeln!(self.0, "# TYPE sockexec_{name} {kind}");
    }

    /// `labels` is empty, or all of them with their braces; the values need no escapes.
    fn value(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.0, "sockexec_{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "gauge", help);
        self.value(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "counter", help);
        self.value(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, durations: &Durations) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in BUCKETS.iter().zip(durations.within) {
            self.value(&bucket, &format!("{{le=\"{bound}\"}}"), count as f64);
        }
        self.value(&bucket, "{le=\"+Inf\"}", durations.count as f64);
        self.value(&format!("{name}_sum"), "", durations.sum.as_secs_f64());
        self.value(&format!("{name}_count"), "", durations.count as f64);
    }
}

impl Server {
    pub(super) fn metrics(&mut self) -> String {
        let status = self.status_answer();
        let capacity = self.configuration.capacity();
        let mut text = Text::default();
        text.head(
            "build_info",
            "gauge",
            "The version of the server, always 1.",
        );
        let version = format!("{{version=\"{}\"}}", status.version);
        text.value("build_info", &version, 1.0);
        text.gauge(
            "uptime_seconds",
            "Time since the server started.",
            status.uptime,
        );
        for (name, help, value) in [
            (
                "connections_active",
                "Connections that have a slot.",
                status.active,
            ),
            (
                "connections_max",
                "Slots that there are.",
                capacity.connections as u64,
            ),
            (
                "connections_parked",
                "Connections whose user has its share of the slots.",
                status.parked,
            ),
            (
                "connections_lingering",
                "Connections that have their reply and have not closed.",
                status.lingering,
            ),
            (
                "jobs_detached",
                "Jobs that are over and have left processes that live on.",
                status.detached,
            ),
            (
                "connections_control",
                "Control connections.",
                status.control,
            ),
            (
                "requests_parked",
                "Requests over the rate of their user.",
                status.throttled,
            ),
            (
                "requests_waiting",
                "Requests that wait for their program's turn.",
                status.waiting,
            ),
            ("programs_running", "Programs that run.", status.programs),
            (
                "programs_max",
                "Programs that may run at once.",
                capacity.programs as u64,
            ),
            (
                "request_bytes",
                "Memory of requests whose programs are not started.",
                status.request_bytes,
            ),
            (
                "request_bytes_max",
                "Memory that such requests may take.",
                capacity.requests_memory,
            ),
            (
                "spool_bytes",
                "Output in temporary files.",
                status.spool_bytes,
            ),
            (
                "spool_bytes_max",
                "Output that temporary files may have.",
                capacity.spool_total,
            ),
        ] {
            text.gauge(name, help, value as f64);
        }
        for (name, help, value) in [
            (
                "connections_queued",
                "Connections in the listen queues.",
                status.queued,
            ),
            (
                "memory_bytes",
                "Resident memory of the server.",
                status.memory,
            ),
            (
                "descriptors_open",
                "Descriptors of the server.",
                status.descriptors.open,
            ),
        ] {
            if let Some(value) = value {
                text.gauge(name, help, value as f64);
            }
        }
        text.gauge(
            "descriptors_max",
            "Descriptors that the server may have.",
            status.descriptors.limit as f64,
        );
        text.gauge(
            "turn_longest_seconds",
            "The longest turn of the loop in the last minutes.",
            status.turn.max.unwrap_or_default(),
        );
        for (name, help, value) in [
            (
                "connections_accepted_total",
                "Connections accepted.",
                status.totals.accepted,
            ),
            (
                "input_bytes_total",
                "Standard input that programs have taken.",
                status.totals.bytes_in,
            ),
            (
                "output_bytes_total",
                "Output that programs have written.",
                status.totals.bytes_out,
            ),
            (
                "requests_throttled_total",
                "Requests that had to wait because of the rate of their user.",
                status.totals.throttled,
            ),
            (
                "commands_total",
                "Commands on control connections.",
                status.totals.commands,
            ),
            (
                "log_lines_lost_total",
                "Lost log lines.",
                status.totals.log_lines_lost,
            ),
        ] {
            text.counter(name, help, value as f64);
        }
        text.head("requests_total", "counter", "Requests, by how they ended.");
        for (outcome, count) in status.outcomes.each() {
            text.value(
                "requests_total",
                &format!("{{outcome=\"{outcome}\"}}"),
                count as f64,
            );
        }
        text.head(
            "spawn_failures_total",
            "counter",
            "Programs that were not started, by reason.",
        );
        for (reason, count) in &status.spawn_failures {
            text.value(
                "spawn_failures_total",
                &format!("{{reason=\"{reason}\"}}"),
                *count as f64,
            );
        }
        let cost = &self.statistics.cost;
        text.head(
            "programs_cpu_seconds_total",
            "counter",
            "Processor time of programs that have ended.",
        );
        for (mode, time) in [("user", cost.user), ("system", cost.system)] {
            let label = format!("{{mode=\"{mode}\"}}");
            text.value("programs_cpu_seconds_total", &label, time.as_secs_f64());
        }
        if let Some(bytes) = cost.memory {
            text.gauge(
                "programs_memory_peak_bytes",
                "The largest resident memory of a program since the start.",
                bytes as f64,
            );
        }
        text.head(
            "limits_struck_total",
            "counter",
            "Programs that a limit has ended, by limit.",
        );
        for (limit, count) in &self.statistics.limits {
            let label = format!("{{limit=\"{limit}\"}}");
            text.value("limits_struck_total", &label, *count as f64);
        }
        self.rule_metrics(&mut text);
        text.histogram(
            "job_seconds",
            "From acceptance to the end of the program.",
            &self.statistics.duration,
        );
        text.histogram(
            "first_byte_seconds",
            "From acceptance to the first byte of output.",
            &self.statistics.first_byte,
        );
        text.0
    }

    /// The figures of each rule in force. Requests under a rule are complete, so none is malformed.
    fn rule_metrics(&self, text: &mut Text) {
        let rules: Vec<_> = self.guard.in_force().collect();
        if rules.is_empty() {
            return;
        }
        let labels: Vec<_> = rules.iter().map(|rule| quoted(rule.title)).collect();
        let mut gauge = |name: &str, help: &str, value: &dyn Fn(&InForce<'_>) -> Option<u64>| {
            text.head(name, "gauge", help);
            for (rule, label) in rules.iter().zip(&labels) {
                if let Some(value) = value(rule) {
                    text.value(name, &format!("{{rule={label}}}"), value as f64);
                }
            }
        };
        gauge(
            "rule_programs_running",
            "Programs that run, or are about to, by rule.",
            &|rule| Some(self.schedule.under(rule.quota).0),
        );
        gauge(
            "rule_programs_max",
            "Programs that may run at once, by rule, if it has a limit.",
            &|rule| rule.max_jobs.map(u64::from),
        );
        gauge(
            "rule_requests_waiting",
            "Requests that wait for other programs of the same rule.",
            &|rule| Some(self.schedule.under(rule.quota).1 as u64),
        );
        let name = "rule_requests_total";
        text.head(
            name,
            "counter",
            "Requests that a rule decided about, by how they ended.",
        );
        for (rule, label) in rules.iter().zip(&labels) {
            let outcomes = self.statistics.rules.get(rule.title).cloned();
            for (outcome, count) in outcomes.unwrap_or_default().each() {
                if outcome != "malformed" {
                    let labels = format!("{{rule={label},outcome=\"{outcome}\"}}");
                    text.value(name, &labels, count as f64);
                }
            }
        }
    }
}

/// The value of a label.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_label_is_quoted_as_the_format_has_it() {
        for (text, label) in [
            ("web", "\"web\""),
            ("a b", "\"a b\""),
            ("a\"b\\c\n", "\"a\\\"b\\\\c\\n\""),
        ] {
            assert_eq!(quoted(text), label);
        }
    }
}
