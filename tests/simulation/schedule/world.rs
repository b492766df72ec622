//! The lists of the world, and the expectations from them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use sockexec::id::ConnectionId;
use sockexec::quota::User;
use sockexec::schedule::{Capacity, Counts, Order, Phase, QuotaId, Schedule};

use super::client::{Client, Job, Place};
use super::rates::{Buckets, Limit};
use crate::chance::Chance;

/// Whose the connections are.
const USERS: [User; 4] = [None, Some(0), Some(1), Some(2)];

/// Rules there are in all, of which some are in force.
const RULES: u64 = 5;

pub struct World<C> {
    pub(super) chance: C,
    pub(super) schedule: Schedule,
    pub(super) now: Instant,
    pub(super) capacity: Capacity,
    pub(super) rules: BTreeMap<QuotaId, Option<u32>>,
    pub(super) clients: BTreeMap<ConnectionId, Client>,
    pub(super) orphans: BTreeSet<ConnectionId>,
    /// In the order in which they began to.
    pub(super) lingering: Vec<ConnectionId>,
    /// A connection has come in this turn.
    pub(super) arrived: bool,
    /// New ones, in their order.
    pub(super) new: VecDeque<ConnectionId>,
    pub(super) next: ConnectionId,
    pub(super) phase: Phase,
    pub(super) listens: bool,
    /// Since when there has been no connection.
    pub(super) idle_since: Option<Instant>,
    /// The system has a place for a child.
    pub(super) can_launch: bool,
    /// Orders about the whole server that must come, in their order.
    pub(super) due: VecDeque<Order>,
    pub(super) groups: u64,
    pub(super) permits: u64,
    pub(super) parks: u64,
    pub(super) buckets: Buckets,
    pub(super) turns: u64,
    /// How seldom clients come.
    pub(super) pace: usize,
}

impl<C: Chance> World<C> {
    pub fn new(mut chance: C) -> Self {
        let limit = Limit::any(&mut chance);
        let capacity = any_capacity(&mut chance, limit);
        let now = Instant::now();
        let mut world = Self {
            schedule: Schedule::new(capacity, now),
            chance,
            now,
            capacity,
            rules: BTreeMap::new(),
            clients: BTreeMap::new(),
            orphans: BTreeSet::new(),
            lingering: Vec::new(),
            arrived: false,
            new: VecDeque::new(),
            next: ConnectionId::FIRST,
            phase: Phase::Serving,
            listens: false,
            idle_since: Some(now),
            can_launch: true,
            due: VecDeque::new(),
            groups: 0,
            permits: 0,
            parks: 0,
            buckets: Buckets::new(limit, now),
            turns: 0,
            pace: 1,
        };
        world.pace = [1, 1, 2, 8][world.chance.below(4)];
        // One in inetd's way serves a client that came with it.
        world.listens = !world.chance.once_in(20);
        match world.listens {
            true => world.schedule.listen(),
            false => world.arrives(),
        }
        world.reloads();
        world
    }

    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn any_user(&mut self) -> User {
        USERS[self.chance.below(USERS.len())]
    }

    /// A connection to which this applies, if there is any.
    pub(super) fn any(&mut self, applies: impl Fn(&Client) -> bool) -> Option<ConnectionId> {
        let all: Vec<_> = self.all(applies);
        (!all.is_empty()).then(|| all[self.chance.below(all.len())])
    }

    pub(super) fn all(&self, applies: impl Fn(&Client) -> bool) -> Vec<ConnectionId> {
        let all = self.clients.iter();
        all.filter(|(_, client)| applies(client))
            .map(|(&id, _)| id)
            .collect()
    }

    pub(super) fn client(&mut self, id: ConnectionId) -> &mut Client {
        self.clients
            .get_mut(&id)
            .expect("a connection that is there")
    }

    pub(super) fn count(&self, applies: impl Fn(&Client) -> bool) -> usize {
        self.clients
            .values()
            .filter(|client| applies(client))
            .count()
    }

    pub(super) fn at(&self, place: Place) -> usize {
        self.count(|client| client.place == place)
    }

    pub(super) fn of_user_at(&self, user: User, place: Place) -> usize {
        self.count(|client| client.user == user && client.place == place)
    }

