//! The values of a rule's keys: from TOML to numbers and paths.
//!
//! Names of users and groups are asked for here, once, and so are the real directories of
//! programs: a decision then needs nothing but a comparison.

use nix::errno::Errno;
use toml::de::DeValue;

use super::document::number;
use super::place::{Node, Place};
use crate::os::{accounts, lookup};
use crate::rules::arguments::{ArgumentList, Pattern};
use crate::rules::label::Label;
use crate::rules::{Program, prefix};

/// Stands for every program.
const ANY: &str = "*";

/// The longest name of a rule, in bytes.
const NAME_MAX: usize = 64;

/// How a name is asked for.
type Find = fn(&str) -> Result<Option<u32>, Errno>;

/// Users, by their numbers.
pub fn users(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<u32>, String> {
    accounts(place, value, accounts::user)
}

/// Groups, by their numbers.
pub fn groups(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<u32>, String> {
    accounts(place, value, accounts::group)
}

fn accounts(place: &Place<'_>, value: &Node<'_>, find: Find) -> Result<Vec<u32>, String> {
    let all = place.one_or_more(value)?.iter();
    all.map(|value| account(place, value, find)).collect()
}

fn account(place: &Place<'_>, value: &Node<'_>, find: Find) -> Result<u32, String> {
    // The last number means "none" in system calls.
    let valid = |n: &u64| *n < u64::from(u32::MAX);
    let as_number = match value.get_ref() {
        DeValue::String(name) if !is_number(name) => {
            let shown = name.escape_debug();
            let what = match find(name) {
                Ok(Some(number)) => return Ok(number),
                Ok(None) if name == ANY => {
                    "there is no \"*\"; a rule without user and group matches every client".into()
                }
                Ok(None) => format!("there is no {} \"{shown}\"", place.key),
                Err(errno) => format!("{} \"{shown}\": {}", place.key, errno.desc()),
            };
            return Err(place.error(value, &what));
        }
        DeValue::String(digits) => digits.parse().ok(),
        other => number(other),
    };
    as_number
        .filter(valid)
        .and_then(|n| n.try_into().ok())
        .ok_or_else(|| place.refusal(value))
}

/// Programs and directories.
pub fn programs(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    for value in place.one_or_more(value)? {
        let path = value.get_ref().as_str().unwrap_or_default();
        if path == ANY {
            programs.push(Program::Any);
            continue;
        }
        let path = path.as_bytes();
        let written = lookup::clean(path).ok();
        // A star is part of no name here: it would match nothing, and look as if it did.
        let plain = path.starts_with(b"/") && !path.contains(&0) && !path.contains(&b'*');
        let Some(written) = written.filter(|_| plain) else {
            return Err(place.refusal(value));
        };
        if !path.ends_with(b"/") && lookup::is_directory(&written) {
            let path = String::from_utf8_lossy(&written);
            let path = path.escape_debug();
            let what = format!("{path} is a directory; write \"{path}/\"");
            return Err(place.error(value, &what));
        }
        programs.extend(spellings(written, path.ends_with(b"/")));
    }
    Ok(programs)
}

/// A program and its arguments to put in front.
pub fn prefix(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<Vec<u8>>, String> {
    let words = words(place, value)?;
    match prefix::complaint(&words) {
        None => Ok(words),
        Some(what) => Err(place.error(value, &what.to_string())),
    }
}

fn words(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<Vec<u8>>, String> {
    let list = place.list(value)?;
    let words = list.iter().enumerate().map(|(i, value)| {
        let word = value.get_ref().as_str().filter(|word| !word.contains('\0'));
        match word {
            Some(word) if i > 0 || !word.is_empty() => Ok(word.as_bytes().to_vec()),
            _ => Err(place.refusal(value)),
        }
    });
    words.collect()
}

/// A name for people, as a value in a line of the log.
pub fn name(place: &Place<'_>, value: &Node<'_>) -> Result<Option<String>, String> {
    let name = value.get_ref().as_str().unwrap_or_default();
    let fits = (1..=NAME_MAX).contains(&name.len()) && !is_number(name);
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'=' | b'"');
    match fits && name.bytes().all(plain) {
        true => Ok(Some(name.to_owned())),
        false => Err(place.refusal(value)),
    }
}

/// Security labels of clients.
pub fn labels(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<Label>, String> {
    let label = |value: &Node<'_>| {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| place.refusal(value))?;
        let accepted = |what: &str| place.error(value, &format!("not {what}"));
        text.parse().map_err(accepted)
    };
    place.one_or_more(value)?.iter().map(label).collect()
}

/// Lists of patterns for the arguments of a program. An empty list is for a program without any.
pub fn arguments(place: &Place<'_>, value: &Node<'_>) -> Result<Vec<ArgumentList>, String> {
    let all = value
        .get_ref()
        .as_array()
        .ok_or_else(|| place.refusal(value))?;
    match all.first().map(Node::get_ref) {
        Some(DeValue::Array(_)) => all.iter().map(|list| patterns(place, list)).collect(),
        _ => Ok(vec![patterns(place, value)?]),
    }
}

fn patterns(place: &Place<'_>, value: &Node<'_>) -> Result<ArgumentList, String> {
    let list = value
        .get_ref()
        .as_array()
        .ok_or_else(|| place.refusal(value))?;
    let pattern = |value: &Node<'_>| {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| place.refusal(value))?;
        text.parse()
            .map_err(|what: String| place.error(value, &what))
    };
    let patterns: Result<Vec<Pattern>, _> = list.iter().map(pattern).collect();
    ArgumentList::new(patterns?).map_err(|index| {
        let value = list.get(index).unwrap_or(value);
        place.error(value, "\"...\" stands for the rest, and must come last")
    })
}

/// Whether it is digits alone, which no name is.
fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

/// The program as written and, if that is another path, with the real name of its directory:
/// names that are found in PATH have that form.
fn spellings(written: Vec<u8>, directory: bool) -> impl Iterator<Item = Program> {
    let real = if directory {
        lookup::real(&written)
    } else {
        lookup::real_parent(&written)
    };
    let real = real.filter(|real| *real != written);
    [Some(written), real]
        .into_iter()
        .flatten()
        .map(move |mut path| {
            if !directory {
                return Program::File(path);
            }
            if path != b"/" {
                path.push(b'/');
            }
            Program::Below(path)
        })
}
