//! Permissions: applies the rules to a request, and knows which users may control the server.

use std::rc::Rc;

use super::people::People;
use crate::connection::Connection;
use crate::execution::{Account, Execution, RunAs};
use crate::os::lookup::{Lookup, LookupError};
use crate::os::peer::Peer;
use crate::program::{Arguments, OutOfMemory, Refusal, SpawnError};
use crate::rules::{NoRule, Request, Rule, Rules};
use crate::schedule::QuotaId;

/// A rule, its title, and the number of its quota.
#[derive(Debug)]
struct Granted {
    rule: Rule,
    title: Rc<str>,
    quota: QuotaId,
}

/// The decision of the rules about a request that may be run.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// The program's path, if it had to be looked up.
    file: Option<Vec<u8>>,
    /// The rule that allows it, if there are rules.
    by: Option<Rc<Granted>>,
    /// How it is executed.
    execution: Rc<Execution>,
    /// The user as which it runs, where it is not the server's.
    account: Option<Rc<Account>>,
}

impl Permit {
    /// The quota that it counts for.
    pub(super) fn quota(&self) -> Option<QuotaId> {
        self.by.as_ref().map(|granted| granted.quota)
    }

    /// How it is executed.
    pub(super) fn execution(&self) -> &Rc<Execution> {
        &self.execution
    }

    /// The user as which it runs, where it is not the server's.
    pub(super) fn account(&self) -> Option<&Rc<Account>> {
        self.account.as_ref()
    }

    /// Whether it runs as its client.
    pub(super) fn runs_as_client(&self) -> bool {
        self.execution.run_as == Some(RunAs::Peer)
    }

    /// It runs as this user.
    pub(super) fn run_as(&mut self, account: Rc<Account>) {
        self.account = Some(account);
    }

    /// The rule that allows it, if one does.
    pub(super) fn rule(&self) -> Option<&Rule> {
        self.by.as_ref().map(|granted| &granted.rule)
    }

    /// The program that the rule puts in front of the client's, and the rule's title.
    pub(super) fn in_front(&self) -> Option<(&[u8], &str)> {
        let granted = self.by.as_ref()?;
        Some((granted.rule.run_prefix.first()?, &granted.title))
    }

    /// Why the request cannot be run under that rule.
    fn obstacle(&self) -> Option<Refusal> {
        let (granted, file) = (self.by.as_ref()?, self.file.as_ref()?);
        obstacle(&granted.rule, &granted.title, file)
    }

    /// The title of that rule, as it was when the request was judged.
    pub(super) fn title(&self) -> Option<&Rc<str>> {
        self.by.as_ref().map(|granted| &granted.title)
    }
}

/// A rule in force, for figures about it.
pub(super) struct InForce<'a> {
    pub(super) title: &'a Rc<str>,
    pub(super) quota: QuotaId,
    pub(super) max_jobs: Option<u32>,
}

/// A request that is not run.
#[derive(Debug)]
pub(super) struct Denial {
    /// Why.
    pub(super) error: SpawnError,
    /// The rule that decided, for the record: a permit for nothing.
    pub(super) permit: Permit,
    /// The title of the rule that would have allowed it with other arguments.
    pub(super) almost: Option<Rc<str>>,
}

