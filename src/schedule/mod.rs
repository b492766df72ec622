//! Decides which connections are served, and which program starts next: slots, shares, quotas of
//! rules, the memory of requests, and the phases of the server's life.
//!
//! The server reports events (`arrive`, `ask`, `permit`, `update`, `leave`, ...), and then polls
//! orders until there are none ([`Schedule::poll`]). An event that comes twice or late changes
//! nothing; an order names only existing connections. Pure: it owns numbers, makes no system
//! call, reads no clock and never logs.
//!
//! Each connection has a standing (`standings`), and each request passes four gates until its
//! program starts (`turns`); both have their tables of states.
//!
//! | file | content |
//! |---|---|
//! | `mod` | the server's reports, and their consequences |
//! | `standings` | the standing of each connection: slots, shares, places |
//! | `turns` | the program that starts next |
//! | `news` | a report about a connection, and the answers to queries |
//! | `order` | the orders to the server |
//! | `capacity` | the limits in effect |
//! | `budget` | the limits of connections and programs that follow from the descriptors |
//! | `phase` | the phases of the server's life |
//! | `memory` | the memory of requests |
//! | `rates` | the rate of requests of each user |
//! | `quotas` | the limit of programs for each rule |
//! | `queue` | a queue with removal from its middle |

mod budget;
mod capacity;
mod memory;
mod news;
mod order;
mod phase;
mod queue;
mod quotas;
mod rates;
mod standings;
mod turns;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use self::budget::{Budget, CONTROL_MAX, Demand};
pub use self::capacity::Capacity;
use self::memory::Memory;
pub use self::memory::Need;
pub use self::news::{Counts, News, Wait};
pub use self::order::{Order, Rejection};
pub use self::phase::Phase;
pub use self::quotas::QuotaId;
pub use self::rates::Rate;
pub use self::standings::Class;
use self::standings::Standings;
use self::turns::Turns;
use crate::id::ConnectionId;
use crate::quota::{Account, Charge, User};

/// How long a server in a hurry waits for killed programs to end, so that their clients get a
/// reply.
pub const HURRY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Schedule {
    capacity: Capacity,
    phase: Phase,
    /// Since when there has been no connection.
    idle_since: Option<Instant>,
    /// There is a socket on which clients come.
    listens: bool,
    /// There are processes that would end with the server, although no connection has them.
    occupied: bool,
    standings: Standings,
    turns: Turns,
    memory: Memory,
    spools: Account,
    orders: VecDeque<Order>,
}

impl Schedule {
    /// A schedule without any connection.
    pub fn new(capacity: Capacity, now: Instant) -> Self {
        let mut schedule = Self {
            phase: Phase::Serving,
            idle_since: Some(now),
            listens: false,
            occupied: false,
            standings: Standings::default(),
            turns: Turns::new(capacity.rate, now),
            memory: Memory::default(),
            spools: Account::default(),
            orders: VecDeque::new(),
            capacity,
        };
        schedule.share_out();
        schedule
    }

    /// Sets new limits. Charges above them stay until they are given back.
    pub fn configure(&mut self, capacity: Capacity, now: Instant) {
        self.turns.tick(now);
        self.capacity = capacity;
        self.share_out();
    }

    fn share_out(&mut self) {
        let capacity = &self.capacity;
        let share = capacity.user_share;
        let serving = self.phase == Phase::Serving;
        self.standings.configure(capacity, serving);
        self.turns.configure(capacity.programs, capacity.rate);
        self.memory.configure(capacity.requests_memory, share);
        self.spools.configure(capacity.spool_total, share);
    }

    /// Takes other rules, each with the number of programs that it allows at once. The rules
    /// are asked anew about all that is not started, in its order.
    pub fn set_rules(&mut self, rules: &[(QuotaId, Option<u32>)]) {
        let again = self.turns.set_rules(rules);
        self.orders.extend(again.into_iter().map(Order::Judge));
    }

    /// How many programs run, or are about to, by this rule, and how many requests wait for it.
    pub fn under(&self, quota: QuotaId) -> (u64, usize) {
        self.turns.under(quota)
    }

    /// Whether a program runs, or is about to, by this rule.
    pub fn uses(&self, quota: QuotaId) -> bool {
        self.turns.uses(quota)
    }

    /// A client can come on a socket.
    pub fn listen(&mut self) {
        self.listens = true;
    }

