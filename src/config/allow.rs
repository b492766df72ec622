//! The rules in the configuration file, `[[allow]]`: the keys of a rule, and the default.

use std::rc::Rc;

use toml::de::DeValue;

use super::document::{Document, Name, in_order};
use super::execution::{self, EXECUTION_KEYS};
use super::place::{Accepts, Node, Place, TableKey, keys, one};
use super::rule::{arguments, groups, labels, name, prefix, programs, users};
use crate::execution::Execution;
use crate::rules::{Rule, Unmatched};
use crate::settings::Key;
use crate::settings::value::{Kind, SECONDS_MAX};

/// The name of the tables.
pub const NAME: &str = "allow";

/// The key of the decision about all other requests.
pub const DEFAULT: &str = "default";

const DEFAULT_ACCEPTS: &str = "one of \"allow\", \"deny\"";

const MAX_JOBS: Kind = Kind::Number(1, 1_000_000);
const TIMEOUT: Kind = Kind::Seconds(0.0, SECONDS_MAX);

keys! {
    /// The keys of a rule, besides those of the execution of its programs.
    pub static RULE_KEYS: Rule = {
        "name", Accepts::Name, name = name;
        "user", Accepts::Accounts, users = users;
        "group", Accepts::Accounts, groups = groups;
        "label", Accepts::Labels, labels = labels;
        "program", Accepts::Programs, programs = programs;
        "arguments", Accepts::Arguments, arguments = arguments;
        "max-jobs", Accepts::One(MAX_JOBS), max_jobs = one;
        "timeout", Accepts::One(TIMEOUT), timeout = one;
        "run-prefix", Accepts::Words, run_prefix = prefix;
    }
}

/// A key of rules, or about them, and its accepted values.
pub fn find(name: &str) -> Option<(&'static str, String)> {
    if name == DEFAULT {
        return Some((DEFAULT, DEFAULT_ACCEPTS.into()));
    }
    let key = RULE_KEYS.iter().find(|key| key.name == name)?;
    Some((key.name, key.accepts.accepted()))
}

/// The lines of the rules, for warnings about them.
pub fn lines(document: &Document<'_>, value: &Node<'_>) -> Vec<usize> {
    let tables = value.get_ref().as_array().into_iter().flatten();
    tables
        .map(|table| document.line_of(&table.span()))
        .collect()
}

/// Reads the decision about requests that no rule matches.
pub fn default(document: &Document<'_>, value: &Node<'_>) -> Result<Unmatched, String> {
    match value.get_ref().as_str() {
        Some("allow") => Ok(Unmatched::Allow),
        Some("deny") => Ok(Unmatched::Deny),
        _ => Err(document.refusal(&value.span(), DEFAULT, DEFAULT_ACCEPTS)),
    }
}

/// Reads all rules. Their programs are executed in the `general` way, as far as a rule has no
/// other.
pub fn rules(
    document: &Document<'_>,
    value: &Node<'_>,
    general: &Execution,
) -> Result<Vec<Rule>, String> {
    const WANTED: &str = "a list of tables, each under its own [[allow]]";
    let refusal = |value: &Node<'_>| document.refusal(&value.span(), NAME, WANTED);
    let tables = value.get_ref().as_array().ok_or_else(|| refusal(value))?;
    // An empty list would mean no rule, the opposite of its appearance.
    if tables.is_empty() {
        return Err(refusal(value));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(tables.len());
    for table in tables.iter() {
        let rule = match table.get_ref() {
            DeValue::Table(_) => rule(document, table, general)?,
            _ => return Err(refusal(table)),
        };
        let same = |other: &Rule| other.name.is_some() && other.name == rule.name;
        if let Some(number) = rules.iter().position(same) {
            let name = rule.name.unwrap_or_default();
            let what = format!("[[allow]]: rule {} has the name {name} too", number + 1);
            return Err(document.error(&table.span(), &what));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(document: &Document<'_>, table: &Node<'_>, general: &Execution) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let Some(keys) = table.get_ref().as_table() else {
        return Ok(rule);
    };
    let mut execution = execution::Reader::new(document, Some(general));
    for (name, value) in in_order(keys) {
        if execution.take(name, value)? {
            continue;
        }
        let Some(key) = RULE_KEYS.iter().find(|key| key.name == name.get_ref()) else {
            return Err(unknown(document, name));
        };
        let place = Place {
            document,
            key: key.name,
            accepts: key.accepts,
        };
        (key.put)(&mut rule, &place, value)?;
    }
    if let Some(what) = complaint(&rule) {
        return Err(document.error(&table.span(), &format!("[[allow]]: {what}")));
    }
    rule.execution = Rc::new(execution.done()?);
    Ok(rule)
}

/// What is wrong with a rule as a whole, if anything is.
fn complaint(rule: &Rule) -> Option<&'static str> {
    let for_all = rule.users.is_empty() && rule.groups.is_empty() && rule.labels.is_empty();
    // A file that was cut off ends in such a rule, which would allow everything.
    if for_all && rule.programs.is_empty() && rule.arguments.is_empty() {
        return Some(
            "names no user, no group and no program; to allow everything, set program = \"*\"",
        );
    }
    // What an argument means depends on the program.
    if rule.programs.is_empty() && !rule.arguments.is_empty() {
        return Some(
            "names arguments and no program; for those of all programs, set program = \"*\"",
        );
    }
    None
}

fn unknown(document: &Document<'_>, name: &Name<'_>) -> String {
    if Key::find(name.get_ref()).is_some() || name.get_ref() == DEFAULT {
        let what = "not a key of a rule; it belongs above the first [[allow]]";
        let what = format!("{}: {what}", name.get_ref());
        return document.error(&name.span(), &what);
    }
    let known = RULE_KEYS.iter().map(|key| key.name);
    let known: Vec<_> = known
        .chain(EXECUTION_KEYS.iter().map(|key| key.name))
        .collect();
    document.unknown(name, &known)
}