impl From<SpawnError> for Denial {
    fn from(error: SpawnError) -> Self {
        Self {
            error,
            permit: Permit::default(),
            almost: None,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    own_uid: u32,
    rules: Rules,
    lookup: Lookup,
    /// The rules of `rules`, in order.
    granted: Vec<Rc<Granted>>,
    /// Removed rules under which a program still runs: they may come back.
    retired: Vec<Rc<Granted>>,
    next_quota: u64,
    people: People,
}

impl Guard {
    /// A guard without any rules, of a server whose user is `own_uid`.
    pub(super) fn new(own_uid: u32) -> Self {
        Self {
            own_uid,
            rules: Rules::default(),
            lookup: Lookup::new(b"", None),
            granted: Vec::new(),
            retired: Vec::new(),
            next_quota: 0,
            people: People::new(own_uid),
        }
    }

    /// The users of clients.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// The users of clients.
    pub(super) fn people_mut(&mut self) -> &mut People {
        &mut self.people
    }

    /// Whether the server accepts commands from this client. On TCP it accepts none: there a user's
    /// programs, such as a browser, may connect on behalf of others.
    pub(super) fn obeys(&self, peer: &Peer) -> bool {
        matches!(peer, Peer::Local { uid: Some(uid), .. } if *uid == 0 || *uid == self.own_uid)
    }

    /// Sets new rules. A rule of which only the limits change keeps its quota, even if it was
    /// removed meanwhile, as long as a program runs under it. Returns the limits of all.
    pub(super) fn replace(
        &mut self,
        rules: Rules,
        lookup: Lookup,
        is_used: impl Fn(QuotaId) -> bool,
    ) -> Vec<(QuotaId, Option<u32>)> {
        let mut before = std::mem::take(&mut self.granted);
        before.append(&mut self.retired);
        for (index, rule) in rules.iter().enumerate() {
            let same = before.iter().position(|g| g.rule.is_about_the_same(rule));
            let quota = match same {
                Some(index) => before.remove(index).quota,
                None => self.new_quota(),
            };
            let rule = rule.clone();
            let title = rules.title(index).into();
            self.granted.push(Rc::new(Granted { rule, title, quota }));
        }
        before.retain(|granted| is_used(granted.quota));
        self.retired = before;
        self.rules = rules;
        self.lookup = lookup;
        self.people.read_again();
        let granted = self.granted.iter();
        granted.map(|g| (g.quota, g.rule.max_jobs)).collect()
    }

    /// The rules, and how names select programs.
    pub(super) fn decides_by(&self) -> (&Rules, &Lookup) {
        (&self.rules, &self.lookup)
    }

    /// The rules in force, in order.
    pub(super) fn in_force(&self) -> impl Iterator<Item = InForce<'_>> {
        self.granted.iter().map(|granted| InForce {
            title: &granted.title,
            quota: granted.quota,
            max_jobs: granted.rule.max_jobs,
        })
    }

    fn new_quota(&mut self) -> QuotaId {
        self.next_quota += 1;
        QuotaId(self.next_quota)
    }

    /// Asks the rules about a request.
    ///
    /// # Errors
    ///
    /// Why it is not run.
    pub(super) fn judge(&self, request: &Arguments, client: &Connection) -> Result<Permit, Denial> {
        if self.rules.allow_everything() {
            let execution = Rc::clone(self.rules.general());
            return Ok(Permit {
                account: account(&execution),
                execution,
                ..Permit::default()
            });
        }
        let file = self.lookup.resolve(request.program()).map_err(not_found)?;
        let index = self
            .decide(&file, request, client)
            .map_err(|no_rule| self.deny(no_rule))?;
        let by = index.and_then(|index| self.granted.get(index).map(Rc::clone));
        let execution = Rc::clone(match &by {
            Some(granted) => &granted.rule.execution,
            None => self.rules.general(),
        });
        let permit = Permit {
            account: account(&execution),
            execution,
            by,
            file: Some(file),
        };
        match permit.obstacle() {
            None => Ok(permit),
            Some(refusal) => Err(Denial {
                error: SpawnError::Refused(refusal),
                permit,
                almost: None,
            }),
        }
    }

    fn deny(&self, no_rule: NoRule) -> Denial {
        let almost = match no_rule {
            NoRule::WithTheseArguments(index) => self.granted.get(index),
            NoRule::AtAll => None,
        };
        Denial {
            almost: almost.map(|granted| Rc::clone(&granted.title)),
            ..Denial::from(SpawnError::Refused(refusal(no_rule)))
        }
    }

    /// The rules' decision; the system is asked only for what they need.
    fn decide(
        &self,
        file: &[u8],
        request: &Arguments,
        client: &Connection,
    ) -> Result<Option<usize>, NoRule> {
        let rules = &self.rules;
        let groups = rules.needs_groups().then(|| client.peer_groups());
        let groups = groups.unwrap_or_default();
        let label = rules.needs_label().then(|| client.peer_label()).flatten();
        let arguments = request.iter().skip(1).take(rules.arguments_needed());
        let arguments: Vec<_> = arguments.collect();
        rules.decide(&Request {
            peer: client.peer().uid().map(|uid| (uid, &groups[..])),
            label: label.as_deref(),
            program: file,
            arguments: &arguments,
        })
    }
}

/// Why a name means no program.
pub(super) fn not_found(error: LookupError) -> SpawnError {
    match error {
        LookupError::System(errno) => SpawnError::Exec(errno),
        LookupError::Upwards => SpawnError::Refused(Refusal::Unclear),
    }
}

/// The refusal of a request that no rule allows.
pub(super) fn refusal(no_rule: NoRule) -> Refusal {
    match no_rule {
        NoRule::AtAll => Refusal::NoRule,
        NoRule::WithTheseArguments(_) => Refusal::Arguments,
    }
}

/// Why a program cannot be run under the rule that allows it, whose name or number is `title`.
pub(super) fn obstacle(rule: &Rule, title: &str, file: &[u8]) -> Option<Refusal> {
    match rule.may_be_prefixed(file) {
        true => None,
        false => Some(Refusal::Assignment { rule: title.into() }),
    }
}

/// The user as which a program runs.
fn account(execution: &Execution) -> Option<Rc<Account>> {
    match &execution.run_as {
        Some(RunAs::User(account)) => Some(Rc::clone(account)),
        Some(RunAs::Peer) | None => None,
    }
}

/// The program and arguments to run for a program that a rule allows, if the rule has a prefix.
///
/// # Errors
///
/// When there is no memory for the longer list.
pub(super) fn prefixed(
    permit: &Permit,
    arguments: Arguments,
) -> Result<(Option<&[u8]>, Arguments), OutOfMemory> {
    let rule = permit.rule();
    let file = permit.file.as_deref();
    let (Some(path), Some(rule)) = (file, rule.filter(|rule| !rule.run_prefix.is_empty())) else {
        return Ok((file, arguments));
    };
    let all = rule
        .run_prefix
        .iter()
        .map(Vec::as_slice)
        .chain([path])
        .chain(arguments.iter().skip(1));
    Ok((None, Arguments::try_collect(all)?))
}