    /// Whether there is room for one more connection.
    pub fn accepts(&self, class: Class) -> bool {
        match (class, self.phase) {
            (_, Phase::Serving) | (Class::Control, Phase::Finishing { .. }) => {
                self.standings.has_room(class)
            }
            (Class::Job, Phase::Finishing { .. }) => false,
            (_, Phase::Ending { .. } | Phase::Over) => false,
        }
    }

    /// A connection comes in.
    pub fn arrive(&mut self, id: ConnectionId, user: User, class: Class) {
        self.idle_since = None;
        // Waiting connections come first.
        self.give_slots();
        let result = if class == Class::Job && self.phase != Phase::Serving {
            // It came with the last of a listening socket, and gets the reason: the server stops.
            self.standings.arrive_late(id, user);
            Err(Rejection::Stopping)
        } else {
            self.standings.arrive(id, user, class)
        };
        self.orders.push_back(match result {
            Ok(()) => Order::Serve(id),
            Err(reason) => Order::Refuse(id, reason),
        });
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
    pub fn ask(&mut self, id: ConnectionId, now: Instant) {
        self.turns.tick(now);
        let Some(user) = self.standings.user(id) else {
            return;
        };
        let has_slot = self.standings.has_slot(id);
        if (has_slot || self.standings.is_over_quota(id)) && self.turns.ask(id, user, has_slot) {
            self.orders.push_back(Order::Judge(id));
        }
    }

    /// The rules allow the program of a connection, under `quota`.
    pub fn permit(&mut self, id: ConnectionId, quota: Option<QuotaId>) {
        self.turns.permit(id, quota);
    }

    /// The rules can decide now about the program of a connection about which they were asked
    /// before, and have not decided.
    pub fn judge_again(&mut self, id: ConnectionId) {
        if self.turns.is_judging(id) {
            self.orders.push_back(Order::Judge(id));
        }
    }

    /// A connection does not ask for its program any more; it was not started.
    pub fn withdraw(&mut self, id: ConnectionId) {
        self.turns.withdraw(id);
    }

    /// Takes the news of a connection that has worked. Returns whether it is over with that:
    /// it has its reply, or needs none any more.
    pub fn update(&mut self, id: ConnectionId, news: News) -> bool {
        let Some(user) = self.standings.user(id) else {
            return false;
        };
        self.memory.update(id, user, news.need);
        if !news.has_process {
            self.turns.ended(id);
        }
        if news.is_active || !self.standings.linger(id) {
            return false;
        }
        self.turns.leave(id);
        true
    }

    /// The process of a connection has been given up, and counts as an orphan until
    /// [`Schedule::bury`].
    pub fn orphan(&mut self, id: ConnectionId) {
        self.turns.orphan(id);
    }

    /// A process that is no connection's program counts as an orphan, whatever the limit.
    pub fn adopt(&mut self, id: ConnectionId) {
        self.turns.adopt(id);
    }

    /// An orphan has ended.
    pub fn bury(&mut self, id: ConnectionId) {
        self.turns.bury(id);
    }

    /// Whether processes live on without a connection: with them the server is not idle.
    pub fn occupy(&mut self, occupied: bool, now: Instant) {
        if std::mem::replace(&mut self.occupied, occupied) && !occupied {
            self.idle_since = self.standings.is_empty().then_some(now);
        }
    }

    /// A connection has gone.
    pub fn leave(&mut self, id: ConnectionId, now: Instant) {
        if let Some(user) = self.standings.user(id) {
            self.memory.update(id, user, Need::Nothing);
            self.turns.leave(id);
            self.standings.leave(id);
            self.idle_since = self.standings.is_empty().then_some(now);
        }
    }

    /// Accepts no connection for a program any more. Running jobs may continue for the time of
    /// grace; `None`: within their own limits. A server that drains already can be given a
    /// deadline, once. Returns whether that changes anything.
    pub fn drain(&mut self, grace: Option<Duration>, now: Instant) -> bool {
        let until = grace.map(|grace| now + grace);
        match self.phase {
            Phase::Serving => {
                self.phase = Phase::Finishing { until };
                self.share_out();
                match until {
                    None => self.orders.push_back(Order::PauseListeners),
                    Some(_) => self.close_listeners(false),
                }
                if grace.is_some_and(|grace| grace.is_zero()) {
                    self.stop(false, now);
                }
                true
            }
            Phase::Finishing { until: None } if until.is_some() => {
                self.phase = Phase::Finishing { until };
                self.close_listeners(false);
                true
            }
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => false,
        }
    }

    /// Takes back a drain without a deadline: connections are accepted again. Returns whether the
    /// server serves now; one that has ended its last job, or stops, does not come back.
    pub fn undrain(&mut self) -> bool {
        match self.phase {
            Phase::Serving => true,
            Phase::Finishing { until: None } => {
                self.phase = Phase::Serving;
                self.orders.retain(|order| *order != Order::PauseListeners);
                self.share_out();
                true
            }
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => false,
        }
    }

    /// Stops waiting, except for killed programs.
    pub fn hurry(&mut self, now: Instant) {
        let until = match self.phase {
            Phase::Over => return,
            // A repeated hurry does not extend the time.
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
        self.turns.tick(now);
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Serving if is_due(self.idle_ends()) => {
                self.orders.push_back(Order::Leave);
            }
            Phase::Finishing { until } if is_due(until) => self.stop(true, now),
            Phase::Ending { until } if is_due(Some(until)) => self.end(),
            Phase::Serving | Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => {}
        }
    }

    /// When there has been nothing to do for the time of the idle exit.
    fn idle_ends(&self) -> Option<Instant> {
        let since = self.idle_since.filter(|_| self.listens && !self.occupied)?;
        Some(since + self.capacity.idle_exit?)
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.orders.push_back(Order::End);
    }

    /// When [`Schedule::tick`] is due; `Some(now)` if there is work at once.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let end = match self.phase {
            Phase::Serving => self.idle_ends(),
            Phase::Finishing { until } => until,
            Phase::Ending { until } => Some(until),
            Phase::Over => None,
        };
        let at_once = (!self.orders.is_empty() || self.memory.has_work()).then_some(now);
        let parked = self.turns.poll_timeout();
        [end, at_once, parked].into_iter().flatten().min()
    }

    /// The next order. `can_launch`: the system has a place for a child now.
    pub fn poll(&mut self, can_launch: bool) -> Option<Order> {
        self.forget_stale_orders();
        if self.orders.is_empty() {
            self.give_slots();
            self.release_parked();
            self.turns.release_held();
            self.end_if_served();
        }
        let order = self
            .orders
            .pop_front()
            .or_else(|| self.standings.pop_lingering().map(Order::Drop))
            .or_else(|| {
                let id = can_launch.then(|| self.turns.launch_next())?;
                id.map(Order::Launch)
            })
            .or_else(|| {
                let (id, beyond) = self.memory.poll()?;
                Some(Order::Read { id, beyond })
            });
        if order.is_none() {
            self.standings.let_linger();
        }
        order
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
        match *order {
            Order::Serve(id) | Order::Refuse(id, _) => !self.standings.has(id),
            Order::Judge(id) => !self.turns.is_judging(id),
            Order::Leave => self.occupied || !self.standings.is_empty(),
            Order::Drop(_)
            | Order::Launch(_)
            | Order::Read { .. }
            | Order::PauseListeners
            | Order::CloseListeners { .. }
            | Order::Stop { .. }
            | Order::StopNow
            | Order::End => false,
        }
    }

    fn give_slots(&mut self) {
        for (id, user) in self.standings.give_slots() {
            if self.turns.slot_given(id, user) {
                self.orders.push_back(Order::Judge(id));
            }
        }
    }

    fn release_parked(&mut self) {
        while let Some(id) = self.turns.release_parked() {
            self.orders.push_back(Order::Judge(id));
        }
    }

    fn end_if_served(&mut self) {
        let is_over = match self.phase {
            Phase::Serving => !self.listens && !self.occupied && self.standings.is_empty(),
            Phase::Finishing { .. } => self.standings.has_only_control(),
            Phase::Ending { .. } => self.standings.is_empty(),
            Phase::Over => false,
        };
        if is_over {
            self.end();
        }
    }

    /// The phase of the server's life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The limits in effect.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// The reason why a connection waits.
    pub fn wait(&self, id: ConnectionId) -> Wait {
        if self.standings.is_over_quota(id) {
            Wait::Slot
        } else if self.turns.is_parked(id) {
            Wait::Token
        } else if self.turns.waits(id) {
            Wait::Turn
        } else {
            Wait::Nothing
        }
    }

    /// The number of each kind.
    pub fn counts(&self) -> Counts {
        let [active, over_quota, lingering, control] = self.standings.counts();
        let [throttled, waiting, programs] = self.turns.counts();
        Counts {
            active,
            over_quota,
            throttled,
            waiting,
            programs,
            lingering,
            control,
        }
    }

    /// The number of requests that had to wait because of the rate of their user, ever.
    pub fn throttled_total(&self) -> u64 {
        self.turns.throttled()
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
