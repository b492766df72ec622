//! The text of `totals`: a table for each kind of group.

use clap::ValueEnum;
use serde_json::Value;
use sockexec::control::history::{Group, Groups};
use sockexec::os::accounts::names::Names;

use crate::table::{self, Align};
use crate::units::{UNKNOWN, bytes, or_unknown, seconds};

/// By what jobs are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    Program,
    User,
    Rule,
}

impl By {
    const ALL: [Self; 3] = [Self::Program, Self::User, Self::Rule];

    /// The heading of its column, and its key in the answer.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Program => ("PROGRAM", "programs"),
            Self::User => ("USER", "users"),
            Self::Rule => ("RULE", "rules"),
        }
    }

    fn of(self, groups: &Groups) -> &[Group] {
        match self {
            Self::Program => &groups.programs,
            Self::User => &groups.users,
            Self::Rule => &groups.rules,
        }
    }
}

/// The part of the answer that was asked for.
pub fn part(answer: Value, by: Option<By>) -> Value {
    match by {
        Some(by) => answer.get(by.names().1).cloned().unwrap_or_default(),
        None => answer,
    }
}

/// The whole text: one table, or all three.
pub fn text(groups: &Groups, by: Option<By>, width: Option<usize>) -> Vec<String> {
    let names = Names::read();
    let mut lines = Vec::new();
    for by in By::ALL
        .into_iter()
        .filter(|one| by.is_none_or(|by| by == *one))
    {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let rows: Vec<_> = by
            .of(groups)
            .iter()
            .map(|group| row(group, by, &names))
            .collect();
        let headings = [
            ("RUNNING", Align::Right),
            ("JOBS", Align::Right),
            ("FAILED", Align::Right),
            ("TIME", Align::Right),
            ("CPU", Align::Right),
            ("MEMORY", Align::Right),
            ("IN", Align::Right),
            ("OUT", Align::Right),
            (by.names().0, Align::Left),
        ];
        lines.extend(table::columns(headings, &rows, width));
    }
    lines
}

fn row(group: &Group, by: By, names: &Names) -> [String; 9] {
    [
        group.running.to_string(),
        group.jobs.to_string(),
        group.failed.to_string(),
        seconds(group.seconds),
        seconds(group.cpu),
        or_unknown(group.memory, bytes),
        bytes(group.bytes_in),
        bytes(group.bytes_out),
        name(group, by, names),
    ]
}

fn name(group: &Group, by: By, names: &Names) -> String {
    let known = |uid| names.of(uid).map(str::to_owned);
    let named = match by {
        By::User => group.name.parse().ok().and_then(known),
        By::Program | By::Rule => None,
    };
    match (group.other, &group.name[..]) {
        (true, _) => "(all others)".into(),
        (false, "") => UNKNOWN.into(),
        (false, name) => named.unwrap_or_else(|| name.into()),
    }
}
