//! Who may run what: the rules of the configuration, and the decision about one request.
//!
//! ```text
//! a rule matches                      it allows that, with its limits; the first one decides
//! none does, and there are some       it is refused
//! none does, since there are none     it is allowed, whatever it is
//! none does, and a default is given   the default decides
//!
//! a rule matches when                 the peer is one of its users, or in one of its groups,
//!                                     or it names neither
//!                             and     the program is one of its programs, or it names none
//! ```
//!
//! Pure: names have become numbers before, paths are compared as bytes and never looked at.

pub mod prefix;

use std::fmt;
use std::time::Duration;

/// A peer as the kernel vouches for it: its user, and all its groups. `None` where the kernel
/// does not know them.
pub type Credentials<'a> = Option<(u32, &'a [u32])>;

/// Which programs a rule is about: an absolute path as bytes, without `.`, `..` and doubled
/// slashes.
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
    /// The users that it matches.
    pub users: Vec<u32>,
    /// The groups whose members it matches. With no user and no group it matches every peer.
    pub groups: Vec<u32>,
    /// The programs that it matches; none stands for all.
    pub programs: Vec<Program>,
    /// How many programs may run by this rule at once.
    pub max_jobs: Option<u32>,
    /// The deadline of a connection whose program runs by this rule, in the place of the
    /// general one; `Some(None)`: it has none.
    pub timeout: Option<Option<Duration>>,
    /// What is run instead, with the program's path and arguments behind: a program, looked
    /// for in PATH, and its arguments. Empty: the program itself is run.
    pub run_prefix: Vec<Vec<u8>>,
}

impl Rule {
    /// Whether it matches the same requests as `other`; their limits may differ.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.users == other.users && self.groups == other.groups && self.programs == other.programs
    }

    /// Whether the program may come behind what the rule runs instead. A word with a `=` is
    /// an assignment to env(1) and others, wherever it stands in front of a command.
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

/// What becomes of requests that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// They are run.
    Allow,
    /// They are refused.
    Deny,
}

/// None of the rules matches, and that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRule;

/// All rules, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    all: Vec<Rule>,
    /// `None` where the configuration does not have it.
    unmatched: Option<Unmatched>,
}

impl Rules {
    /// These rules, in this order, and what becomes of the rest, if the configuration has it.
    pub fn new(all: Vec<Rule>, unmatched: Option<Unmatched>) -> Self {
        Self { all, unmatched }
    }

    /// What becomes of requests that no rule matches.
    pub fn unmatched(&self) -> Unmatched {
        self.unmatched.unwrap_or(match self.all.is_empty() {
            true => Unmatched::Allow,
            false => Unmatched::Deny,
        })
    }

    /// The same, if the configuration has it.
    pub fn default_given(&self) -> Option<Unmatched> {
        self.unmatched
    }

    /// Whether every client may run everything, by no rule.
    pub fn allow_everything(&self) -> bool {
        self.all.is_empty() && self.unmatched() == Unmatched::Allow
    }

    /// Whether these lift all rules there were before, and the configuration does not say
    /// that this is meant: a file that was emptied or cut off looks like that.
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

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter()
    }

    /// The index of the first rule that matches; `None` where it needs none.
    /// `program` is an absolute path as `os::lookup` makes it.
    ///
    /// # Errors
    ///
    /// When none matches, and the rest is refused.
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
    /// What holds, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, rest) = match self.all.len() {
            0 => ("no rules".into(), ""),
            1 => ("1 rule".into(), "what it does not match"),
            n => (format!("{n} rules"), "what none of them matches"),
        };
        match (self.all.is_empty(), self.unmatched()) {
            (true, Unmatched::Allow) => {
                write!(f, "{all}: any client that can connect may run anything")
            }
            (true, Unmatched::Deny) => {
                write!(f, "{all}, and the default is to deny: nothing is run")
            }
            (false, Unmatched::Allow) => write!(f, "{all}; {rest} is allowed"),
            (false, Unmatched::Deny) => write!(f, "{all}; {rest} is refused"),
        }
    }
}

#[cfg(test)]
mod tests;
