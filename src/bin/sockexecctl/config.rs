//! `config`: the configuration in effect, and where each value came from.

use serde_json::Value;
use sockexec::control::configured::{Configured, Entry};
use sockexec::settings::Key;
use sockexec::settings::name::nearest;

use crate::ask::Failure;
use crate::report::shown;
use crate::table::{self, Align};
use crate::units::UNKNOWN;

/// Leaves only the entries of these names, if there are any names.
pub fn only(mut all: Value, names: &[String]) -> Result<Value, Failure> {
    if names.is_empty() {
        return Ok(all);
    }
    let mut known = Vec::new();
    let is_named = |entry: &Value| names.iter().any(|name| entry["name"] == name.as_str());
    for list in all.as_object_mut().into_iter().flatten() {
        let Some(list) = list.1.as_array_mut() else {
            continue;
        };
        known.extend(
            list.iter()
                .filter_map(|entry| Some(entry["name"].as_str()?.to_owned())),
        );
        list.retain(is_named);
    }
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            let what = match nearest(name, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the names are {}", known.join(", ")),
            };
            Err(Failure::Name(format!(
                "there is no setting {name:?}; {what}"
            )))
        }
        None => Ok(all),
    }
}

/// A line for each value.
pub fn text(all: &Configured, width: Option<usize>) -> Vec<String> {
    use Align::Left;
    let headings = [("NAME", Left), ("VALUE", Left), ("FROM", Left)];
    let entries = all.settings.iter().chain(&all.programs).chain(&all.startup);
    let rows: Vec<_> = entries
        .map(|entry| {
            let value = value(&entry.name, &entry.value);
            [entry.name.clone(), value, from(entry)]
        })
        .collect();
    table::columns(headings, &rows, width)
}

fn value(name: &str, value: &Value) -> String {
    match (Key::find(name), value) {
        (_, Value::Null) => UNKNOWN.into(),
        (Some(key), value) => shown(key, value),
        (None, Value::String(text)) => text.clone(),
        (None, value) => value.to_string(),
    }
}

/// Where a value came from, and what else there is to say about it.
fn from(entry: &Entry) -> String {
    let mut all = vec![match (&entry.source[..], &entry.place) {
        ("set", _) => "set by command, until a reload or the next start".into(),
        ("option", Some(place)) => format!("option {place}"),
        ("environment", Some(place)) => format!("environment, {place}"),
        ("fallback", Some(place)) => format!("option {place}"),
        (_, Some(place)) => place.clone(),
        (source, None) => source.into(),
    }];
    if entry.source != "default" && !entry.default.is_null() && entry.default != entry.value {
        all.push(format!("default {}", value(&entry.name, &entry.default)));
    }
    if let Some(later) = &entry.at_next_start {
        all.push(format!("at the next start {}", value(&entry.name, later)));
    }
    all.extend(entry.note.iter().map(|note| format!("in effect {note}")));
    all.join("; ")
}