    pub(super) fn programs(&self) -> usize {
        self.count(Client::runs) + self.orphans.len()
    }

    /// How many slots a user may have.
    pub(super) fn slots_of_user(&self) -> usize {
        match self.phase {
            Phase::Serving => share(self.capacity.connections as u64, self.capacity.user_share),
            _ => self.capacity.connections,
        }
    }

    pub(super) fn places_of_user(&self) -> usize {
        share(self.capacity.over_quota as u64, self.capacity.user_share)
    }

    pub(super) fn has_slot_for(&self, user: User) -> bool {
        self.at(Place::Slot) < self.capacity.connections
            && self.of_user_at(user, Place::Slot) < self.slots_of_user()
    }

    pub(super) fn memory(&self) -> u64 {
        self.clients.values().map(|client| client.held).sum()
    }

    pub(super) fn memory_of(&self, user: User) -> u64 {
        let clients = self.clients.values();
        let own = clients.filter(|client| client.user == user);
        own.map(|client| client.held).sum()
    }

    /// How much more a user's requests may take.
    pub(super) fn room_of(&self, user: User) -> u64 {
        let Capacity {
            requests_memory,
            user_share,
            ..
        } = self.capacity;
        let own = share(requests_memory, user_share) as u64;
        let own = own.saturating_sub(self.memory_of(user));
        own.min(requests_memory.saturating_sub(self.memory()))
    }

    /// The oldest connection of each user whose requests all wait for each other.
    pub(super) fn stuck(&self) -> Vec<ConnectionId> {
        let stuck = USERS.into_iter().filter_map(|user| {
            let starving = self.clients.iter();
            let starving: Vec<_> = starving
                .filter(|(_, client)| client.user == user && client.starves)
                .collect();
            let held: u64 = starving.iter().map(|(_, client)| client.held).sum();
            let &(&first, _) = starving.first()?;
            (held == self.memory_of(user)).then_some(first)
        });
        stuck.collect()
    }

    /// Whether there is nothing left for which this server is there.
    pub(super) fn is_served(&self) -> bool {
        match self.phase {
            Phase::Serving => !self.listens && self.clients.is_empty(),
            Phase::Finishing { .. } => self.at(Place::Control) == self.clients.len(),
            Phase::Ending { .. } => self.clients.is_empty(),
            Phase::Over => false,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            active: self.at(Place::Slot),
            over_quota: self.at(Place::OverQuota),
            throttled: self.count(|client| matches!(client.job, Job::Parked { .. })),
            waiting: self.count(|client| matches!(client.job, Job::Permitted(_))),
            programs: self.programs(),
            lingering: self.lingering.len(),
            control: self.at(Place::Control),
        }
    }
}

fn share(limit: u64, percent: u8) -> usize {
    (limit * u64::from(percent)).div_ceil(100) as usize
}

pub(super) fn any_capacity(chance: &mut impl Chance, limit: Limit) -> Capacity {
    let seconds = |n: usize| Duration::from_secs(n as u64);
    Capacity {
        connections: 1 + chance.below(10),
        programs: 1 + chance.below(6),
        over_quota: chance.below(8),
        lingering: chance.below(6),
        detached: 0,
        control: 1 + chance.below(3),
        user_share: [1, 20, 34, 50, 67, 100][chance.below(6)],
        rate: limit.rate(),
        requests_memory: chance.below(300) as u64,
        spool_total: chance.below(300) as u64,
        idle_exit: match chance.below(3) {
            0 => Some(seconds(1 + chance.below(20))),
            _ => None,
        },
        stop_time: seconds(chance.below(30)),
    }
}

pub(super) fn any_rules(chance: &mut impl Chance) -> BTreeMap<QuotaId, Option<u32>> {
    let mut rules = BTreeMap::new();
    for id in (0..RULES).map(QuotaId) {
        let limit = match chance.below(6) {
            0 | 1 => continue,
            2 => None,
            _ => Some(1 + chance.below(3) as u32),
        };
        rules.insert(id, limit);
    }
    rules
}

/// All rules that there can be.
pub(super) fn all_rules() -> impl Iterator<Item = QuotaId> {
    (0..RULES).map(QuotaId)
}
