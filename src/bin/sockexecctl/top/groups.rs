//! Totals by program, user or rule: a row of each, and one with all of its figures.

use sockexec::control::history::Group;

use super::column::{Cell, Column, Key, Mark, Row};
use super::details::Field;
use crate::units::{bytes, seconds};

pub const PROGRAMS: [Column; 10] = columns("PROGRAM");
pub const USERS: [Column; 10] = columns("USER");
pub const RULES: [Column; 10] = columns("RULE");

const fn columns(name: &'static str) -> [Column; 10] {
    [
        Column::number("RUNNING", 7, 1),
        Column::number("ENDED", 6, 0),
        Column::number("FAILED", 6, 0),
        Column::number("TIME", 5, 3),
        Column::number("MEAN", 5, 4),
        Column::number("CPU", 5, 2),
        Column::number("MEM", 4, 5),
        Column::number("IN", 4, 7),
        Column::number("OUT", 4, 6),
        Column::text(name, 0, 0),
    ]
}

/// Those with most jobs first.
pub const SORT: usize = 1;

pub fn row(group: &Group, name: &str) -> Row {
    Row {
        key: key(group),
        mark: Mark::None,
        cells: vec![
            Cell::count(group.running),
            Cell::count(group.jobs),
            Cell::count(group.failed),
            Cell::number(group.seconds, seconds),
            Cell::known(mean(group), seconds),
            Cell::number(group.cpu, seconds),
            Cell::bytes(group.memory),
            Cell::bytes(Some(group.bytes_in)),
            Cell::bytes(Some(group.bytes_out)),
            Cell::text(name),
        ],
    }
}

pub fn key(group: &Group) -> Key {
    match group.other {
        true => Key::Others,
        false => Key::Group(group.name.clone()),
    }
}

/// The mean duration of those that have ended.
fn mean(group: &Group) -> Option<f64> {
    (group.jobs > 0).then(|| group.seconds / group.jobs as f64)
}

/// All figures of a group.
pub fn details(group: &Group, name: &str) -> Vec<Field> {
    vec![
        Field::one("name", name),
        Field::one("running", group.running.to_string()),
        Field::one("ended", group.jobs.to_string()),
        Field::one("failed", group.failed.to_string()),
        Field::one("duration", seconds(group.seconds)),
        Field::maybe("mean", mean(group).map(seconds)),
        Field::one("processor", seconds(group.cpu)),
        Field::maybe("most memory", group.memory.map(bytes)),
        Field::one("in", bytes(group.bytes_in)),
        Field::one("out and err", bytes(group.bytes_out)),
    ]
}
