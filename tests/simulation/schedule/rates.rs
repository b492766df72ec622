//! How many requests of each user may go on: a model with numbers of tokens, in which time is a
//! fraction. The schedule has moments instead, so the two may differ by very little.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sockexec::id::ConnectionId;
use sockexec::quota::User;
use sockexec::schedule::{Rate, Wait};

use super::client::Job;
use super::world::World;
use crate::chance::Chance;

/// By how much of a token the two may differ.
const LITTLE: f64 = 1e-5;

/// The longest time that makes such a difference, at the lowest rate.
pub(super) const MOMENT: Duration = Duration::from_micros(100);

#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Zero: there is none.
    pub(super) per_second: f64,
    pub(super) burst: u32,
}

impl Limit {
    pub(super) fn any(chance: &mut impl Chance) -> Self {
        Self {
            per_second: [0.0, 0.0, 0.2, 0.5, 1.0, 3.0, 7.3, 400.0][chance.below(8)],
            burst: 1 + chance.below(4) as u32,
        }
    }

    pub(super) fn rate(self) -> Rate {
        Rate::new(self.per_second, self.burst)
    }

    fn is_none(self) -> bool {
        self.per_second == 0.0
    }
}

pub(super) struct Buckets {
    limit: Limit,
    now: Instant,
    /// The tokens that each user has taken and that have not come back.
    missing: BTreeMap<User, f64>,
}

impl Buckets {
    pub(super) fn new(limit: Limit, now: Instant) -> Self {
        Self {
            limit,
            now,
            missing: BTreeMap::new(),
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        let back = (now - self.now).as_secs_f64() * self.limit.per_second;
        self.now = now;
        for missing in self.missing.values_mut() {
            *missing = (*missing - back).max(0.0);
        }
    }

    pub(super) fn configure(&mut self, limit: Limit) {
        self.limit = limit;
        for missing in self.missing.values_mut() {
            *missing = match limit.is_none() {
                true => 0.0,
                false => missing.min(f64::from(limit.burst)),
            };
        }
    }

    /// The tokens that a user has.
    fn left(&self, user: User) -> f64 {
        match self.limit.is_none() {
            true => f64::INFINITY,
            false => {
                f64::from(self.limit.burst) - self.missing.get(&user).copied().unwrap_or_default()
            }
        }
    }

    fn take(&mut self, user: User) {
        let left = self.left(user);
        assert!(left > 1.0 - LITTLE, "{user:?} has {left} of a token");
        if !self.limit.is_none() {
            *self.missing.entry(user).or_default() += 1.0;
        }
    }

    /// When a user that has no token gets one.
    fn next(&self, user: User) -> Instant {
        let time = (1.0 - self.left(user)) / self.limit.per_second;
        self.now + Duration::from_secs_f64(time.max(0.0))
    }
}

impl<C: Chance> World<C> {
    /// A request that has a slot needs a token. Others may be in front of it.
    pub(super) fn needs_token(&mut self, id: ConnectionId) {
        self.parks += 1;
        let number = self.parks;
        self.client(id).job = Job::Parked { number };
    }

    /// Looks which requests have their tokens now, and whether they may.
    pub(super) fn give_tokens(&mut self) {
        let mut parked = self.parked();
        self.groups += 1;
        parked.retain(|&(_, id)| self.schedule.wait(id) != Wait::Token);
        for (number, id) in parked {
            let user = self.clients[&id].user;
            let passed = self.clients.values().any(|other| {
                matches!(other.job, Job::Parked { number: n } if n < number && other.user == user)
            });
            assert!(!passed, "{id} passes others of its user");
            self.buckets.take(user);
            let (group, before) = (self.groups, None);
            self.client(id).job = Job::Judged { group, before };
        }
    }

    /// Parked requests, in their order.
    fn parked(&self) -> Vec<(u64, ConnectionId)> {
        let parked = self.clients.iter().filter_map(|(&id, client)| {
            let Job::Parked { number } = client.job else {
                return None;
            };
            Some((number, id))
        });
        let mut parked: Vec<_> = parked.collect();
        parked.sort();
        parked
    }

    pub(super) fn check_that_parked_ones_have_no_token(&self) {
        for (_, id) in self.parked() {
            let left = self.buckets.left(self.clients[&id].user);
            assert!(left < 1.0 + LITTLE, "{id} waits with {left} tokens");
        }
    }

    /// When the next parked request goes on.
    pub(super) fn next_token(&self) -> Option<Instant> {
        let users = self
            .parked()
            .into_iter()
            .map(|(_, id)| self.clients[&id].user);
        users.map(|user| self.buckets.next(user)).min()
    }
}
