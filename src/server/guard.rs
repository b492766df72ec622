//! Who may run what: asks the rules about a request, once, and keeps their counts.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::{Entry, Server};
use crate::id::ConnectionId;
use crate::os::lookup::LookupError;
use crate::program::{Arguments, OutOfMemory, Refusal, SpawnError};
use crate::rules::{NoRule, Rule, Rules};
use crate::session::Input;

/// A rule, and what runs by it.
#[derive(Debug)]
pub(super) struct Tally {
    rule: Rule,
    jobs: Cell<usize>,
    /// Requests that wait until fewer run.
    held: RefCell<VecDeque<ConnectionId>>,
}

impl Tally {
    fn has_room(&self) -> bool {
        self.rule
            .max_jobs
            .is_none_or(|most| self.jobs.get() < most as usize)
    }

    /// One more runs by the rule.
    fn enter(&self) {
        self.jobs.set(self.jobs.get() + 1);
    }
}

/// What the rules have said of a request.
#[derive(Debug)]
pub(super) struct Permit {
    /// The program's path, where it had to be found out.
    file: Option<Vec<u8>>,
    /// The rule that allows it, if there are rules.
    tally: Option<Rc<Tally>>,
    standing: Standing,
}

/// Whether a request counts for its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not been counted, or is not any more.
    Out,
    /// It waits until fewer run.
    Held,
    /// It counts.
    In,
}

/// The rules, and their counts.
#[derive(Debug, Default)]
pub(super) struct Guard {
    rules: Rules,
    tallies: Vec<Rc<Tally>>,
    /// Rules that have gone, by which something still runs: they may come back.
    retired: Vec<Rc<Tally>>,
    /// Rules by which one more may run now.
    freed: Vec<Rc<Tally>>,
}

impl Guard {
    pub(super) fn new(rules: Rules) -> Self {
        let mut guard = Self::default();
        guard.replace(rules);
        guard
    }

    /// Takes other rules. What runs by a rule that stays the same but for its limits still
    /// counts; whoever was held back is asked about anew.
    pub(super) fn replace(&mut self, rules: Rules) {
        let mut before = std::mem::take(&mut self.tallies);
        self.freed.extend(before.iter().map(Rc::clone));
        before.append(&mut self.retired);
        for rule in rules.iter() {
            let same = before.iter().position(|t| t.rule.is_about_the_same(rule));
            self.tallies.push(Rc::new(Tally {
                rule: rule.clone(),
                jobs: Cell::new(same.map_or(0, |index| before.remove(index).jobs.get())),
                held: RefCell::default(),
            }));
        }
        before.retain(|tally| tally.jobs.get() > 0);
        self.retired = before;
        self.rules = rules;
    }

    /// The tally that counts for a rule now: another one, if the rules were replaced.
    fn current(&self, tally: &Rc<Tally>) -> Option<&Rc<Tally>> {
        self.tallies
            .iter()
            .chain(&self.retired)
            .find(|t| t.rule.is_about_the_same(&tally.rule))
    }

    /// Whether it is a tally of the rules that hold now.
    fn is_in_force(&self, tally: &Rc<Tally>) -> bool {
        self.tallies.iter().any(|t| Rc::ptr_eq(t, tally))
    }

    /// Whether somebody who is held back may go on.
    pub(super) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// How many requests wait for others that run by the same rule.
    pub(super) fn held(&self) -> usize {
        self.tallies.iter().map(|t| t.held.borrow().len()).sum()
    }

    /// One less runs by the rule.
    pub(super) fn leave(&mut self, tally: &Rc<Tally>) {
        if let Some(tally) = self.current(tally).map(Rc::clone) {
            tally.jobs.set(tally.jobs.get().saturating_sub(1));
            self.freed.push(tally);
        }
    }
}

impl Server {
    /// Asks the rules about the request of a connection, if they have not been asked.
    /// False: it is refused, or has to wait for others that run by the same rule.
    pub(super) fn is_permitted(&mut self, id: ConnectionId, entry: &mut Entry) -> bool {
        if entry.permit.is_none() {
            match self.permit(entry) {
                Ok(permit) => {
                    let rule = permit.tally.as_ref().map(|tally| &tally.rule);
                    if let Some(timeout) = rule.and_then(|rule| rule.timeout) {
                        self.work(id, entry, |connection, context| {
                            connection.inform(Input::Timeout(timeout), context);
                        });
                    }
                    entry.permit = Some(permit);
                }
                Err(error) => {
                    entry.request = None;
                    self.work(id, entry, |connection, context| {
                        connection.refuse(error, context)
                    });
                    return false;
                }
            }
        }
        let Some(permit) = &mut entry.permit else {
            return false;
        };
        let Some(tally) = &permit.tally else {
            return true;
        };
        if permit.standing == Standing::Out {
            if tally.has_room() {
                tally.enter();
                permit.standing = Standing::In;
            } else {
                tally.held.borrow_mut().push_back(id);
                permit.standing = Standing::Held;
            }
        }
        permit.standing == Standing::In
    }

