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
//!                             and     the arguments match one of its lists, or it has none
//!                             and     the peer's security label is one of its labels, or it names none
//! ```
//!
//! Pure: names were resolved to numbers before, and paths are compared as bytes, without access to files.

pub mod arguments;
pub mod explain;
mod glob;
pub mod label;
pub mod prefix;
mod reach;
mod rule;
mod summary;

use std::fmt;
use std::rc::Rc;

pub use rule::{Aspect, Program, Rule};

use crate::execution::Execution;

/// The peer credentials from the kernel: the user, and all groups. `None` if the kernel does
/// not know them.
pub type Credentials<'a> = Option<(u32, &'a [u32])>;

/// A request, as the rules see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The client's user and groups. [`Rules::needs_groups`] says whether groups are necessary.
    pub peer: Credentials<'a>,
    /// The client's security label, if it has one. See [`Rules::needs_label`].
    pub label: Option<&'a [u8]>,
    /// The program, an absolute path from `os::lookup`.
    pub program: &'a [u8],
    /// The arguments after the program's name, at least the first
    /// [`Rules::arguments_needed`] of them.
    pub arguments: &'a [&'a [u8]],
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
pub enum NoRule {
    /// Whatever its arguments are.
    AtAll,
    /// The rule at this index, the first of such, would match it with other arguments.
    WithTheseArguments(usize),
}

/// All rules, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    all: Vec<Rule>,
    /// `None` if the configuration does not set it.
    unmatched: Option<Unmatched>,
    general: Rc<Execution>,
    needs: Needs,
}

/// What decisions compare, so that nothing else is determined for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    groups: bool,
    label: bool,
    arguments: usize,
}

impl Needs {
    fn of(rules: &[Rule]) -> Self {
        let lists = rules.iter().flat_map(|rule| &rule.arguments);
        Self {
            groups: rules.iter().any(|rule| !rule.groups.is_empty()),
            label: rules.iter().any(|rule| !rule.labels.is_empty()),
            arguments: lists.map(|list| list.len() + 1).max().unwrap_or(0),
        }
    }
}

impl Rules {
    /// These rules, in this order, and the default, if the configuration sets it.
    pub fn new(all: Vec<Rule>, unmatched: Option<Unmatched>) -> Self {
        Self {
            needs: Needs::of(&all),
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

    /// How programs may be executed: by each rule, and without one where that is allowed.
    pub fn executions(&self) -> impl Iterator<Item = &Execution> {
        let rules = self.all.iter().map(|rule| &*rule.execution);
        let general = (self.unmatched() == Unmatched::Allow).then_some(&*self.general);
        rules.chain(general)
    }

    /// Whether a decision needs the groups of the peer.
    pub fn needs_groups(&self) -> bool {
        self.needs.groups
    }

    /// How many arguments of a program a decision needs: with one more than the longest list has,
    /// it is known that there are too many.
    pub fn arguments_needed(&self) -> usize {
        self.needs.arguments
    }

    /// Whether a decision needs the security label of the peer.
    pub fn needs_label(&self) -> bool {
        self.needs.label
    }

    /// Whether programs may have cgroups of their own.
    pub fn contain(&self) -> bool {
        self.executions().any(|e| e.contain == Some(true))
    }

    /// Whether processes of programs may live on in their cgroups.
    pub fn detach(&self) -> bool {
        let mut all = self.executions();
        all.any(|e| (e.contain, e.detach) == (Some(true), Some(true)))
    }

    /// The rule at an index that [`Rules::decide`] returned.
    pub fn get(&self, index: usize) -> Option<&Rule> {
        self.all.get(index)
    }

    /// The name of the rule at an index, or else its number, from 1, for reports.
    pub fn title(&self, index: usize) -> String {
        let name = self.all.get(index).and_then(|rule| rule.name.clone());
        name.unwrap_or_else(|| (index + 1).to_string())
    }

    /// The number and the name of the rule at an index.
    pub fn heading(&self, index: usize) -> String {
        let name = self.all.get(index).and_then(|rule| rule.name.as_ref());
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        format!("rule {}{name}", index + 1)
    }

    /// All rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.all.iter()
    }

    /// The index of the first rule that matches; `None` if the request needs no rule.
    ///
    /// # Errors
    ///
    /// When no rule matches, and the default is to refuse.
    pub fn decide(&self, request: &Request<'_>) -> Result<Option<usize>, NoRule> {
        let found = self.all.iter().position(|rule| rule.applies_to(request));
        match (found, self.unmatched()) {
            (None, Unmatched::Deny) => Err(self.refusal(request)),
            (found, _) => Ok(found),
        }
    }

    /// Why no rule matches.
    fn refusal(&self, request: &Request<'_>) -> NoRule {
        let mut rules = self.all.iter();
        rules
            .position(|rule| rule.mismatches(request).eq([Aspect::Arguments]))
            .map_or(NoRule::AtAll, NoRule::WithTheseArguments)
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
