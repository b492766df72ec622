//! The writer of the text format of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use crate::statistics::{BUCKETS, Durations};

/// Text that grows by one metric after the other.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Writing to a string does not fail.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = prefix(name);
        let _ = writeln!(self.0, "# HELP {prefix}{name} {help}");
        let _ = writeln!(self.0, "# TYPE {prefix}{name} {kind}");
    }

    /// `labels` is empty, or all of them with their braces.
    pub(super) fn value(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.0, "{}{name}{labels} {value}", prefix(name));
    }

    /// A value for each value of one label, which needs no escapes.
    pub(super) fn by_label<'a>(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        all: impl IntoIterator<Item = (&'a str, f64)>,
    ) {
        self.head(name, "counter", help);
        for (of, value) in all {
            self.value(name, &format!("{{{label}=\"{of}\"}}"), value);
        }
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "gauge", help);
        self.value(name, "", value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "counter", help);
        self.value(name, "", value);
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, durations: &Durations) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in BUCKETS.iter().zip(durations.within) {
            self.value(&bucket, &format!("{{le=\"{bound}\"}}"), count as f64);
        }
        self.value(&bucket, "{le=\"+Inf\"}", durations.count as f64);
        self.value(&format!("{name}_sum"), "", durations.sum.as_secs_f64());
        self.value(&format!("{name}_count"), "", durations.count as f64);
    }

    /// All of it.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// The names of the process are those that Prometheus's own libraries use, the same for all
/// programs.
fn prefix(name: &str) -> &'static str {
    match name.starts_with("process_") {
        true => "",
        false => "sockexec_",
    }
}

/// The value of a label.
pub(super) fn quoted(text: &str) -> String {
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
