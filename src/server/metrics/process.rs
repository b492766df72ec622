//! The figures that Prometheus's own libraries have for every process, under the same names.

use super::text::Text;
use crate::control::payload::Status;
use crate::os::usage::Usage;

/// Appends them. A figure that /proc does not have is left out.
pub(super) fn process_metrics(text: &mut Text, status: &Status) {
    let usage = Usage::now();
    if let Some(time) = usage.processor_time {
        text.counter(
            "process_cpu_seconds_total",
            "Processor time of the server, user and system.",
            time.as_secs_f64(),
        );
    }
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Resident memory of the server.",
            status.memory.map(|bytes| bytes as f64),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory of the server.",
            usage.virtual_memory.map(|bytes| bytes as f64),
        ),
        (
            "process_open_fds",
            "Descriptors of the server.",
            status.descriptors.open.map(|count| count as f64),
        ),
        (
            "process_max_fds",
            "Descriptors that the server may have.",
            Some(status.descriptors.limit as f64),
        ),
        (
            "process_start_time_seconds",
            "When the server started, in seconds since 1970.",
            usage.started,
        ),
    ] {
        if let Some(value) = value {
            text.gauge(name, help, value);
        }
    }
}
