//! The rules in the configuration file, `[[allow]]`: from TOML to numbers and paths.
//!
//! Names of users and groups are asked for here, once, and so are the real directories of
//! programs: a decision then needs nothing but a comparison.

use nix::errno::Errno;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{Document, in_order, number, scalar, wanted};
use crate::os::{accounts, lookup};
use crate::rules::{Program, Rule, Unmatched, prefix};
use crate::settings::Key;
use crate::settings::value::{Kind, SECONDS_MAX, Stored};

/// The name of the tables.
pub const NAME: &str = "allow";

/// The key of the decision about all other requests.
pub const DEFAULT: &str = "default";

const DEFAULT_ACCEPTS: &str = "one of \"allow\", \"deny\"";

/// Stands for every program.
const ANY: &str = "*";

const MAX_JOBS: Kind = Kind::Number(1, 1_000_000);
const TIMEOUT: Kind = Kind::Seconds(0.0, SECONDS_MAX);

/// The keys of a rule and their accepted values.
pub const RULE_KEYS: [(&str, Accepts); 6] = [
    ("user", Accepts::Accounts),
    ("group", Accepts::Accounts),
    ("program", Accepts::Programs),
    ("max-jobs", Accepts::One(MAX_JOBS)),
    ("timeout", Accepts::One(TIMEOUT)),
    ("run-prefix", Accepts::Words),
];

/// The accepted values of a key of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accepts {
    /// A name or a number, or a list of them.
    Accounts,
    /// An absolute path, or `*`, or a list of them.
    Programs,
    /// A value.
    One(Kind),
    /// A list of strings.
    Words,
}

impl Accepts {
    /// The accepted values, as text after "not".
    pub fn accepted(self) -> String {
        match self {
            Self::Accounts => "a name or a number from 0 to 4294967294, or a list of them".into(),
            Self::Programs => {
                "an absolute path without \"..\", with a slash at the end for a directory, \"*\" \
                 for all, or a list of them"
                    .into()
            }
            Self::One(kind) => wanted(kind),
            Self::Words => {
                "a list of strings with a program in front, such as [\"nice\", \"-n\", \"10\"]"
                    .into()
            }
        }
    }
}

/// A value with its place in the file.
type Node<'i> = Spanned<DeValue<'i>>;

/// How a name is asked for.
type Find = fn(&str) -> Result<Option<u32>, Errno>;

/// A key of rules, or about them, and its accepted values.
pub fn find(name: &str) -> Option<(&'static str, String)> {
    if name == DEFAULT {
        return Some((DEFAULT, DEFAULT_ACCEPTS.into()));
    }
    let (key, accepts) = RULE_KEYS.iter().find(|(key, _)| *key == name)?;
    Some((key, accepts.accepted()))
}

/// Reads the decision about requests that no rule matches.
pub fn default(document: &Document<'_>, value: &Node<'_>) -> Result<Unmatched, String> {
    match value.get_ref().as_str() {
        Some("allow") => Ok(Unmatched::Allow),
        Some("deny") => Ok(Unmatched::Deny),
        _ => Err(document.refusal(&value.span(), DEFAULT, DEFAULT_ACCEPTS)),
    }
}

/// Reads all rules.
pub fn rules(document: &Document<'_>, value: &Node<'_>) -> Result<Vec<Rule>, String> {
    const WANTED: &str = "a list of tables, each under its own [[allow]]";
    let refusal = |value: &Node<'_>| document.refusal(&value.span(), NAME, WANTED);
    let tables = value.get_ref().as_array().ok_or_else(|| refusal(value))?;
    // An empty list would mean no rule, the opposite of its appearance.
    if tables.is_empty() {
        return Err(refusal(value));
    }
    tables
        .iter()
        .map(|table| match table.get_ref() {
            DeValue::Table(_) => rule(document, table),
            _ => Err(refusal(table)),
        })
        .collect()
}

fn rule(document: &Document<'_>, table: &Node<'_>) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let Some(keys) = table.get_ref().as_table() else {
        return Ok(rule);
    };
    for (name, value) in in_order(keys) {
        let found = RULE_KEYS.iter().find(|(key, _)| key == name.get_ref());
        let Some(&(key, accepts)) = found else {
            if Key::find(name.get_ref()).is_some() || name.get_ref() == DEFAULT {
                let what = "not a key of a rule; it belongs above the first [[allow]]";
                let what = format!("{}: {what}", name.get_ref());
                return Err(document.error(&name.span(), &what));
            }
            let known = RULE_KEYS.map(|(key, _)| key);
            return Err(document.unknown(name, &known));
        };
        let place = RuleKey {
            document,
            key,
            accepts,
        };
        match key {
            "user" => rule.users = place.accounts(value, accounts::user)?,
            "group" => rule.groups = place.accounts(value, accounts::group)?,
            "program" => rule.programs = place.programs(value)?,
            "max-jobs" => rule.max_jobs = Some(place.stored(value, MAX_JOBS)?),
            "timeout" => {
                rule.timeout = Some(place.stored(value, TIMEOUT)?);
            }
            _ => rule.run_prefix = place.prefix(value)?,
        }
    }
    // A file that was cut off ends in such a rule, which would allow everything.
    if rule.users.is_empty() && rule.groups.is_empty() && rule.programs.is_empty() {
        let what = "[[allow]]: names no user, no group and no program; to allow everything, set \
                    program = \"*\"";
        return Err(document.error(&table.span(), what));
    }
    Ok(rule)
}

