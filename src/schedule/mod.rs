//! Which connections are served, and whose program starts next: slots, shares, quotas of
//! rules, the memory of requests, and the phases of the server's life.
//!
//! The server reports what happened (`arrive`, `ask`, `permit`, `update`, `leave`, ...), and
//! then polls orders until there are none ([`Schedule::poll`]). News that comes twice or late
//! changes nothing; an order names what is still there. Pure: it owns numbers, makes no system
//! call, reads no clock and never logs.
//!
//! # Standings
//!
//! A connection has one of these; each but the last holds a [`Charge`], which gives its place
//! back when it is dropped.
//!
//! | standing | means | leaves by |
//! |---|---|---|
//! | `Active` | has one of the slots of the connection limit | its reply |
//! | `OverQuota` | its user has its share of the slots, or none is free: waits for one | a slot, its reply |
//! | `Refused` | its user may not even wait; its client gets the reason | its reply |
//! | `Control` | speaks to the server itself, and takes no slot | its last answer |
//! | `Lingering` | has its reply, and has not closed | its end |
//!
//! # Programs
//!
//! Three gates, each with a queue of its own, so that no request is held up by a gate that is
//! not its own.
//!
//! | program | means | leaves by |
//! |---|---|---|
//! | `None` | none was asked for, or it is over | `ask` |
//! | `Asked` | its connection has no slot yet | a slot |
//! | `Judging` | the rules are being asked | `permit`, `withdraw` |
//! | `Held` | as many programs run by its rule as may | the end of one of them |
//! | `Queued` | waits for descriptors and a place for a child | its turn |
//! | `Launched` | runs, or is about to | its end |
//!
//! A process that has outlived its connection is an orphan. It counts as a program.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | each connection's standing and program; what follows from what |
//! | `order` | what the server is asked to do |
//! | `capacity` | the limits in effect |
//! | `budget` | how many connections and programs the descriptors carry |
//! | `phase` | the phases of the server's life |
//! | `memory` | the memory of requests |
//! | `quotas` | how many programs may run by each rule |
//! | `queue` | a queue that can be left from its middle |

mod budget;
mod capacity;
mod memory;
mod order;
mod phase;
mod queue;
mod quotas;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub use self::budget::{Budget, CONTROL_MAX, Demand};
pub use self::capacity::Capacity;
use self::memory::Memory;
pub use self::memory::Need;
pub use self::order::{Order, Reason};
use self::phase::Idle;
pub use self::phase::Phase;
use self::queue::{Queue, Ticket};
pub use self::quotas::QuotaId;
use self::quotas::{Entrance, Quotas};
use crate::id::ConnectionId;
use crate::quota::{Account, Charge, Full, User};

/// How long a server that must not wait waits for killed programs to be gone, so that their
/// clients hear of it.
pub const HURRY: Duration = Duration::from_secs(1);

/// What comes in on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A client that wants a program run.
    Job,
    /// A client that speaks to the server itself.
    Control,
}

/// What there is to know of a connection after it has worked.
#[derive(Clone, Copy, Debug)]
pub struct News {
    /// A process of its own is there.
    pub has_process: bool,
    /// What it needs of the memory for requests.
    pub need: Need,
    /// A client waits for a reply, or there is a process.
    pub is_active: bool,
}

/// Where a connection stands, as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not wait for anything here.
    Nothing,
    /// For a slot.
    Slot,
    /// For its program's turn.
    Turn,
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that have a slot.
    pub active: usize,
    /// Connections that wait for one.
    pub over_quota: usize,
    /// Requests that wait for their program's turn.
    pub waiting: usize,
    /// Programs, orphans included.
    pub programs: usize,
    /// Connections that linger.
    pub lingering: usize,
    /// Control connections.
    pub control: usize,
}

#[derive(Debug)]
enum Standing {
    Active { _slot: Charge },
    OverQuota { _place: Charge },
    Refused,
    Control { _place: Charge },
    Lingering { ticket: Ticket },
}

