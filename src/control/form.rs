//! The forms of the arguments of commands: the text of each range, and the parsing of each kind.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::history::WAIT_MAX;
use crate::settings::Key;
use crate::settings::duration;
use crate::settings::value::{Kind, RATE_MIN, Stored as _, Value as Setting};
use crate::signal::{self, SIGNAL_MAX};

/// How much of a client's text is repeated in an error, in characters.
const QUOTE_MAX: usize = 64;

/// The last number of a user or a group; the one after it means "none" in system calls.
const ACCOUNT_MAX: u32 = u32::MAX - 1;

/// The form of an argument. Its text, in `help` and refusals, names the range.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// The number of a job, from 1.
    Job,
    /// Numbers of jobs, at least one.
    Jobs,
    /// A signal by name or number.
    Signal,
    /// The number of a user.
    Account,
    /// Numbers of groups.
    Accounts,
    /// A user by name or number.
    User,
    /// Number of things, from 1.
    Count,
    /// Number of the last event that is known.
    Event,
    /// How long to wait.
    Wait,
    /// True or false.
    Bool,
    /// Text for a program.
    Text,
    /// A list of it.
    Texts,
    /// The value of this setting.
    Setting(&'static Key),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job | Self::Count => f.write_str("number from 1"),
            Self::Jobs => f.write_str("list of numbers from 1"),
            Self::Event => f.write_str("number from 0"),
            Self::Wait => f.write_str(&time(0.0, WAIT_MAX)),
            Self::Bool => write!(f, "value ({})", Kind::Bool.accepted()),
            Self::User => f.write_str("user (a name or a number)"),
            Self::Signal => write!(
                f,
                "signal (a name such as TERM, or a number from 1 to {SIGNAL_MAX})"
            ),
            Self::Account => write!(f, "number from 0 to {ACCOUNT_MAX}"),
            Self::Accounts => write!(f, "list of numbers from 0 to {ACCOUNT_MAX}"),
            Self::Text => f.write_str("string without NUL"),
            Self::Texts => f.write_str("list of such strings"),
            Self::Setting(key) => match key.kind {
                Kind::Number(least, most) | Kind::Bytes(least, most) => {
                    write!(f, "number from {least} to {most}")
                }
                Kind::Seconds(least, most) => f.write_str(&time(least, most)),
                Kind::Rate(most) => write!(f, "number, 0 or from {RATE_MIN} to {most}"),
                Kind::Bool => write!(f, "value ({})", key.kind.accepted()),
                Kind::Mode => write!(f, "string with {}", key.kind.accepted()),
                Kind::Words(_) => {
                    // The last part of the name, such as "level"; one part alone may be no noun.
                    let noun = key.name.rsplit_once('-').map_or("value", |(_, noun)| noun);
                    write!(f, "{noun} ({})", key.kind.accepted())
                }
            },
        }
    }
}

/// A time in this range.
fn time(least: f64, most: f64) -> String {
    let quoted = duration::QUOTED;
    format!("number of seconds from {least} to {most}, or a string such as {quoted}")
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(super) fn job(value: &Value) -> Option<u64> {
    value.as_u64().filter(|&id| id > 0)
}

pub(super) fn jobs(value: &Value) -> Option<Vec<u64>> {
    let jobs = value.as_array().filter(|jobs| !jobs.is_empty())?;
    jobs.iter().map(job).collect()
}

pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().filter(|&count| count > 0)
}

pub(super) fn user(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) => account(value).map(|uid| uid.to_string()),
        _ => text(value),
    }
}

pub(super) fn wait(value: &Value) -> Option<Duration> {
    let wait = setting(Kind::Seconds(0.0, WAIT_MAX), value)?;
    Duration::stored(wait)
}

pub(super) fn signal(value: &Value) -> Option<i32> {
    match value {
        Value::String(word) => signal::parse(word),
        Value::Number(number) => signal::parse(&number.to_string()),
        _ => None,
    }
}

pub(super) fn account(value: &Value) -> Option<u32> {
    let number = value.as_u64()?.try_into().ok()?;
    Some(number).filter(|&number| number <= ACCOUNT_MAX)
}

pub(super) fn accounts(value: &Value) -> Option<Vec<u32>> {
    value.as_array()?.iter().map(account).collect()
}

pub(super) fn text(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.contains('\0'))?;
    Some(text.to_owned())
}

pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

/// A value of this kind. Words are taken in any case.
pub(super) fn setting(kind: Kind, value: &Value) -> Option<Setting> {
    match kind {
        Kind::Number(..) | Kind::Bytes(..) => kind.number(value.as_u64()?),
        Kind::Seconds(..) => match value.as_str() {
            Some(text) => kind.parse(text).ok(),
            None => kind.seconds(value.as_f64()?),
        },
        Kind::Rate(_) => kind.rate(value.as_f64()?),
        Kind::Bool => Some(Setting::Bool(value.as_bool()?)),
        Kind::Mode => kind.parse(value.as_str()?).ok(),
        Kind::Words(_) => kind.parse(&value.as_str()?.to_ascii_lowercase()).ok(),
    }
}

/// A word that a client sent, harmless and short enough for a line of text.
pub(super) fn quote(word: &str) -> String {
    format!("\"{}\"", shorten(word))
}

/// The same for a value.
pub(super) fn quote_value(value: &Value) -> String {
    match value {
        Value::String(word) => quote(word),
        other => shorten(&other.to_string()),
    }
}

fn shorten(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_MAX).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", short.escape_debug())
}
