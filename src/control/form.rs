//! What the arguments of commands may be: the range in words, and the reading of each kind.

use std::fmt;
use std::time::Duration;

use log::LevelFilter;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::signal::{self, SIGNAL_MAX};

/// The most connections served at once.
pub const CONNECTIONS_MAX: u32 = 1_000_000;

/// The longest time that an argument says, in seconds: ten years.
pub const SECONDS_MAX: u32 = 315_360_000;

/// How much of what a client sent is repeated in an error, in characters.
const QUOTE_MAX: usize = 64;

/// What an argument may be. Its text, which `help` and refusals have, names the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The number of a job, from 1.
    Job,
    /// A number of connections, 1 to [`CONNECTIONS_MAX`].
    Connections,
    /// A number of seconds up to [`SECONDS_MAX`], which may have a fraction.
    Seconds,
    /// A signal by name or number.
    Signal,
    /// A level of the log.
    Level,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job => f.write_str("number from 1"),
            Self::Connections => write!(f, "number from 1 to {CONNECTIONS_MAX}"),
            Self::Seconds => write!(f, "number of seconds from 0 to {SECONDS_MAX}"),
            Self::Signal => write!(
                f,
                "signal (a name such as TERM, or a number from 1 to {SIGNAL_MAX})"
            ),
            Self::Level => f.write_str("level (error, warn, info or debug)"),
        }
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub(super) fn job(value: &Value) -> Option<u64> {
    value.as_u64().filter(|&id| id > 0)
}

pub(super) fn connections(value: &Value) -> Option<u32> {
    let number = u32::try_from(value.as_u64()?).ok()?;
    (1..=CONNECTIONS_MAX).contains(&number).then_some(number)
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64()?;
    (0.0..=f64::from(SECONDS_MAX))
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

pub(super) fn signal(value: &Value) -> Option<i32> {
    match value {
        Value::String(word) => signal::parse(word),
        Value::Number(number) => signal::parse(&number.to_string()),
        _ => None,
    }
}

pub(super) fn level(value: &Value) -> Option<LevelFilter> {
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "error" => Some(LevelFilter::Error),
        "warn" => Some(LevelFilter::Warn),
        "info" => Some(LevelFilter::Info),
        "debug" => Some(LevelFilter::Debug),
        _ => None,
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
