//! The memory of requests that are not started: decides which clients are read, and when.
//!
//! A client whose request has no room is not read. When room is given back, waiting clients are
//! read again, the oldest first. Requests that wait for each other's room would wait for ever, so
//! the oldest of them may exceed the limit, one at a time.

use std::collections::{BTreeMap, VecDeque};

use crate::id::ConnectionId;
use crate::quota::{Account, Charge, User};

/// A connection's need for the memory of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing more, or its need is satisfied.
    Nothing,
    /// Its client is not read, because there is no room.
    Room {
        /// The bytes that its request holds already.
        held: u64,
    },
    /// Its request exceeds the limit, or still may.
    Beyond,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    account: Account,
    /// Connections that are not read: their users, and the bytes of their requests.
    waiting: BTreeMap<ConnectionId, (User, u64)>,
    /// The connection whose request may exceed the limit.
    beyond: Option<ConnectionId>,
    /// Connections to be read again in this turn.
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

    /// Records the need of a connection.
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

    /// A turn begins: room that was given back goes to waiting connections.
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

#[cfg(test)]
mod tests {
    use super::*;

    const USER: User = Some(1);
    const OTHER: User = Some(2);

    fn memory() -> (Memory, [ConnectionId; 2]) {
        let memory = Memory::default();
        memory.configure(100, 50);
        let first = ConnectionId::FIRST;
        (memory, [first, first.next()])
    }

    #[test]
    fn a_client_is_read_again_when_room_is_given_back() {
        let (mut memory, [one, two]) = memory();
        let (mut request, mut complete) = (memory.open(USER), memory.open(USER));
        request.set(10);
        complete.set(40);
        memory.begin_turn();
        memory.update(one, USER, Need::Room { held: 10 });
        memory.begin_turn();
        assert_eq!(memory.poll(), Some((one, false)));
        // That was for the limits; there is still no room.
        memory.update(one, USER, Need::Room { held: 10 });
        memory.begin_turn();
        assert_eq!(memory.poll(), None);
        assert!(!memory.has_work());
        drop(complete);
        assert!(memory.has_work());
        memory.update(two, OTHER, Need::Nothing);
        memory.begin_turn();
        assert_eq!(memory.poll(), Some((one, false)));
        assert_eq!(memory.poll(), None);
    }

    #[test]
    fn what_others_can_give_back_is_waited_for() {
        let (mut memory, [one, two]) = memory();
        let mut requests = [one, two].map(|_| memory.open(USER));
        requests.iter_mut().for_each(|request| request.set(25));
        memory.update(one, USER, Need::Room { held: 25 });
        memory.account.take_released();
        assert_eq!(memory.poll(), None);
        memory.update(two, USER, Need::Room { held: 25 });
        assert_eq!(memory.poll(), Some((one, true)));
        memory.update(one, USER, Need::Beyond);
        assert_eq!(memory.poll(), None);
        memory.update(one, USER, Need::Nothing);
        requests[0].set(0);
        memory.begin_turn();
        assert_eq!(memory.poll(), Some((two, false)));
    }

    #[test]
    fn a_full_memory_is_offered_to_none() {
        let (mut memory, [one, two]) = memory();
        let mut request = memory.open(OTHER);
        let mut other = memory.open(USER);
        other.set(1);
        request.set(50);
        memory.update(one, OTHER, Need::Room { held: 20 });
        memory.update(two, OTHER, Need::Room { held: 20 });
        memory.begin_turn();
        other.set(50);
        assert_eq!(memory.poll(), None);
        assert!(memory.again.is_empty());
    }
}