    /// Takes other rules. Whatever is not started is asked about anew: a rule that has been
    /// taken away starts nothing any more.
    pub(super) fn replace_rules(&mut self, rules: Rules) {
        let waiting = std::mem::take(&mut self.waiting);
        let general = self.settings.limits.timeout;
        let mut again = Vec::new();
        for id in waiting {
            if let Some(mut entry) = self.connections.remove(&id) {
                entry.queued = false;
                self.count_off(id, &mut entry);
                again.push((id, forget(&mut entry).then_some(general)));
                self.connections.insert(id, entry);
            }
        }
        self.guard.replace(rules);
        // In their order. What may still run and has to wait goes back into the queue.
        for (id, timeout) in again {
            self.try_again(id, timeout);
        }
    }

    /// Counts off a request that has no program any more, and will have none.
    pub(super) fn count_off(&mut self, id: ConnectionId, entry: &mut Entry) {
        let Some(permit) = &mut entry.permit else {
            return;
        };
        if let Some(tally) = &permit.tally {
            match permit.standing {
                Standing::In => self.guard.leave(tally),
                Standing::Held => tally.held.borrow_mut().retain(|&held| held != id),
                Standing::Out => {}
            }
        }
        permit.standing = Standing::Out;
    }

    fn permit(&self, entry: &Entry) -> Result<Permit, SpawnError> {
        let connection = &entry.connection;
        let (Some(request), false) = (&entry.request, self.guard.rules.allow_everything()) else {
            return Ok(Permit {
                file: None,
                tally: None,
                standing: Standing::Out,
            });
        };
        let file = self
            .lookup
            .resolve(request.program())
            .map_err(|error| match error {
                LookupError::System(errno) => SpawnError::Exec(errno),
                LookupError::Upwards => SpawnError::Refused(Refusal::Unclear),
            })?;
        let groups = match self.guard.rules.needs_groups() {
            true => connection.peer_groups(),
            false => Vec::new(),
        };
        let who = connection.peer().uid().map(|uid| (uid, &groups[..]));
        let index = self
            .guard
            .rules
            .decide(who, &file)
            .map_err(|NoRule| SpawnError::Refused(Refusal::NoRule))?;
        let tally = index.and_then(|index| self.guard.tallies.get(index).map(Rc::clone));
        if tally
            .as_ref()
            .is_some_and(|t| !t.rule.may_be_prefixed(&file))
        {
            return Err(SpawnError::Refused(Refusal::Assignment));
        }
        Ok(Permit {
            file: Some(file),
            tally,
            standing: Standing::Out,
        })
    }

    /// Requests that waited for others that ran by the same rule.
    pub(super) fn release_held(&mut self) {
        for tally in std::mem::take(&mut self.guard.freed) {
            let is_current = self.guard.is_in_force(&tally);
            let mut held = std::mem::take(&mut *tally.held.borrow_mut());
            while let Some(id) = held.pop_front() {
                if is_current && !tally.has_room() {
                    held.push_front(id);
                    break;
                }
                self.release(id, is_current);
            }
            tally.held.replace(held);
        }
    }

    /// Lets a request try again that was held back, by a rule that is in force or has gone.
    fn release(&mut self, id: ConnectionId, in_force: bool) {
        let general = self.settings.limits.timeout;
        let entry = self.connections.get_mut(&id);
        let Some(entry) = entry.filter(|entry| entry.request.is_some()) else {
            return;
        };
        let timeout = match &mut entry.permit {
            Some(permit) if in_force => {
                permit.standing = Standing::Out;
                None
            }
            _ => forget(entry).then_some(general),
        };
        self.try_again(id, timeout);
    }

    /// Asks again about a request, which has this timeout from now on.
    fn try_again(&mut self, id: ConnectionId, timeout: Option<Option<Duration>>) {
        self.with(id, |connection, context| {
            if let Some(timeout) = timeout {
                connection.inform(Input::Timeout(timeout), context);
            }
        });
    }
}

/// Forgets what the rules have said of a request. Returns whether a rule had put its own
/// timeout in the place of the general one.
fn forget(entry: &mut Entry) -> bool {
    let tally = entry.permit.take().and_then(|permit| permit.tally);
    tally.is_some_and(|tally| tally.rule.timeout.is_some())
}

impl Permit {
    /// What is run in front of the program, if anything is.
    pub(super) fn in_front(&self) -> Option<&[u8]> {
        let rule = &self.tally.as_ref()?.rule;
        rule.run_prefix.first().map(Vec::as_slice)
    }
}

/// What is run instead of a program that a rule allows, if the rule says so.
///
/// # Errors
///
/// When there is no memory for the longer list.
pub(super) fn prefixed(
    permit: &Permit,
    arguments: Arguments,
) -> Result<(Option<&[u8]>, Arguments), OutOfMemory> {
    let rule = permit.tally.as_ref().map(|tally| &tally.rule);
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