/// A key of a rule, for its errors.
struct RuleKey<'a> {
    document: &'a Document<'a>,
    key: &'static str,
    accepts: Accepts,
}

impl RuleKey<'_> {
    fn refusal(&self, value: &Node<'_>) -> String {
        let accepted = self.accepts.accepted();
        self.document.refusal(&value.span(), self.key, &accepted)
    }

    fn stored<T: Stored>(&self, value: &Node<'_>, kind: Kind) -> Result<T, String> {
        let read = scalar(kind, value.get_ref()).and_then(T::stored);
        read.ok_or_else(|| self.document.wrong(value, self.key, kind))
    }

    /// The elements of a list that is not empty.
    fn list<'v, 'i>(&self, value: &'v Node<'i>) -> Result<&'v [Node<'i>], String> {
        match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() => Ok(list),
            _ => Err(self.refusal(value)),
        }
    }

    /// The elements of a list, or the value if it is none.
    fn one_or_more<'v, 'i>(&self, value: &'v Node<'i>) -> Result<&'v [Node<'i>], String> {
        match value.get_ref() {
            DeValue::Array(_) => self.list(value),
            _ => Ok(std::slice::from_ref(value)),
        }
    }

    fn accounts(&self, value: &Node<'_>, find: Find) -> Result<Vec<u32>, String> {
        let all = self.one_or_more(value)?.iter();
        all.map(|value| self.account(value, find)).collect()
    }

    fn account(&self, value: &Node<'_>, find: Find) -> Result<u32, String> {
        // The last number means "none" in system calls.
        let valid = |n: &u64| *n < u64::from(u32::MAX);
        let as_number = match value.get_ref() {
            DeValue::String(name) if !is_number(name) => {
                let shown = name.escape_debug();
                let what = match find(name) {
                    Ok(Some(number)) => return Ok(number),
                    Ok(None) if name == ANY => {
                        "there is no \"*\"; a rule without user and group matches every client"
                            .into()
                    }
                    Ok(None) => format!("there is no {} \"{shown}\"", self.key),
                    Err(errno) => format!("{} \"{shown}\": {}", self.key, errno.desc()),
                };
                let what = format!("{}: {what}", self.key);
                return Err(self.document.error(&value.span(), &what));
            }
            DeValue::String(digits) => digits.parse().ok(),
            other => number(other),
        };
        as_number
            .filter(valid)
            .and_then(|n| n.try_into().ok())
            .ok_or_else(|| self.refusal(value))
    }

    fn programs(&self, value: &Node<'_>) -> Result<Vec<Program>, String> {
        let mut programs = Vec::new();
        for value in self.one_or_more(value)? {
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
                return Err(self.refusal(value));
            };
            if !path.ends_with(b"/") && lookup::is_directory(&written) {
                let path = String::from_utf8_lossy(&written);
                let path = path.escape_debug();
                let what = format!("{}: {path} is a directory; write \"{path}/\"", self.key);
                return Err(self.document.error(&value.span(), &what));
            }
            programs.extend(spellings(written, path.ends_with(b"/")));
        }
        Ok(programs)
    }

    fn prefix(&self, value: &Node<'_>) -> Result<Vec<Vec<u8>>, String> {
        let words = self.words(value)?;
        match prefix::complaint(&words) {
            None => Ok(words),
            Some(what) => {
                let what = format!("{}: {what}", self.key);
                Err(self.document.error(&value.span(), &what))
            }
        }
    }

    fn words(&self, value: &Node<'_>) -> Result<Vec<Vec<u8>>, String> {
        let list = self.list(value)?;
        let words = list.iter().enumerate().map(|(i, value)| {
            let word = value.get_ref().as_str().filter(|word| !word.contains('\0'));
            match word {
                Some(word) if i > 0 || !word.is_empty() => Ok(word.as_bytes().to_vec()),
                _ => Err(self.refusal(value)),
            }
        });
        words.collect()
    }
}

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
