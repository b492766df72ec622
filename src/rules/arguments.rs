//! The arguments that a rule matches: lists of patterns, one pattern for each argument.
//!
//! ```text
//! "word"            this argument; also "exact:word", for any word
//! "oneof:a|b|c"     one of these
//! "glob:*.service"  a glob, see the module `glob`
//! "int:" "int:1-64" a decimal integer, from 0 or in this range
//! "below:/srv/x/"   an absolute path below this directory
//! "*"               any one argument
//! "..."             at the end: any number of any arguments
//! ```
//!
//! A pattern that is not written with a `-` in front matches no argument with one, which could be
//! an option; only `...` does.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::glob::Glob;

/// What a pattern may be, for errors.
const ACCEPTED: &str = "a word, \"exact:WORD\", \"oneof:A|B|C\", \"glob:PATTERN\", \"int:\", \
                        \"int:LOW-HIGH\", \"below:/DIRECTORY/\", \"*\" for any one argument, or \
                        \"...\" for the rest";

/// A pattern for one argument, or for the rest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One of these words; mostly there is one.
    Words(Vec<Vec<u8>>),
    /// An argument of this form.
    Glob(Glob),
    /// A decimal integer in this range, without a plus and zeros in front.
    Integer(RangeInclusive<i64>),
    /// An absolute path below this directory, which ends with a slash. A path with a component
    /// that is empty, `.` or `..` does not match.
    Below(Vec<u8>),
    /// Any one argument that does not begin with `-`.
    Any,
    /// Any number of any arguments: the last pattern of a list.
    Rest,
}

impl Pattern {
    fn fits(&self, argument: &[u8]) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| word == argument),
            Self::Glob(glob) => glob.matches(argument),
            Self::Integer(range) => integer(argument).is_some_and(|n| range.contains(&n)),
            Self::Below(directory) => argument.strip_prefix(&directory[..]).is_some_and(is_clean),
            Self::Any => !argument.starts_with(b"-"),
            Self::Rest => true,
        }
    }
}

impl FromStr for Pattern {
    /// What is wrong, and the accepted patterns.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("an argument contains no NUL".into());
        }
        let (kind, operand) = text.split_once(':').unwrap_or((text, ""));
        match (kind, text.contains(':')) {
            ("exact", true) => Ok(Self::word(operand)),
            ("oneof", true) => one_of(operand),
            ("glob", true) => glob(operand),
            ("int", true) => range(operand).map(Self::Integer).ok_or_else(|| {
                format!(
                    "\"{}\" is not \"int:\" or \"int:LOW-HIGH\"",
                    text.escape_debug()
                )
            }),
            ("below", true) => below(operand),
            ("*", false) => Ok(Self::Any),
            ("...", false) => Ok(Self::Rest),
            ("int", false) => Err("an integer is \"int:\", the word \"exact:int\"".into()),
            _ if text.contains(['*', '?', '[']) => Err(format!(
                "\"{text}\" could be a word or a glob: write \"exact:{text}\" or \"glob:{text}\" \
                 (accepted is {ACCEPTED})",
                text = text.escape_debug()
            )),
            _ => Ok(Self::word(text)),
        }
    }
}

impl Pattern {
    fn word(word: &str) -> Self {
        Self::Words(vec![word.into()])
    }
}

fn one_of(words: &str) -> Result<Pattern, String> {
    let words: Vec<Vec<u8>> = words.split('|').map(Into::into).collect();
    match words.iter().any(Vec::is_empty) {
        true => Err("\"oneof:\" needs words with | between them, none of them empty".into()),
        false => Ok(Pattern::Words(words)),
    }
}

fn glob(pattern: &str) -> Result<Pattern, String> {
    if pattern.is_empty() {
        return Err("\"glob:\" needs a pattern; the empty argument is \"\"".into());
    }
    let glob = Glob::new(pattern);
    glob.map(Pattern::Glob)
        .map_err(|what| format!("the glob \"{}\" has {what}", pattern.escape_debug()))
}

/// `LOW-HIGH`, `LOW-`, or nothing for all from 0.
fn range(text: &str) -> Option<RangeInclusive<i64>> {
    if text.is_empty() {
        return Some(0..=i64::MAX);
    }
    // The first byte may be the sign of the lower end.
    let dash = text.bytes().skip(1).position(|b| b == b'-')? + 1;
    let (low, high) = (&text[..dash], &text[dash + 1..]);
    let low = integer(low.as_bytes())?;
    let high = match high {
        "" => i64::MAX,
        high => integer(high.as_bytes())?,
    };
    (low <= high).then_some(low..=high)
}

fn below(directory: &str) -> Result<Pattern, String> {
    let mut path = directory.as_bytes().to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let inside = path
        .strip_prefix(b"/")
        .and_then(|rest| rest.strip_suffix(b"/"));
    match path == b"/" || inside.is_some_and(is_clean) {
        true if !directory.is_empty() => Ok(Pattern::Below(path)),
        _ => Err(format!(
            "\"below:{}\" needs an absolute path without \"//\", \".\" and \"..\"",
            directory.escape_debug()
        )),
    }
}

/// Whether each component of a relative path is a name.
fn is_clean(path: &[u8]) -> bool {
    path.split(|&b| b == b'/')
        .all(|component| !matches!(component, b"" | b"." | b".."))
}

/// A decimal integer in its shortest form. Others mean another number to some programs: 010.
fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let shortest = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let text = std::str::from_utf8(text).ok().filter(|_| shortest)?;
    text.parse().ok()
}

/// Patterns for all arguments of a program, in order, without its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgumentList {
    each: Vec<Pattern>,
    /// More arguments may follow.
    open: bool,
}

impl ArgumentList {
    /// A list of these patterns; without any it matches a program without arguments.
    ///
    /// # Errors
    ///
    /// The index of a [`Pattern::Rest`] that is not the last one.
    pub fn new(mut each: Vec<Pattern>) -> Result<Self, usize> {
        let open = each.last() == Some(&Pattern::Rest);
        if open {
            each.pop();
        }
        match each.iter().position(|pattern| *pattern == Pattern::Rest) {
            Some(index) => Err(index),
            None => Ok(Self { each, open }),
        }
    }

    /// For how many arguments it has a pattern of their own.
    pub fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Whether it matches any arguments, and none.
    pub fn is_for_all(&self) -> bool {
        self.each.is_empty() && self.open
    }

    /// Whether it matches these arguments.
    pub fn matches(&self, arguments: &[&[u8]]) -> bool {
        let enough = match self.open {
            true => arguments.len() >= self.each.len(),
            false => arguments.len() == self.each.len(),
        };
        enough
            && self
                .each
                .iter()
                .zip(arguments)
                .all(|(own, argument)| own.fits(argument))
    }
}

#[cfg(test)]
mod tests;
