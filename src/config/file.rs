//! The configuration file: whether it can be trusted, and its keys, from TOML to checked values.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::allow;
use super::document::{Document, Name, in_order, scalar, wanted};
use super::execution::{self, EXECUTION_KEYS};
use super::place::Node;
use crate::execution::Execution;
use crate::os::errors::reason;
use crate::os::trusted::{self, Trusted};
use crate::rules::Rules;
use crate::settings::value::Value;
use crate::settings::{KEYS, Key};

/// The size of a file in bytes. It is read into memory.
const SIZE_MAX: u64 = 1024 * 1024;

/// The content of a file.
#[derive(Debug, Default)]
pub struct FileContent {
    pub values: Vec<(&'static Key, Value)>,
    pub rules: Rules,
    /// The lines of all keys above the rules, and of the first rule.
    pub lines: Vec<(String, usize)>,
    /// The lines of the rules, in their order.
    pub lines_of_rules: Vec<usize>,
    /// Programs that the server runs could change it.
    pub exposed: bool,
}

/// Reads a file. `None` if it does not exist and need not. `general` is how programs are executed
/// where the file does not say it.
///
/// # Errors
///
/// The text names the file, and the line if there is one.
pub fn read(
    path: &Path,
    required: bool,
    general: &Execution,
) -> Result<Option<FileContent>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {}", path.display(), reason(error));
    // A pipe must not make this wait for a writer.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    // A dangling link is a mistake.
    let absent = |error: &Error| {
        error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() && !required
    };
    let file = match opened {
        Err(error) if absent(&error) => return Ok(None),
        opened => opened.map_err(|error| fail(&error))?,
    };
    let kind = file.metadata().map_err(|error| fail(&error))?.file_type();
    // The content of a pipe is gone after the first read, and with it the rules.
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
    // A file that sets nothing has a comment. A full disk or a slip leaves an empty file.
    if kind.is_file() && bytes.trim_ascii().is_empty() {
        return Err(fail(
            &"it is empty, as if it had been cut off; to set nothing, put a comment in it",
        ));
    }
    let content = parse(&path.display().to_string(), &bytes, general)?;
    Ok(Some(FileContent { exposed, ..content }))
}

/// Reads a file's content; `name` is the file's in errors, `unsaid` how programs are executed where
/// it does not say it.
pub fn parse(name: &str, bytes: &[u8], unsaid: &Execution) -> Result<FileContent, String> {
    let document = Document::new(name, bytes)?;
    let table = document.table(find)?;
    let (mut values, mut default, mut rules) = (Vec::new(), None, None);
    let mut lines = Vec::new();
    let mut general = execution::Reader::new(&document, None);
    for (name, value) in in_order(table.get_ref()) {
        // What follows a rule is a table of its own, and does not look like that.
        if rules.is_some() {
            return Err(misplaced(&document, name));
        }
        lines.push((name.get_ref().to_string(), document.line_of(&name.span())));
        match &name.get_ref()[..] {
            allow::NAME => rules = Some(value),
            allow::DEFAULT => default = Some(allow::default(&document, value)?),
            _ if general.take(name, value)? => {}
            _ => values.push(setting(&document, name, value)?),
        }
    }
    let general = general.done()?.or(unsaid);
    let lines_of_rules = rules.map_or_else(Vec::new, |tables| allow::lines(&document, tables));
    let rules = match rules {
        Some(tables) => allow::rules(&document, tables, &general)?,
        None => Vec::new(),
    };
    Ok(FileContent {
        values,
        lines,
        lines_of_rules,
        rules: Rules::new(rules, default).with_general(general),
        ..FileContent::default()
    })
}

/// Reads a setting of the table.
fn setting(
    document: &Document<'_>,
    name: &Name<'_>,
    value: &Node<'_>,
) -> Result<(&'static Key, Value), String> {
    let Some(key) = Key::find(name.get_ref()) else {
        return Err(unknown(document, name));
    };
    match scalar(key.kind, value.get_ref()) {
        Some(value) => Ok((key, value)),
        None => Err(document.wrong(value, key.name, key.kind)),
    }
}

fn unknown(document: &Document<'_>, name: &Name<'_>) -> String {
    if let Some((key, _)) = allow::find(name.get_ref()) {
        let what = format!("{key}: a key of a rule; it belongs below an [[allow]]");
        return document.error(&name.span(), &what);
    }
    let known = KEYS.iter().map(|key| key.name);
    let known = known.chain(EXECUTION_KEYS.iter().map(|key| key.name));
    let known: Vec<_> = known.chain([allow::DEFAULT, "[[allow]]"]).collect();
    document.unknown(name, &known)
}

fn misplaced(document: &Document<'_>, name: &Name<'_>) -> String {
    let name_text = name.get_ref().escape_debug();
    let what = format!(
        "{name_text}: is about all programs, and belongs above the first [[allow]]; a table of a \
         rule is [allow.{name_text}]"
    );
    document.error(&name.span(), &what)
}

/// A key, and its accepted values.
fn find(name: &str) -> Option<(&'static str, String)> {
    let setting = Key::find(name).map(|key| (key.name, wanted(key.kind)));
    setting
        .or_else(|| execution::find(name))
        .or_else(|| allow::find(name))
}

#[cfg(test)]
mod tests;
