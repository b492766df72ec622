//! The current jobs: a row of each, and one with all of its details.

use sockexec::control::payload::Job;

use super::column::{Cell, Column, Key, Mark, Row};
use super::details::{Field, arguments, common};
use super::facts::Facts;
use crate::units::{bytes, bytes_per_second, percent, seconds};

/// The part of its time after which a job is late.
const LATE: f64 = 0.8;

pub const COLUMNS: [Column; 16] = [
    Column::number("ID", 4, 0).rising(),
    Column::text("PROTO", 8, 12),
    Column::text("USER", 8, 2),
    Column::text("AS", 8, 9),
    Column::number("PROGRAM", 7, 11).rising(),
    Column::text("STATE", 8, 5),
    Column::number("AGE", 5, 0),
    Column::number("LEFT", 5, 3).rising(),
    Column::number("CPU", 4, 1),
    Column::number("MEM", 4, 4),
    Column::number("IN", 4, 10),
    Column::number("OUT", 4, 10),
    Column::number("IN/s", 6, 7),
    Column::number("OUT/s", 6, 6),
    Column::text("RULE", 8, 8),
    Column::text("COMMAND", 0, 0),
];

/// The oldest first.
pub const SORT: usize = 6;

pub fn row(facts: &Facts, job: &Job) -> Row {
    let usage = facts.usages.get(&job.id);
    let flow = facts.flows.get(&job.id);
    let cpu = usage.and_then(|usage| usage.cpu);
    let pid = job.pid.map(f64::from);
    Row {
        key: Key::Job(job.id),
        mark: mark(job),
        cells: vec![
            Cell::count(job.id),
            Cell::text(job.protocol.as_str()),
            Cell::text(facts.names.client(job)),
            Cell::maybe(job.run_as.as_deref()),
            Cell::known(pid, |pid| pid.to_string()),
            Cell::text(job.state.as_str()),
            Cell::number(job.age, seconds),
            Cell::known(job.deadline, seconds),
            Cell::known(cpu, percent),
            Cell::bytes(usage.and_then(|usage| usage.memory)),
            Cell::bytes(Some(job.input)),
            Cell::bytes(Some(output(job))),
            Cell::known(flow.map(|flow| flow.input), bytes_per_second),
            Cell::known(flow.map(|flow| flow.output), bytes_per_second),
            Cell::maybe(job.rule.as_deref()),
            Cell::text(job.title.as_str()),
        ],
    }
}

fn mark(job: &Job) -> Mark {
    match job.deadline {
        Some(left) if job.age >= LATE * (job.age + left) => Mark::Late,
        _ => Mark::None,
    }
}

fn output(job: &Job) -> u64 {
    job.out.saturating_add(job.err)
}

/// All about a job.
pub fn details(facts: &Facts, job: &Job) -> Vec<Field> {
    let usage = facts.usages.get(&job.id);
    let flow = facts.flows.get(&job.id);
    let mut fields = vec![Field::one("state", &job.state)];
    fields.extend(common(facts, job));
    fields.push(Field::one("age", seconds(job.age)));
    let left = job.deadline.map_or_else(|| "none".into(), seconds);
    fields.push(Field::one("time left", left));
    let cpu = usage.and_then(|usage| usage.cpu).map(percent);
    fields.push(Field::maybe("processor", cpu));
    let memory = usage.and_then(|usage| usage.memory).map(bytes);
    fields.push(Field::maybe("memory", memory));
    let living = usage.and_then(|usage| usage.processes).or(job.processes);
    fields.push(Field::maybe(
        "processes",
        living.map(|count| count.to_string()),
    ));
    let cgroup = usage.and_then(|usage| usage.cgroup.as_deref());
    fields.push(Field::maybe("cgroup", cgroup));
    let rates = flow.map(|flow| {
        let (input, output) = (bytes_per_second(flow.input), bytes_per_second(flow.output));
        format!("in {input}  out and err {output}")
    });
    fields.push(Field::maybe("rates", rates));
    fields.push(arguments(job));
    fields
}