#[derive(Debug, Default)]
enum Program {
    #[default]
    None,
    Asked,
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

#[derive(Debug)]
struct Entry {
    user: User,
    standing: Standing,
    program: Program,
}

/// See the module.
#[derive(Debug)]
pub struct Schedule {
    capacity: Capacity,
    phase: Phase,
    idle: Idle,
    /// There is a socket on which clients come.
    listens: bool,
    connections: BTreeMap<ConnectionId, Entry>,
    slots: Account,
    places: Account,
    control: Account,
    programs: Account,
    quotas: Quotas,
    memory: Memory,
    spools: Account,
    /// Connections that wait for a slot, in the order of their numbers.
    over_quota: BTreeSet<ConnectionId>,
    /// Requests whose programs may start as soon as there is a place.
    ready: Queue,
    lingering: Queue,
    orphans: BTreeMap<ConnectionId, Charge>,
    orders: VecDeque<Order>,
}

impl Schedule {
    /// A schedule without any connection.
    pub fn new(capacity: Capacity) -> Self {
        let mut schedule = Self {
            phase: Phase::Serving,
            idle: Idle::default(),
            listens: false,
            connections: BTreeMap::new(),
            slots: Account::default(),
            places: Account::default(),
            control: Account::default(),
            programs: Account::default(),
            quotas: Quotas::default(),
            memory: Memory::default(),
            spools: Account::default(),
            over_quota: BTreeSet::new(),
            ready: Queue::default(),
            lingering: Queue::default(),
            orphans: BTreeMap::new(),
            orders: VecDeque::new(),
            capacity,
        };
        schedule.share_out();
        schedule
    }

    /// Takes other limits. What is in use above them stays until it is given back.
    pub fn configure(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        self.share_out();
    }

    fn share_out(&mut self) {
        let capacity = &self.capacity;
        let share = capacity.user_share;
        // No other user comes any more, for which slots should be kept.
        let of_slots = match self.phase {
            Phase::Serving => share,
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => 100,
        };
        self.slots.configure(capacity.connections as u64, of_slots);
        self.places.configure(capacity.over_quota as u64, share);
        self.control.configure(capacity.control as u64, 100);
        self.programs.configure(capacity.programs as u64, 100);
        self.memory.configure(capacity.requests_memory, share);
        self.spools.configure(capacity.spool_total, share);
    }

    /// Takes other rules, each with the number of programs that it allows at once. The rules
    /// are asked anew about all that is not started, in its order.
    pub fn set_rules(&mut self, rules: &[(QuotaId, Option<u32>)]) {
        let mut again: Vec<ConnectionId> = self.ready.take_all().collect();
        again.extend(self.quotas.recall());
        for id in again {
            if let Some(entry) = self.connections.get_mut(&id) {
                entry.program = Program::Judging;
                self.orders.push_back(Order::Judge(id));
            }
        }
        self.quotas.configure(rules);
    }

    /// Whether a program runs, or is about to, by this rule.
    pub fn uses(&self, quota: QuotaId) -> bool {
        self.quotas.is_used(quota)
    }

    /// A client can come on a socket.
    pub fn listen(&mut self) {
        self.listens = true;
    }

    /// Whether there is room for one more connection.
    pub fn accepts(&self, class: Class) -> bool {
        match (class, self.phase) {
            (_, Phase::Ending { .. } | Phase::Over) => false,
            (Class::Control, Phase::Serving | Phase::Finishing { .. }) => !self.control.is_full(),
            (Class::Job, Phase::Finishing { .. }) => false,
            (Class::Job, Phase::Serving) => !self.slots.is_full(),
        }
    }

    /// A connection comes in.
    pub fn arrive(&mut self, id: ConnectionId, user: User, class: Class) {
        let (standing, order) = match class {
            Class::Control => {
                let mut place = self.control.open(None);
                place.set(1);
                (Standing::Control { _place: place }, Order::Serve(id))
            }
            Class::Job => self.place(id, user),
        };
        self.orders.push_back(order);
        self.idle.interrupt();
        let entry = Entry {
            user,
            standing,
            program: Program::None,
        };
        self.connections.insert(id, entry);
    }

