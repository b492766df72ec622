//! One rule: the requests that it matches, and its limits for them.

use std::rc::Rc;
use std::time::Duration;

use super::arguments::ArgumentList;
use super::label::Label;
use super::{Credentials, Request};
use crate::execution::Execution;

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
    fn covers(&self, path: &[u8]) -> bool {
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
    /// The arguments that it matches, a list for each alternative; no list stands for all.
    pub arguments: Vec<ArgumentList>,
    /// The security labels whose holders it matches; an empty list stands for every client, also
    /// for one without a label.
    pub labels: Vec<Label>,
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
        self.users == other.users
            && self.groups == other.groups
            && self.programs == other.programs
            && self.arguments == other.arguments
            && self.labels == other.labels
    }

    /// Whether the program may follow the rule's prefix. A word with a `=` is an assignment for
    /// env(1) and others, if it comes before a command.
    pub fn may_be_prefixed(&self, program: &[u8]) -> bool {
        self.run_prefix.is_empty() || !program.contains(&b'=')
    }

    /// Whether it matches a request.
    pub fn applies_to(&self, request: &Request<'_>) -> bool {
        self.mismatches(request).next().is_none()
    }

    /// The aspects of a request that do not match.
    pub fn mismatches(&self, request: &Request<'_>) -> impl Iterator<Item = Aspect> {
        let aspects = Aspect::ALL.into_iter();
        aspects.filter(move |aspect| !self.accepts(*aspect, request))
    }

    fn accepts(&self, aspect: Aspect, request: &Request<'_>) -> bool {
        match aspect {
            Aspect::Client => self.is_for(request.peer),
            Aspect::Label => self.is_labelled(request.label),
            Aspect::Program => self.is_about(request.program),
            Aspect::Arguments => {
                let mut lists = self.arguments.iter();
                self.arguments.is_empty() || lists.any(|list| list.matches(request.arguments))
            }
        }
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
        self.programs.is_empty() || self.programs.iter().any(|p| p.covers(program))
    }

    fn is_labelled(&self, label: Option<&[u8]>) -> bool {
        let matches = |label| self.labels.iter().any(|own| own.matches(label));
        self.labels.is_empty() || label.is_some_and(matches)
    }
}

/// A part of a request that a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The client's user and groups.
    Client,
    /// The client's security label.
    Label,
    /// The program.
    Program,
    /// The program's arguments.
    Arguments,
}

impl Aspect {
    /// All, the cheapest first.
    const ALL: [Self; 4] = [Self::Client, Self::Label, Self::Program, Self::Arguments];
}
