//! The configuration file: from TOML to checked values, and errors with the line.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read as _};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::allow;
use super::keys::{KEYS, Key};
use super::value::{Kind, Value};
use crate::os::trusted::{self, Trusted};
use crate::rules::Rules;

/// The size of a file in bytes. It is read into memory.
const SIZE_MAX: u64 = 1024 * 1024;

/// What a file says.
#[derive(Debug, Default)]
pub struct Told {
    pub values: Vec<(&'static Key, Value)>,
    pub rules: Rules,
    /// Programs that the server runs could change it.
    pub exposed: bool,
}

/// Reads a file. `None` when it is not there and need not be.
///
/// # Errors
///
/// Names the file, and the line where there is one.
pub fn read(path: &Path, required: bool) -> Result<Option<Told>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    // Not to wait for somebody who writes, if it is a pipe.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    // A link that leads nowhere is somebody's mistake.
    let absent = |error: &Error| {
        error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() && !required
    };
    let file = match opened {
        Err(error) if absent(&error) => return Ok(None),
        opened => opened.map_err(|error| fail(&error))?,
    };
    let kind = file.metadata().map_err(|error| fail(&error))?.file_type();
    // What is in a pipe is gone after the first time, and with it the rules.
    if !kind.is_file() && !kind.is_char_device() {
        return Err(fail(&"not a regular file"));
    }
    let mut exposed = false;
    if kind.is_file() {
        let trusted = trusted::check(path).map_err(|untrusted| fail(&untrusted))?;
        exposed = trusted == Trusted::Own;
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(&error))?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(fail(&format_args!("larger than {SIZE_MAX} bytes")));
    }
    // One that has nothing to say has a comment. A full disk and a slip leave nothing.
    if kind.is_file() && bytes.trim_ascii().is_empty() {
        return Err(fail(
            &"it is empty, as if it had been cut off; to set nothing, put a comment in it",
        ));
    }
    let told = parse(&path.display().to_string(), &bytes)?;
    Ok(Some(Told { exposed, ..told }))
}

/// Reads a file's content; `name` is the file's in errors.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Told, String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line(bytes, error.valid_up_to());
            return Err(format!("{name}:{line}: not UTF-8"));
        }
    };
    let document = Document { name, text };
    let table = DeTable::parse(text).map_err(|error| document.syntax(&error))?;
    let (mut values, mut rules, mut default) = (Vec::new(), Vec::new(), None);
    for (name, value) in in_order(table.get_ref()) {
        if name.get_ref() == allow::NAME {
            rules = allow::rules(&document, value)?;
            continue;
        }
        if name.get_ref() == allow::DEFAULT {
            default = Some(allow::default(&document, value)?);
            continue;
        }
        let Some(key) = Key::find(name.get_ref()) else {
            let known = KEYS.iter().map(|key| key.name);
            let known: Vec<_> = known.chain([allow::DEFAULT, "[[allow]]"]).collect();
            return Err(document.unknown(name, &known));
        };
        match scalar(key.kind, value.get_ref()) {
            Some(value) => values.push((key, value)),
            None => return Err(document.wrong(value, key.name, key.kind)),
        }
    }
    let rules = Rules::new(rules, default);
    Ok(Told {
        values,
        rules,
        ..Told::default()
    })
}

/// A value of a setting, if it is accepted.
pub fn scalar(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Number(..), DeValue::Integer(_)) => kind.number(number(value)?),
        (Kind::Seconds(..), DeValue::Integer(_)) => kind.seconds(number(value)? as f64),
        (Kind::Seconds(..), DeValue::Float(seconds)) => {
            kind.seconds(seconds.as_str().parse().ok()?)
        }
        (Kind::Mode | Kind::Words(_), DeValue::String(text)) => kind.parse(text).ok(),
        _ => None,
    }
}

/// What is accepted in a file.
pub fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Mode => format!("a string with {}, such as \"0660\"", kind.accepted()),
        Kind::Words(words) => {
            let quoted: Vec<_> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            format!("one of {}", quoted.join(", "))
        }
        Kind::Number(..) | Kind::Seconds(..) => kind.accepted(),
    }
}

/// A whole number that is not negative.
pub fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The keys of a table as they stand in the file, so that the first error is told first.
pub fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(
    &'t Spanned<toml::de::DeString<'i>>,
    &'t Spanned<DeValue<'i>>,
)> {
    let mut all: Vec<_> = table.iter().collect();
    all.sort_by_key(|(name, _)| name.span().start);
    all
}

/// A file's name and text, for errors.
pub struct Document<'a> {
    name: &'a str,
    text: &'a str,
}

impl Document<'_> {
    /// An error at a place in the text.
    pub fn error(&self, at: &Range<usize>, what: &str) -> String {
        let line = line(self.text.as_bytes(), at.start);
        format!("{}:{line}: {what}", self.name)
    }

    /// A value is not what is wanted.
    pub fn refusal(&self, at: &Range<usize>, key: &str, wanted: &str) -> String {
        self.error(at, &format!("{key}: not {wanted}"))
    }

    /// A value is not what a setting of this kind wants.
    pub fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, kind: Kind) -> String {
        let mut wanted = wanted(kind);
        let is_number = matches!(kind, Kind::Number(..) | Kind::Seconds(..));
        if is_number && value.get_ref().is_str() {
            wanted.push_str(", without quotes");
        }
        self.refusal(&value.span(), key, &wanted)
    }

    /// There is no such key.
    pub fn unknown(&self, name: &Spanned<toml::de::DeString<'_>>, known: &[&str]) -> String {
        let key = name.get_ref().escape_debug();
        let what = match nearest(name.get_ref(), known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the keys are {}", known.join(", ")),
        };
        self.error(&name.span(), &format!("{key}: not a key; {what}"))
    }

    /// It is not TOML. What is wanted is told where a known key stands in the line.
    fn syntax(&self, error: &toml::de::Error) -> String {
        let at = error.span().unwrap_or_default();
        let message = error.message().trim_end();
        // What the parser expected is less than what the key accepts.
        let (reason, _) = message.split_once(", expected").unwrap_or((message, ""));
        let what = match (self.key_at(at.start), reason) {
            (Some((key, _)), "duplicate key") => format!("{key}: {reason}"),
            // Such as 5s, for which quotes would be of no help.
            (Some((key, wanted)), "string values must be quoted")
                if wanted.starts_with("a number") =>
            {
                format!("{key}: not {wanted}")
            }
            (Some((key, wanted)), _) => format!("{key}: {reason}; wanted is {wanted}"),
            _ => message.into(),
        };
        let what = what.replace('\n', ", ");
        self.error(&at, &what)
    }

    /// The key in the line of a byte, if it is a known one, and what it accepts.
    fn key_at(&self, at: usize) -> Option<(&'static str, String)> {
        let before = self.text.get(..at)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (key, _) = self.text[start..].lines().next()?.split_once('=')?;
        let setting = Key::find(key.trim()).map(|key| (key.name, wanted(key.kind)));
        setting.or_else(|| allow::find(key.trim()))
    }
}

/// The known key that a mistyped one is most like, if it is like any.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const ALIKE: f64 = 0.8;
    let plain = name.to_lowercase().replace('_', "-");
    let alike = |key: &str| strsim::jaro(&plain, key.trim_matches(['[', ']']));
    let near = known.iter().copied().filter(|key| alike(key) > ALIKE);
    near.max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

/// The line of a byte, counted from 1.
fn line(text: &[u8], at: usize) -> usize {
    let before = &text[..at.min(text.len())];
    1 + before.iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests;
