//! A TOML document with its places: keys, values, and errors that name the line.
//!
//! Knows values and their kinds, and no key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::settings::duration;
use crate::settings::name::nearest;
use crate::settings::value::{Kind, Value};

/// Finds a key, and its accepted values.
type Find = fn(&str) -> Option<(&'static str, String)>;

/// A key with its place in the file.
pub type Name<'i> = Spanned<toml::de::DeString<'i>>;

/// A file's name and text, for errors.
pub struct Document<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// A document of this name and content.
    ///
    /// # Errors
    ///
    /// When it is not UTF-8.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Result<Self, String> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let line = line(bytes, error.valid_up_to());
                Err(format!("{name}:{line}: not UTF-8"))
            }
        }
    }

    /// Its table; `find` knows keys, and their accepted values.
    ///
    /// # Errors
    ///
    /// When it is not TOML.
    pub fn table(&self, find: Find) -> Result<Spanned<DeTable<'a>>, String> {
        DeTable::parse(self.text).map_err(|error| self.syntax(&error, find))
    }

    /// The line of a place in the text.
    pub fn line_of(&self, at: &Range<usize>) -> usize {
        line(self.text.as_bytes(), at.start)
    }

    /// An error at a place in the text.
    pub fn error(&self, at: &Range<usize>, what: &str) -> String {
        let line = line(self.text.as_bytes(), at.start);
        format!("{}:{line}: {what}", self.name)
    }

    /// A value is not accepted.
    pub fn refusal(&self, at: &Range<usize>, key: &str, wanted: &str) -> String {
        self.error(at, &format!("{key}: not {wanted}"))
    }

    /// A value is not of this kind.
    pub fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, kind: Kind) -> String {
        let mut wanted = wanted(kind);
        let is_bare = matches!(kind, Kind::Number(..) | Kind::Rate(_) | Kind::Bool);
        if is_bare && value.get_ref().is_str() {
            wanted.push_str(", without quotes");
        }
        if let (Kind::Mode, DeValue::Integer(number)) = (kind, value.get_ref()) {
            let quoted = format!("{:0>4}", number.as_str());
            if kind.parse(&quoted).is_ok() {
                wanted = format!("{}; write it in quotes: \"{quoted}\"", kind.accepted());
            }
        }
        self.refusal(&value.span(), key, &wanted)
    }

    /// There is no such key.
    pub fn unknown(&self, name: &Name<'_>, known: &[&str]) -> String {
        let key = name.get_ref().escape_debug();
        let what = match nearest(name.get_ref(), known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        self.error(&name.span(), &format!("{key}: not a key; {what}"))
    }

    /// It is not TOML. The accepted values are named if a known key is in the line: `find` knows
    /// keys, and their accepted values.
    fn syntax(&self, error: &toml::de::Error, find: Find) -> String {
        let at = error.span().unwrap_or_default();
        let message = error.message().trim_end();
        // The accepted values of the key are a better text than the parser's expectation.
        let (reason, _) = message.split_once(", expected").unwrap_or((message, ""));
        let key = self.key_at(at.start).and_then(find);
        let what = match (key, reason) {
            (Some((key, _)), "duplicate key") => format!("{key}: {reason}"),
            // Such as 0660 or 5m.
            (Some((key, wanted)), _)
                if wanted.contains("string") && self.bare_at(at.start).is_some() =>
            {
                let value = self.bare_at(at.start).unwrap_or_default();
                format!("{key}: not {wanted}; write it in quotes: \"{value}\"")
            }
            // Such as 5, where quotes would not help.
            (Some((key, wanted)), "string values must be quoted")
                if ["a number", "0 or", "true"]
                    .iter()
                    .any(|bare| wanted.starts_with(bare)) =>
            {
                format!("{key}: not {wanted}")
            }
            (Some((key, wanted)), _) => format!("{key}: {reason}; expected {wanted}"),
            _ => message.into(),
        };
        let what = what.replace('\n', ", ");
        self.error(&at, &what)
    }

    /// The text before the equals sign in the line of a byte.
    fn key_at(&self, at: usize) -> Option<&str> {
        let before = self.text.get(..at)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (key, _) = self.text[start..].lines().next()?.split_once('=')?;
        Some(key.trim())
    }

    /// The value in the line of a byte, if it is one word, without quotes.
    fn bare_at(&self, at: usize) -> Option<&str> {
        let line = self.text.lines().nth(line(self.text.as_bytes(), at) - 1)?;
        let (_, value) = line.split_once('=')?;
        let value = value.split('#').next()?.trim();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-' | b'_');
        (!value.is_empty() && value.bytes().all(plain)).then_some(value)
    }
}

/// A value of a setting, if it is accepted.
pub fn scalar(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Number(..) | Kind::Bytes(..), DeValue::Integer(_)) => kind.number(number(value)?),
        (Kind::Seconds(..), DeValue::Integer(_)) => kind.seconds(number(value)? as f64),
        (Kind::Seconds(..), DeValue::Float(seconds)) => {
            kind.seconds(seconds.as_str().parse().ok()?)
        }
        (Kind::Rate(_), DeValue::Integer(_)) => kind.rate(number(value)? as f64),
        (Kind::Rate(_), DeValue::Float(rate)) => kind.rate(rate.as_str().parse().ok()?),
        (Kind::Bool, DeValue::Boolean(is)) => Some(Value::Bool(*is)),
        (
            Kind::Mode | Kind::Words(_) | Kind::Bytes(..) | Kind::Seconds(..),
            DeValue::String(text),
        ) => kind.parse(text).ok(),
        _ => None,
    }
}

/// The accepted values in a file.
pub fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Mode => format!("a string with {}, such as \"0660\"", kind.accepted()),
        Kind::Bytes(..) => format!(
            "{}, or a string such as \"200M\" (K, M or G)",
            kind.accepted()
        ),
        Kind::Seconds(least, most) => {
            format!(
                "a number of seconds from {least} to {most}, or a string such as {}",
                duration::QUOTED
            )
        }
        Kind::Words(words) => {
            let quoted: Vec<_> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            format!("one of {}", quoted.join(", "))
        }
        _ => kind.accepted(),
    }
}

/// A whole number that is not negative.
pub fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The keys of a table in the order of the file, so that the first error is reported first.
pub fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Name<'i>, &'t Spanned<DeValue<'i>>)> {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by_key(|(name, _)| name.span().start);
    all
}

/// The line of a byte, counted from 1.
fn line(text: &[u8], at: usize) -> usize {
    let before = &text[..at.min(text.len())];
    1 + before.iter().filter(|&&b| b == b'\n').count()
}
