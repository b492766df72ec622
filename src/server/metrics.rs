//! All figures for Prometheus.
//!
//! | file | content |
//! |---|---|
//! | `text` | the format |
//! | `process` | the figures that every process has |
//! | `rules` | the figures of each rule |

mod process;
mod rules;
mod text;

use std::collections::BTreeMap;

use self::process::process_metrics;
use self::text::Text;
use super::Server;
use crate::control::payload::Status;
use crate::program::SpawnError;
use crate::record::LIMITS;

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
        self.labelled_metrics(&status, &mut text);
        self.configuration_metrics(&mut text);
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
        process_metrics(&mut text, &status);
        text.into_string()
    }

    /// Counters with a label. One that is known is there with 0 from the start: Prometheus sees
    /// no increase in one that appears.
    fn labelled_metrics(&self, status: &Status, text: &mut Text) {
        let outcomes = status.outcomes.each();
        text.by_label(
            ("requests_total", "outcome"),
            "Requests, by how they ended.",
            outcomes.map(|(outcome, count)| (outcome, count as f64)),
        );
        let failures = &self.statistics.spawn_failures;
        text.by_label(
            ("spawn_failures_total", "reason"),
            "Programs that were not started, by reason.",
            SpawnError::names().map(|name| (name, count_of(failures, name))),
        );
        let cost = &self.statistics.cost;
        text.by_label(
            ("programs_cpu_seconds_total", "mode"),
            "Processor time of programs that have ended.",
            [("user", cost.user), ("system", cost.system)].map(|(m, time)| (m, time.as_secs_f64())),
        );
        if let Some(bytes) = cost.memory {
            text.gauge(
                "programs_memory_peak_bytes",
                "The largest resident memory of a program since the start.",
                bytes as f64,
            );
        }
        let limits = &self.statistics.limits;
        text.by_label(
            ("limits_struck_total", "limit"),
            "Programs that a limit has ended, by limit.",
            LIMITS.map(|name| (name, count_of(limits, name))),
        );
    }

    /// Whether the configuration in force is that of the file, under the names that Prometheus
    /// has for its own.
    fn configuration_metrics(&self, text: &mut Text) {
        let last = self.configuration.last_read();
        text.gauge(
            "config_last_reload_successful",
            "Whether the last attempt to read the configuration succeeded.",
            f64::from(u8::from(last.fault.is_none())),
        );
        text.gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, in seconds since 1970.",
            last.success,
        );
    }
}

fn count_of(counts: &BTreeMap<&'static str, u64>, name: &str) -> f64 {
    counts.get(name).copied().unwrap_or_default() as f64
}
