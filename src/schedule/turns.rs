//! Decides which program starts next. A request passes four gates, each with a queue of its own,
//! so that a request waits only at its own gate.
//!
//! | program | means | leaves by |
//! |---|---|---|
//! | (none) | none was asked for, or it is over | `ask` |
//! | `Asked` | its connection has no slot yet | a slot |
//! | `Parked` | its user has asked for too many programs of late | a token of its user's |
//! | `Judging` | the rules are being checked | `permit`, `withdraw` |
//! | `Held` | its rule has reached its limit of programs | the end of one of them |
//! | `Queued` | waits for descriptors and a place for a child | its turn |
//! | `Launched` | runs, or is about to | its end |
//!
//! A process that has outlived its connection is an orphan. It counts as a program.

use std::collections::BTreeMap;
use std::time::Instant;

use super::queue::{Queue, Ticket};
use super::quotas::{Entrance, QuotaId, Quotas};
use super::rates::{Parked, Rate, Rates};
use super::standings::count;
use crate::id::ConnectionId;
use crate::quota::{Account, Charge, User};

#[derive(Debug)]
enum Turn {
    Asked,
    Parked(Parked),
    Judging,
    Held {
        quota: QuotaId,
        ticket: Ticket,
    },
    Queued {
        ticket: Ticket,
        quota: Option<Charge>,
    },
    Launched {
        program: Charge,
        _quota: Option<Charge>,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    all: BTreeMap<ConnectionId, Turn>,
    programs: Account,
    rates: Rates,
    quotas: Quotas,
    /// Requests whose programs may start as soon as there is a place.
    ready: Queue,
    orphans: BTreeMap<ConnectionId, Charge>,
}

impl Turns {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            all: BTreeMap::new(),
            programs: Account::default(),
            rates: Rates::new(rate, now),
            quotas: Quotas::default(),
            ready: Queue::default(),
            orphans: BTreeMap::new(),
        }
    }

    /// Takes another number of programs that may run at once, and another rate of requests.
    pub(super) fn configure(&mut self, programs: usize, rate: Rate) {
        self.programs.configure(programs as u64, 100);
        self.rates.configure(rate);
    }

    /// Takes the time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.rates.tick(now);
    }

    /// When a parked request can go on.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.rates.next_due()
    }

    /// Sets new rules. Returns the requests that they must be applied to: all that are not
    /// started, in their order.
    pub(super) fn set_rules(&mut self, rules: &[(QuotaId, Option<u32>)]) -> Vec<ConnectionId> {
        let mut again: Vec<ConnectionId> = self.ready.take_all().collect();
        again.extend(self.quotas.recall());
        for &id in &again {
            self.all.insert(id, Turn::Judging);
        }
        self.quotas.configure(rules);
        again
    }

    /// How many programs run, or are about to, by this rule, and how many requests wait for it.
    pub(super) fn under(&self, quota: QuotaId) -> (u64, usize) {
        self.quotas.under(quota)
    }

    /// Whether a program runs, or is about to, by this rule.
    pub(super) fn uses(&self, quota: QuotaId) -> bool {
        self.quotas.is_used(quota)
    }

    /// A connection asks for its program. Returns whether the rules must be checked now.
    pub(super) fn ask(&mut self, id: ConnectionId, user: User, has_slot: bool) -> bool {
        if self.all.contains_key(&id) {
            return false;
        }
        self.all.insert(id, Turn::Asked);
        has_slot && self.slot_given(id, user)
    }

    /// A connection has a slot now. Returns whether the rules must be checked now.
    pub(super) fn slot_given(&mut self, id: ConnectionId, user: User) -> bool {
        match self.all.get_mut(&id) {
            Some(program @ Turn::Asked) => {
                *program = match self.rates.enter(user, id) {
                    Some(parked) => Turn::Parked(parked),
                    None => Turn::Judging,
                };
                self.is_judging(id)
            }
            _ => false,
        }
    }

    /// A parked request that can go on: the rules must be checked now.
    pub(super) fn release_parked(&mut self) -> Option<ConnectionId> {
        let id = self.rates.release()?;
        self.all.insert(id, Turn::Judging);
        Some(id)
    }

    /// Whether the rules are being asked about the program of a connection.
    pub(super) fn is_judging(&self, id: ConnectionId) -> bool {
        matches!(self.all.get(&id), Some(Turn::Judging))
    }

    /// The rules allow a program, under `quota`.
    pub(super) fn permit(&mut self, id: ConnectionId, quota: Option<QuotaId>) {
        if !self.is_judging(id) {
            return;
        }
        let entrance = quota.and_then(|quota| Some((quota, self.quotas.enter(quota, id)?)));
        let program = match entrance {
            Some((quota, Entrance::Held(ticket))) => Turn::Held { quota, ticket },
            Some((_, Entrance::Open(charge))) => self.queued(id, Some(charge)),
            None => self.queued(id, None),
        };
        self.all.insert(id, program);
    }

    fn queued(&mut self, id: ConnectionId, quota: Option<Charge>) -> Turn {
        let ticket = self.ready.push(id);
        Turn::Queued { ticket, quota }
    }

    /// Lets held requests go on, for rules by which fewer programs run now.
    pub(super) fn release_held(&mut self) {
        while let Some((id, charge)) = self.quotas.release() {
            let program = self.queued(id, Some(charge));
            self.all.insert(id, program);
        }
    }

    /// The program that starts next, if there is a place for one more.
    pub(super) fn launch_next(&mut self) -> Option<ConnectionId> {
        if self.ready.is_empty() {
            return None;
        }
        let mut program = self.programs.open(None);
        program.grow(1).ok()?;
        let id = self.ready.pop()?;
        let Some(Turn::Queued { quota, .. }) = self.all.remove(&id) else {
            unreachable!("only programs that are queued are in the queue");
        };
        let launched = Turn::Launched {
            program,
            _quota: quota,
        };
        self.all.insert(id, launched);
        Some(id)
    }

    /// The program of a connection has ended, or was not started after its turn had come.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        if matches!(self.all.get(&id), Some(Turn::Launched { .. })) {
            self.all.remove(&id);
        }
    }

    /// A request is withdrawn. A launched program continues.
    pub(super) fn withdraw(&mut self, id: ConnectionId) {
        if !matches!(self.all.get(&id), Some(Turn::Launched { .. })) {
            self.leave(id);
        }
    }

    /// A connection has no program any more.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        match self.all.remove(&id) {
            Some(Turn::Parked(parked)) => self.rates.leave(parked),
            Some(Turn::Held { quota, ticket }) => self.quotas.leave(quota, ticket),
            Some(Turn::Queued { ticket, .. }) => self.ready.leave(ticket),
            None | Some(Turn::Asked | Turn::Judging | Turn::Launched { .. }) => {}
        }
    }

    /// The process of a connection is an orphan from now on.
    pub(super) fn orphan(&mut self, id: ConnectionId) {
        match self.all.remove(&id) {
            Some(Turn::Launched { program, .. }) => _ = self.orphans.insert(id, program),
            Some(program) => _ = self.all.insert(id, program),
            None => {}
        }
    }

    /// A process that was no connection's program is an orphan from now on, whatever the limit.
    pub(super) fn adopt(&mut self, id: ConnectionId) {
        let mut program = self.programs.open(None);
        program.set(1);
        self.orphans.insert(id, program);
    }

    /// An orphan has ended.
    pub(super) fn bury(&mut self, id: ConnectionId) {
        self.orphans.remove(&id);
    }

    /// Whether a request waits for a token of its user's.
    pub(super) fn is_parked(&self, id: ConnectionId) -> bool {
        matches!(self.all.get(&id), Some(Turn::Parked(_)))
    }

    /// The number of requests that had to wait for a token, ever.
    pub(super) fn throttled(&self) -> u64 {
        self.rates.throttled()
    }

    /// Whether a request that has passed the first two gates is not started.
    pub(super) fn waits(&self, id: ConnectionId) -> bool {
        matches!(
            self.all.get(&id),
            Some(Turn::Judging | Turn::Held { .. } | Turn::Queued { .. })
        )
    }

    /// The numbers of parked requests, of waiting ones and of programs.
    pub(super) fn counts(&self) -> [usize; 3] {
        let waiting = self.ready.len() + self.quotas.held();
        [self.rates.parked(), waiting, count(&self.programs)]
    }
}
