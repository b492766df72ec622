//! The details of one thing: labels and values, each value on lines of its own.

use sockexec::control::payload::Job;

use super::facts::Facts;
use super::line::{Line, Style, broken};
use crate::units::{UNKNOWN, bytes};

/// A label and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub label: &'static str,
    pub values: Vec<String>,
}

impl Field {
    pub fn one(label: &'static str, value: impl Into<String>) -> Self {
        Self {
            label,
            values: vec![value.into()],
        }
    }

    /// A value that may be unknown.
    pub fn maybe(label: &'static str, value: Option<impl Into<String>>) -> Self {
        let value = value.map(Into::into);
        Self::one(label, value.unwrap_or_else(|| UNKNOWN.to_owned()))
    }
}

/// What is known of each job, current or not.
pub fn common(facts: &Facts, job: &Job) -> Vec<Field> {
    let process = job.peer.pid.map(|pid| format!(", process {pid}"));
    let address = job.peer.address.as_ref();
    let address = address.map(|address| format!(", from {address}"));
    let client = format!(
        "{}{}{}",
        facts.names.client(job),
        process.unwrap_or_default(),
        address.unwrap_or_default()
    );
    let moved = format!(
        "in {}  out {}  err {}",
        bytes(job.input),
        bytes(job.out),
        bytes(job.err)
    );
    vec![
        Field::one("protocol", &job.protocol),
        Field::one("client", client),
        Field::maybe("rule", job.rule.as_deref()),
        Field::one(
            "runs as",
            job.run_as.as_deref().unwrap_or("the server's user"),
        ),
        Field::maybe("program", job.pid.map(|pid| format!("process {pid}"))),
        Field::one("bytes", moved),
    ]
}

/// The arguments, one on a line.
pub fn arguments(job: &Job) -> Field {
    let mut values = job.argv.clone();
    if job.argv_cut {
        values.push("...".into());
    }
    // They may be kept out of the answers.
    if values.is_empty() {
        values.push(job.title.clone());
    }
    Field {
        label: "arguments",
        values,
    }
}

/// The lines of fields within a width: labels, and values beside them.
pub fn lay_out(fields: &[Field], width: usize) -> Vec<Line> {
    let longest = fields.iter().map(|field| field.label.len()).max();
    let indent = (longest.unwrap_or(0) + 2).min(width / 2);
    let mut lines = Vec::new();
    for field in fields {
        let mut label = field.label;
        for value in &field.values {
            for text in broken(value, width - indent) {
                let mut line = Line::new(width);
                line.push(Style::BOLD, super::line::cut(label.into(), indent).as_str());
                line.pad(Style::PLAIN, indent - (width - line.left()));
                line.push(Style::PLAIN, &text);
                lines.push(line);
                label = "";
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_beside_their_labels_and_long_ones_are_broken() {
        let fields = [
            Field::one("a", "value"),
            Field {
                label: "label",
                values: vec!["0123456789".into(), "\u{4e00}".into()],
            },
        ];
        let text: Vec<_> = lay_out(&fields, 15).iter().map(Line::text).collect();
        let wanted = [
            "a      value",
            "label  01234567",
            "       89",
            "       \\u{4e00}",
        ];
        assert_eq!(text, wanted);
        for width in 0..20 {
            for line in lay_out(&fields, width) {
                assert!(line.text().len() <= width);
            }
        }
    }
}
