//! An update as plain text, for a screen of some size or without a limit.

use crate::ask::Failure;
use crate::output::printable;
use crate::report;
use crate::table::{self, Row};
use crate::units::{bytes_per_second, or_unknown, per_second};

use super::sample::{Rates, Sample};

/// Columns and lines.
pub type Size = (usize, usize);

/// A whole update: figures, then as many jobs as fit, the oldest first.
pub fn all(sample: &Sample, rates: Option<Rates>, size: Option<Size>) -> Vec<String> {
    let status = &sample.status;
    let rows = [
        report::server(status),
        report::connections(status),
        report::resources(status),
        rates_row(rates),
        report::percentiles("duration", &status.duration),
        report::percentiles("first byte", &status.first_byte),
        report::ended(status),
    ];
    let width = size.map(|(width, _)| width);
    let mut lines = table::wrap(&rows, width);
    lines.push(String::new());
    let table = report::jobs(&sample.jobs, width);
    match size {
        None => lines.extend(table),
        Some((width, height)) => fit(&mut lines, table, width, height),
    }
    lines
}

/// Adds the table of jobs within the height, and the number of jobs that do not fit.
fn fit(lines: &mut Vec<String>, mut table: Vec<String>, width: usize, height: usize) {
    let room = height.saturating_sub(lines.len());
    if table.len() > room {
        // The last line that fits has the number of jobs that are left out.
        let shown = room.saturating_sub(1);
        let left = table.len() - shown.max(1);
        table.truncate(shown);
        table.push(table::cut(format!("{left} more"), Some(width)));
    }
    lines.append(&mut table);
    lines.truncate(height);
}

/// The server does not answer: the reason.
pub fn away(failure: &Failure, width: Option<usize>) -> Vec<String> {
    let text = format!("{failure}; trying again");
    vec![table::cut(printable(&text), width)]
}

fn rates_row(rates: Option<Rates>) -> Row {
    let figure = |name, text: String| format!("{name} {text}");
    Row {
        label: "rates",
        items: vec![
            figure("jobs", or_unknown(rates, |rates| per_second(rates.jobs))),
            figure(
                "in",
                or_unknown(rates, |rates| bytes_per_second(rates.bytes_in)),
            ),
            figure(
                "out",
                or_unknown(rates, |rates| bytes_per_second(rates.bytes_out)),
            ),
        ],
    }
}
