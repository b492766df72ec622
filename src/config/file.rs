//! The configuration file: whether it can be trusted, and its keys, from TOML to checked values.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::allow;
use super::document::{Document, in_order, scalar, wanted};
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
    /// Programs that the server runs could change it.
    pub exposed: bool,
}

/// Reads a file. `None` if it does not exist and need not.
///
/// # Errors
///
/// The text names the file, and the line if there is one.
pub fn read(path: &Path, required: bool) -> Result<Option<FileContent>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
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
    let content = parse(&path.display().to_string(), &bytes)?;
    Ok(Some(FileContent { exposed, ..content }))
}

/// Reads a file's content; `name` is the file's in errors.
pub fn parse(name: &str, bytes: &[u8]) -> Result<FileContent, String> {
    let document = Document::new(name, bytes)?;
    let table = document.table(find)?;
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
    Ok(FileContent {
        values,
        rules,
        ..FileContent::default()
    })
}

/// A key, and its accepted values.
fn find(name: &str) -> Option<(&'static str, String)> {
    let setting = Key::find(name).map(|key| (key.name, wanted(key.kind)));
    setting.or_else(|| allow::find(name))
}

#[cfg(test)]
mod tests;
