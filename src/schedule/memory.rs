//! The memory of requests that are not started: which clients are read, and when.
//!
//! A client whose request has no room is not read. When room is given back, those that wait
//! are read again, the oldest first. Requests that wait for room which only others that wait
//! could give back would wait for ever: so the oldest of them goes beyond the limit, one at a
//! time.

use std::collections::{BTreeMap, VecDeque};

use crate::id::ConnectionId;
use crate::quota::{Account, Charge, User};

/// What a connection needs of the memory for requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing more, or what it needs is there.
    Nothing,
    /// Its client is not read for want of room.
    Room {
        /// What its request holds already, in bytes.
        held: u64,
    },
    /// Its request goes beyond the limit, or still may.
    Beyond,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    account: Account,
    /// Connections that are not read: their users, and what their requests hold.
    waiting: BTreeMap<ConnectionId, (User, u64)>,
    /// The one whose request may go beyond the limit.
    beyond: Option<ConnectionId>,
    /// Those that are to be read again in this turn.
    again: VecDeque<ConnectionId>,
}

impl Memory {
    pub(super) fn configure(&self, limit: u64, percent: u8) {
        self.account.configure(limit, percent);
    }

    pub(super) fn used(&self) -> u64 {
        self.account.used()
    }

    pub(super) fn open(&self, user: User) -> Charge {
        self.account.open(user)
    }

    /// Takes the news of what a connection needs.
    pub(super) fn update(&mut self, id: ConnectionId, user: User, need: Need) {
        if self.beyond == Some(id) && need != Need::Beyond {
            self.beyond = None;
        }
        match need {
            Need::Room { held } => {
                self.waiting.insert(id, (user, held));
            }
            Need::Nothing | Need::Beyond if self.waiting.is_empty() => {}
            Need::Nothing | Need::Beyond => {
                self.waiting.remove(&id);
            }
        }
    }

    /// A turn begins: what was given back meanwhile is for those that wait.
    pub(super) fn begin_turn(&mut self) {
        if !self.waiting.is_empty() && self.account.take_released() {
            self.again = self.waiting.keys().copied().collect();
        }
    }

    /// The next connection to read, and whether it may go beyond the limit.
    pub(super) fn poll(&mut self) -> Option<(ConnectionId, bool)> {
        while let Some(id) = self.again.pop_front() {
            if self.account.is_full() {
                self.again.clear();
            } else if self.waiting.remove(&id).is_some() {
                return Some((id, false));
            }
        }
        if self.waiting.is_empty() || self.beyond.is_some() {
            return None;
        }
        let id = self.first_stuck()?;
        self.waiting.remove(&id);
        self.beyond = Some(id);
        Some((id, true))
    }

    /// Whether a turn would find something to do.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty()
            && (self.account.has_released()
                || (self.beyond.is_none() && self.first_stuck().is_some()))
    }

    /// The oldest connection that waits for room which only others that wait could give back.
    fn first_stuck(&self) -> Option<ConnectionId> {
        let mut users: BTreeMap<User, (ConnectionId, u64)> = BTreeMap::new();
        for (&id, &(user, held)) in &self.waiting {
            users.entry(user).or_insert((id, 0)).1 += held;
        }
        let stuck = users
            .into_iter()
            .filter(|&(user, (_, held))| held == self.account.used_by(user));
        stuck.map(|(_, (id, _))| id).min()
    }
}