    fn place(&mut self, id: ConnectionId, user: User) -> (Standing, Order) {
        // Those that wait already come first.
        self.give_slots();
        let mut slot = self.slots.open(user);
        if self.phase != Phase::Serving {
            // It came with the last of a listening socket, and learns that the server stops.
            slot.set(1);
            let order = Order::Refuse(id, Reason::Stopping);
            return (Standing::Active { _slot: slot }, order);
        }
        if slot.grow(1).is_ok() {
            return (Standing::Active { _slot: slot }, Order::Serve(id));
        }
        let mut place = self.places.open(user);
        match place.grow(1) {
            Ok(()) => {
                self.over_quota.insert(id);
                (Standing::OverQuota { _place: place }, Order::Serve(id))
            }
            Err(Full { limit }) => {
                let order = Order::Refuse(id, Reason::Crowded { limit });
                (Standing::Refused, order)
            }
        }
    }

    /// A charge on the memory of requests, for a connection.
    pub fn open_request(&self, user: User) -> Charge {
        self.memory.open(user)
    }

    /// A charge on the size of temporary files, for a connection.
    pub fn open_spools(&self, user: User) -> Charge {
        self.spools.open(user)
    }

    /// A connection asks for its program.
    pub fn ask(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.get_mut(&id) else {
            return;
        };
        match (&entry.standing, &entry.program) {
            (Standing::Active { .. }, Program::None) => {
                entry.program = Program::Judging;
                self.orders.push_back(Order::Judge(id));
            }
            (Standing::OverQuota { .. }, Program::None) => entry.program = Program::Asked,
            _ => {}
        }
    }

    /// The rules allow the program of a connection, as one of those that run by `quota`.
    pub fn permit(&mut self, id: ConnectionId, quota: Option<QuotaId>) {
        let Some(entry) = self.connections.get_mut(&id) else {
            return;
        };
        if !matches!(entry.program, Program::Judging) {
            return;
        }
        let entrance = quota.and_then(|quota| Some((quota, self.quotas.enter(quota, id)?)));
        entry.program = match entrance {
            Some((quota, Entrance::Held(ticket))) => Program::Held { quota, ticket },
            Some((_, Entrance::Open(charge))) => Program::Queued {
                ticket: self.ready.push(id),
                quota: Some(charge),
            },
            None => Program::Queued {
                ticket: self.ready.push(id),
                quota: None,
            },
        };
    }

    /// A connection does not ask for its program any more; it was not started.
    pub fn withdraw(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(&id) {
            if !matches!(entry.program, Program::Launched { .. }) {
                let program = std::mem::take(&mut entry.program);
                self.forget(program);
            }
        }
    }

    /// Takes a program out of the queue in which it waits, and gives back its charges.
    fn forget(&mut self, program: Program) {
        match program {
            Program::Held { quota, ticket } => self.quotas.leave(quota, ticket),
            Program::Queued { ticket, .. } => self.ready.leave(ticket),
            Program::None | Program::Asked | Program::Judging | Program::Launched { .. } => {}
        }
    }

    /// Takes the news of a connection that has worked. Returns whether it is over with that:
    /// it has its reply, or needs none any more.
    pub fn update(&mut self, id: ConnectionId, news: News) -> bool {
        let Some(entry) = self.connections.get_mut(&id) else {
            return false;
        };
        self.memory.update(id, entry.user, news.need);
        if !news.has_process && matches!(entry.program, Program::Launched { .. }) {
            entry.program = Program::None;
        }
        if news.is_active || matches!(entry.standing, Standing::Lingering { .. }) {
            return false;
        }
        let ticket = self.lingering.push(id);
        entry.standing = Standing::Lingering { ticket };
        self.over_quota.remove(&id);
        let program = std::mem::take(&mut entry.program);
        self.forget(program);
        true
    }

    /// The process of a connection has been given up, and counts as an orphan until
    /// [`Schedule::bury`].
    pub fn orphan(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(&id) {
            if let Program::Launched { program, .. } = std::mem::take(&mut entry.program) {
                self.orphans.insert(id, program);
            }
        }
    }

    /// A process that is no connection's program counts as an orphan, whatever the limit.
    pub fn adopt(&mut self, id: ConnectionId) {
        let mut program = self.programs.open(None);
        program.set(1);
        self.orphans.insert(id, program);
    }

