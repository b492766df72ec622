//! Who may run what: the rules of the configuration, and the decision about one request.
//!
//! ```text
//! no rule at all                      everybody may run everything
//! any rule                            only what the first rule that matches allows
//! a rule matches when                 the peer is one of its users, or in one of its groups,
//!                                     or it names neither
//!                             and     the program is one of its programs, or it names none
//! ```
//!
//! Pure: names have become numbers before, paths are compared as bytes and never looked at.

pub mod prefix;

use std::time::Duration;

/// A peer as the kernel vouches for it: its user, and all its groups. `None` for one without
/// credentials, as on a TCP socket.
pub type Who<'a> = Option<(u32, &'a [u32])>;

/// Which programs a rule is about: an absolute path as bytes, without `.`, `..` and doubled
/// slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This one.
    File(Vec<u8>),
    /// All in this directory and below it; the path ends with a slash.
    Below(Vec<u8>),
}

impl Program {
    fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::File(file) => path == file,
            Self::Below(directory) => path.len() > directory.len() && path.starts_with(directory),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The users whom it matches.
    pub users: Vec<u32>,
    /// The groups whose members it matches. With no user and no group it matches everybody.
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
    /// Whether it matches the same requests as `other`, whatever it then allows.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.users == other.users && self.groups == other.groups && self.programs == other.programs
    }

    /// Whether the program may come behind what the rule runs instead. A word with a `=` is
    /// an assignment to env(1) and others, wherever it stands in front of a command.
    pub fn may_be_prefixed(&self, program: &[u8]) -> bool {
        self.run_prefix.is_empty() || !program.contains(&b'=')
    }

    fn is_for(&self, who: Who<'_>) -> bool {
        if self.users.is_empty() && self.groups.is_empty() {
            return true;
        }
        who.is_some_and(|(uid, groups)| {
            self.users.contains(&uid) || groups.iter().any(|group| self.groups.contains(group))
        })
    }

    fn is_about(&self, program: &[u8]) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|p| p.matches(program))
    }
}

/// There are rules, and none of them matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRule;

/// All rules, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// These rules, in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// Whether there is no rule, and so everybody may run everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a decision needs the groups of the peer.
    pub fn needs_groups(&self) -> bool {
        self.0.iter().any(|rule| !rule.groups.is_empty())
    }

    /// The rule at an index that [`Rules::decide`] returned.
    pub fn get(&self, index: usize) -> Option<&Rule> {
        self.0.get(index)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The index of the first rule that matches; `None` where there is no rule at all.
    /// `program` is an absolute path as `os::lookup` makes it.
    ///
    /// # Errors
    ///
    /// When there are rules and none matches.
    pub fn decide(&self, who: Who<'_>, program: &[u8]) -> Result<Option<usize>, NoRule> {
        if self.is_empty() {
            return Ok(None);
        }
        let found = self
            .0
            .iter()
            .position(|rule| rule.is_for(who) && rule.is_about(program));
        found.map(Some).ok_or(NoRule)
    }
}

#[cfg(test)]
mod tests;
