//! Rules: which client may run which program, and the decision about one request.
//!
//! ```text
//! a rule matches                      the request is allowed, with the rule's limits; the first decides
//! no rule matches                     the request is refused
//! there are no rules                  every request is allowed
//! no rule matches, with a default     the default decides
//!
//! a rule matches when                 the peer is one of its users, or in one of its groups,
//!                                     or it names neither
//!                             and     the program is one of its programs, or it names none
//! ```
//!
//! Pure: names were resolved to numbers before, and paths are compared as bytes, without access to files.

pub mod prefix;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::execution::Execution;

/// The peer credentials from the kernel: the user, and all groups. `None` if the kernel does
/// not know them.
pub type Credentials<'a> = Option<(u32, &'a [u32])>;

/// The programs of a rule: an absolute path as bytes, without `.`, `..` and repeated slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// All.
    Any,
    /// This one.
    File(Vec<u8>),
    /// All in this directory and below it; the path ends with a slash.
    Below(Vec<u8>),
}

impl Program {
    fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::File(file) => path == file,
            Self::Below(directory) => path.len() > directory.len() && path.starts_with(directory),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for people.
    pub name: Option<String>,
    /// The users that it matches.
    pub users: Vec<u32>,
    /// The groups whose members it matches. With no user and no group it matches every peer.
    pub groups: Vec<u32>,
    /// The programs that it matches; an empty list stands for all.
    pub programs: Vec<Program>,
    /// How many programs may run under this rule at once.
    pub max_jobs: Option<u32>,
    /// The deadline of a connection whose program runs under this rule, instead of the general
    /// one; `Some(None)`: no deadline.
    pub timeout: Option<Option<Duration>>,
    /// The program that runs instead, searched in PATH, and its arguments, which the path and the
    /// arguments of the client's program follow. Empty: the client's program itself runs.
    pub run_prefix: Vec<Vec<u8>>,
    /// How its programs are executed, with the general values where the rule has none.
    pub execution: Rc<Execution>,
}

impl Rule {
    /// Whether it matches the same requests as `other`; their limits may differ.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.users == other.users && self.groups == other.groups && self.programs == other.programs
    }

    /// Whether the program may follow the rule's prefix. A word with a `=` is an assignment for
    /// env(1) and others, if it comes before a command.
    pub fn may_be_prefixed(&self, program: &[u8]) -> bool {
        self.run_prefix.is_empty() || !program.contains(&b'=')
    }

    fn is_for(&self, peer: Credentials<'_>) -> bool {
        if self.users.is_empty() && self.groups.is_empty() {
            return true;
        }
        peer.is_some_and(|(uid, groups)| {
            self.users.contains(&uid) || groups.iter().any(|group| self.groups.contains(group))
        })
    }

    fn is_about(&self, program: &[u8]) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|p| p.matches(program))
    }
}

/// The decision about requests that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// They are run.
    Allow,
    /// They are refused.
    Deny,
}

/// No rule matches, and the request needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRule;

/// All rules, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    all: Vec<Rule>,
    /// `None` if the configuration does not set it.
    unmatched: Option<Unmatched>,
    general: Rc<Execution>,
}

impl Rules {
    /// These rules, in this order, and the default, if the configuration sets it.
    pub fn new(all: Vec<Rule>, unmatched: Option<Unmatched>) -> Self {
        Self {
            all,
            unmatched,
            general: Rc::default(),
        }
    }

    /// The same rules; `general` is how a program is executed that no rule is about.
    #[must_use]
    pub fn with_general(self, general: Execution) -> Self {
        Self {
            general: Rc::new(general),
            ..self
        }
    }

    /// How a program is executed that no rule is about.
    pub fn general(&self) -> &Rc<Execution> {
        &self.general
    }

    /// The decision about requests that no rule matches.
    pub fn unmatched(&self) -> Unmatched {
        self.unmatched.unwrap_or(match self.all.is_empty() {
            true => Unmatched::Allow,
            false => Unmatched::Deny,
        })
    }

    /// The same, if the configuration sets it.
    pub fn default_given(&self) -> Option<Unmatched> {
        self.unmatched
    }

    /// Whether every client may run everything, without a rule.
    pub fn allow_everything(&self) -> bool {
        self.all.is_empty() && self.unmatched() == Unmatched::Allow
    }

    /// Whether these lift all previous rules without an explicit default: a file that was emptied
    /// or cut off looks like that.
    pub fn lift_silently(&self, before: &Self) -> bool {
        self.allow_everything() && self.unmatched.is_none() && !before.allow_everything()
    }

    /// Whether a decision needs the groups of the peer.
    pub fn needs_groups(&self) -> bool {
        self.all.iter().any(|rule| !rule.groups.is_empty())
    }

    /// The rule at an index that [`Rules::decide`] returned.
    pub fn get(&self, index: usize) -> Option<&Rule> {
        self.all.get(index)
    }

    /// All rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter()
    }

    /// The index of the first rule that matches; `None` if the request needs no rule.
    /// `program` is an absolute path from `os::lookup`.
    ///
    /// # Errors
    ///
    /// When no rule matches, and the default is to refuse.
    pub fn decide(&self, peer: Credentials<'_>, program: &[u8]) -> Result<Option<usize>, NoRule> {
        let found = self
            .all
            .iter()
            .position(|rule| rule.is_for(peer) && rule.is_about(program));
        match (found, self.unmatched()) {
            (None, Unmatched::Deny) => Err(NoRule),
            (found, _) => Ok(found),
        }
    }
}

impl fmt::Display for Rules {
    /// A description for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, rest) = match self.all.len() {
            0 => ("no rules".into(), ""),
            1 => ("1 rule".into(), "any other request"),
            n => (format!("{n} rules"), "any other request"),
        };
        match (self.all.is_empty(), self.unmatched()) {
            (true, Unmatched::Allow) => {
                write!(f, "{all}: any client that can connect may run anything")
            }
            (true, Unmatched::Deny) => {
                write!(f, "{all}, and the default is to deny: no program may run")
            }
            (false, Unmatched::Allow) => write!(f, "{all}; {rest} is allowed"),
            (false, Unmatched::Deny) => write!(f, "{all}; {rest} is refused"),
        }
    }
}

#[cfg(test)]
mod tests;