    /// An orphan has ended.
    pub fn bury(&mut self, id: ConnectionId) {
        self.orphans.remove(&id);
    }

    /// A connection has gone.
    pub fn leave(&mut self, id: ConnectionId) {
        let Some(entry) = self.connections.remove(&id) else {
            return;
        };
        if let Standing::Lingering { ticket } = entry.standing {
            self.lingering.leave(ticket);
        }
        self.over_quota.remove(&id);
        self.memory.update(id, entry.user, Need::Nothing);
        self.forget(entry.program);
    }

    /// Accepts no connection for a program any more. What runs may go on for the time of
    /// grace; `None`: as long as its own limits let it. A server that drains already can be
    /// given an end, once. Returns whether that changes anything.
    pub fn drain(&mut self, grace: Option<Duration>, now: Instant) -> bool {
        let until = grace.map(|grace| now + grace);
        match self.phase {
            Phase::Serving => {
                self.phase = Phase::Finishing { until };
                self.share_out();
                self.close_listeners(false);
                if grace.is_some_and(|grace| grace.is_zero()) {
                    self.stop(false, now);
                }
                true
            }
            Phase::Finishing { until: None } if until.is_some() => {
                self.phase = Phase::Finishing { until };
                true
            }
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => false,
        }
    }

    /// Waits for nothing any more that is not needed.
    pub fn hurry(&mut self, now: Instant) {
        let until = match self.phase {
            Phase::Over => return,
            // To be hurried again and again gives nobody more time.
            Phase::Ending { until } => until.min(now + HURRY),
            Phase::Serving | Phase::Finishing { .. } => now + HURRY,
        };
        self.phase = Phase::Ending { until };
        self.orders.push_back(Order::StopNow);
    }

    fn stop(&mut self, grace_over: bool, now: Instant) {
        let until = now + self.capacity.stop_time;
        self.phase = Phase::Ending { until };
        self.close_listeners(true);
        self.orders.push_back(Order::Stop { grace_over });
    }

    fn close_listeners(&mut self, control: bool) {
        self.listens = false;
        self.orders.push_back(Order::CloseListeners { control });
    }

    /// Takes the time, once in a turn.
    pub fn tick(&mut self, now: Instant) {
        self.memory.begin_turn();
        self.idle.update(self.connections.is_empty(), now);
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Serving if self.listens && is_due(self.idle_ends()) => {
                self.orders.push_back(Order::Leave);
            }
            Phase::Finishing { until } if is_due(until) => self.stop(true, now),
            Phase::Ending { until } if is_due(Some(until)) => self.end(),
            Phase::Serving | Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => {}
        }
    }

    fn idle_ends(&self) -> Option<Instant> {
        self.idle.ends(self.capacity.idle_exit?)
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.orders.push_back(Order::End);
    }

