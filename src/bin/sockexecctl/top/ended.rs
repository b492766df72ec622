//! The jobs that have ended: a row of each, and one with all of its details.

use sockexec::control::history::Ended;

use super::column::{Cell, Column, Key, Mark, Row};
use super::details::{Field, arguments, common};
use super::facts::Facts;
use crate::units::{UNKNOWN, bytes, seconds};

pub const COLUMNS: [Column; 14] = [
    Column::number("ID", 4, 4).rising(),
    Column::text("PROTO", 8, 12),
    Column::number("AGO", 5, 0).rising(),
    Column::text("USER", 8, 2),
    Column::text("AS", 8, 9),
    Column::text("END", 11, 0),
    Column::number("TIME", 5, 1),
    Column::number("CPU", 5, 3),
    Column::number("MEM", 4, 3),
    Column::number("IN", 4, 8),
    Column::number("OUT", 4, 7),
    Column::text("RULE", 8, 5),
    Column::text("LIMIT", 5, 10),
    Column::text("COMMAND", 0, 0),
];

/// The newest first.
pub const SORT: usize = 2;

pub fn row(facts: &Facts, ended: &Ended) -> Row {
    let job = &ended.job;
    let cpu = job.cost.map(|cost| cost.user + cost.system);
    Row {
        key: Key::Ended(ended.seq),
        mark: if ended.failed {
            Mark::Failed
        } else {
            Mark::None
        },
        cells: vec![
            Cell::count(job.id),
            Cell::text(job.protocol.as_str()),
            Cell::number(facts.time - ended.time, seconds),
            Cell::text(facts.names.client(job)),
            Cell::maybe(job.run_as.as_deref()),
            Cell::text(end(ended)),
            Cell::number(job.age, seconds),
            Cell::known(cpu, seconds),
            Cell::bytes(job.cost.and_then(|cost| cost.memory)),
            Cell::bytes(Some(job.input)),
            Cell::bytes(Some(job.out.saturating_add(job.err))),
            Cell::maybe(job.rule.as_deref()),
            Cell::maybe(job.limit.as_deref()),
            Cell::text(job.title.as_str()),
        ],
    }
}

/// How it has ended, in a word or two.
fn end(ended: &Ended) -> String {
    match (&ended.outcome[..], ended.exit, &ended.signal) {
        ("exit-zero", ..) => "ok".into(),
        ("exit-nonzero", Some(code), _) => format!("exit {code}"),
        ("signal", _, Some(signal)) => signal.clone(),
        (outcome, ..) => outcome.replace('-', " "),
    }
}

/// All about a job that has ended.
pub fn details(facts: &Facts, ended: &Ended) -> Vec<Field> {
    let job = &ended.job;
    let ago = format!("{} ago, {}", seconds(facts.time - ended.time), end(ended));
    let mut fields = vec![Field::one("ended", ago)];
    if let Some(code) = ended.exit {
        fields.push(Field::one("exit code", code.to_string()));
    }
    fields.extend(
        ended
            .signal
            .as_ref()
            .map(|signal| Field::one("signal", signal)),
    );
    fields.extend(ended.fault.as_ref().map(|fault| Field::one("fault", fault)));
    fields.extend(job.limit.as_ref().map(|limit| Field::one("limit", limit)));
    fields.extend(common(facts, job));
    fields.push(Field::one("duration", seconds(job.age)));
    let cost = job.cost.map(|cost| {
        let memory = cost.memory.map_or_else(|| UNKNOWN.into(), bytes);
        let (user, system) = (seconds(cost.user), seconds(cost.system));
        format!("user {user}  system {system}  memory {memory}")
    });
    fields.push(Field::maybe("cost", cost));
    fields.push(arguments(job));
    if !ended.stderr.is_empty() {
        fields.push(Field {
            label: "end of stderr",
            values: ended.stderr.lines().map(str::to_owned).collect(),
        });
    }
    fields
}