    /// When [`Schedule::tick`] is due; `Some(now)` where there is something to do at once.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let idle = match (self.phase, self.capacity.idle_exit) {
            (Phase::Serving, Some(exit)) if self.listens && self.connections.is_empty() => {
                // Where it is not known since when, that begins with the next turn.
                Some(self.idle.ends(exit).unwrap_or(now))
            }
            _ => None,
        };
        let at_once = (!self.orders.is_empty() || self.memory.has_work()).then_some(now);
        [self.phase.until(), idle, at_once]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next order. `can_launch`: the system has a place for a child now.
    pub fn poll(&mut self, can_launch: bool) -> Option<Order> {
        self.forget_stale_orders();
        if self.orders.is_empty() {
            self.give_slots();
            self.release_held();
            self.limit_lingering();
            self.end_if_served();
        }
        self.orders
            .pop_front()
            .or_else(|| self.launch_next(can_launch))
            .or_else(|| {
                let (id, beyond) = self.memory.poll()?;
                Some(Order::Read { id, beyond })
            })
    }

    /// Orders may have lost their purpose while others were carried out.
    fn forget_stale_orders(&mut self) {
        while self
            .orders
            .front()
            .is_some_and(|order| self.is_stale(order))
        {
            self.orders.pop_front();
        }
    }

    fn is_stale(&self, order: &Order) -> bool {
        match order {
            Order::Serve(id) | Order::Refuse(id, _) | Order::Drop(id) => {
                !self.connections.contains_key(id)
            }
            Order::Judge(id) => {
                let entry = self.connections.get(id);
                !entry.is_some_and(|entry| matches!(entry.program, Program::Judging))
            }
            Order::Leave => !self.connections.is_empty(),
            Order::Launch(_)
            | Order::Read { .. }
            | Order::CloseListeners { .. }
            | Order::Stop { .. }
            | Order::StopNow
            | Order::End => false,
        }
    }

    /// Gives slots that are free to those that have waited longest, if they may have one.
    fn give_slots(&mut self) {
        if self.over_quota.is_empty() || !self.slots.take_released() {
            return;
        }
        let (connections, slots) = (&mut self.connections, &self.slots);
        let orders = &mut self.orders;
        self.over_quota.retain(|id| {
            let Some(entry) = connections.get_mut(id) else {
                return false;
            };
            let mut slot = slots.open(entry.user);
            if slot.grow(1).is_err() {
                return true;
            }
            entry.standing = Standing::Active { _slot: slot };
            if matches!(entry.program, Program::Asked) {
                entry.program = Program::Judging;
                orders.push_back(Order::Judge(*id));
            }
            false
        });
    }

    /// Lets held requests go on, for rules by which fewer programs run now.
    fn release_held(&mut self) {
        while let Some((id, charge)) = self.quotas.release() {
            if let Some(entry) = self.connections.get_mut(&id) {
                entry.program = Program::Queued {
                    ticket: self.ready.push(id),
                    quota: Some(charge),
                };
            }
        }
    }

    /// The connections that linger longest give way, when there are too many.
    fn limit_lingering(&mut self) {
        while self.lingering.len() > self.capacity.lingering {
            self.orders.extend(self.lingering.pop().map(Order::Drop));
        }
    }

    fn end_if_served(&mut self) {
        let is_over = match self.phase {
            Phase::Serving => !self.listens && self.connections.is_empty(),
            Phase::Finishing { .. } => self.connections.len() as u64 == self.control.used(),
            Phase::Ending { .. } => self.connections.is_empty(),
            Phase::Over => false,
        };
        if is_over {
            self.end();
        }
    }

    fn launch_next(&mut self, can_launch: bool) -> Option<Order> {
        if !can_launch || self.ready.is_empty() {
            return None;
        }
        let mut program = self.programs.open(None);
        program.grow(1).ok()?;
        let id = self.ready.pop()?;
        let entry = self.connections.get_mut(&id)?;
        let Program::Queued { quota, .. } = std::mem::take(&mut entry.program) else {
            unreachable!("only programs that are queued are in the queue");
        };
        entry.program = Program::Launched {
            program,
            _quota: quota,
        };
        Some(Order::Launch(id))
    }

    /// How the server's life goes.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The limits in effect.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// What a connection waits for.
    pub fn wait(&self, id: ConnectionId) -> Wait {
        let Some(entry) = self.connections.get(&id) else {
            return Wait::Nothing;
        };
        match (&entry.standing, &entry.program) {
            (Standing::OverQuota { .. }, _) => Wait::Slot,
            (_, Program::Judging | Program::Held { .. } | Program::Queued { .. }) => Wait::Turn,
            _ => Wait::Nothing,
        }
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> Counts {
        let count = |account: &Account| usize::try_from(account.used()).unwrap_or(usize::MAX);
        Counts {
            active: count(&self.slots),
            over_quota: self.over_quota.len(),
            waiting: self.ready.len() + self.quotas.held(),
            programs: count(&self.programs),
            lingering: self.lingering.len(),
            control: count(&self.control),
        }
    }

    /// Bytes of requests that are not started.
    pub fn request_bytes(&self) -> u64 {
        self.memory.used()
    }

    /// Bytes in temporary files.
    pub fn spool_bytes(&self) -> u64 {
        self.spools.used()
    }
}

#[cfg(test)]
mod tests;
