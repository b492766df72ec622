//! The standing of each connection: slots, shares, and the places of waiting and lingering connections.
//!
//! A connection has one of these standings. Each except `Refused` holds one of a limited number of
//! places: a [`Charge`] gives it back when it is dropped.
//!
//! | standing | means | leaves by |
//! |---|---|---|
//! | `Active` | has one of the slots of the connection limit | its reply |
//! | `OverQuota` | its user has its share of the slots, or none is free: waits for one | a slot, its reply |
//! | `Refused` | its user may not even wait; its client gets the reason | its reply |
//! | `Control` | sends commands to the server itself, and takes no slot | its last answer |
//! | `Lingering` | has its reply, and has not closed | its end |

use std::collections::{BTreeMap, BTreeSet};

use super::capacity::Capacity;
use super::order::Rejection;
use super::queue::{Queue, Ticket};
use crate::id::ConnectionId;
use crate::quota::{Account, Charge, Full, User};

/// The kind of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A client that wants a program run.
    Job,
    /// A client that speaks to the server itself.
    Control,
}

#[derive(Debug)]
enum Standing {
    Active { _slot: Charge },
    OverQuota { _place: Charge },
    Refused,
    Control { _place: Charge },
    Lingering { ticket: Ticket },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Standings {
    all: BTreeMap<ConnectionId, (User, Standing)>,
    slots: Account,
    places: Account,
    control: Account,
    /// Connections that wait for a slot, in the order of their numbers.
    over_quota: BTreeSet<ConnectionId>,
    lingering: Queue,
    lingering_max: usize,
    /// A connection has come, to which those that linger give way. They give way to nothing else.
    give_way: bool,
}

impl Standings {
    /// Takes other limits. `shared`: other users may come, for which slots are kept.
    pub(super) fn configure(&mut self, capacity: &Capacity, shared: bool) {
        let share = capacity.user_share;
        let of_slots = if shared { share } else { 100 };
        self.slots.configure(capacity.connections as u64, of_slots);
        self.places.configure(capacity.over_quota as u64, share);
        self.control.configure(capacity.control as u64, 100);
        self.lingering_max = capacity.lingering;
    }

    /// Whether there is room for one more connection.
    pub(super) fn has_room(&self, class: Class) -> bool {
        match class {
            Class::Job => !self.slots.is_full(),
            Class::Control => !self.control.is_full(),
        }
    }

    /// Gives a new connection its standing.
    ///
    /// # Errors
    ///
    /// Why its client is not served. It is there, all the same, until [`Standings::leave`].
    pub(super) fn arrive(
        &mut self,
        id: ConnectionId,
        user: User,
        class: Class,
    ) -> Result<(), Rejection> {
        let (standing, result) = match class {
            Class::Control => {
                let mut place = self.control.open(None);
                place.set(1);
                (Standing::Control { _place: place }, Ok(()))
            }
            Class::Job => self.place(id, user),
        };
        self.all.insert(id, (user, standing));
        self.give_way = true;
        result
    }

    fn place(&mut self, id: ConnectionId, user: User) -> (Standing, Result<(), Rejection>) {
        let mut slot = self.slots.open(user);
        if slot.grow(1).is_ok() {
            return (Standing::Active { _slot: slot }, Ok(()));
        }
        let mut place = self.places.open(user);
        match place.grow(1) {
            Ok(()) => {
                self.over_quota.insert(id);
                (Standing::OverQuota { _place: place }, Ok(()))
            }
            Err(Full { limit }) => (Standing::Refused, Err(Rejection::Crowded { limit })),
        }
    }

    /// Gives a new connection a slot, whatever the limit: it is not served, since the server
    /// stops.
    pub(super) fn arrive_late(&mut self, id: ConnectionId, user: User) {
        let mut slot = self.slots.open(user);
        slot.set(1);
        self.all
            .insert(id, (user, Standing::Active { _slot: slot }));
        self.give_way = true;
    }

    /// Whether a connection has a slot.
    pub(super) fn has_slot(&self, id: ConnectionId) -> bool {
        matches!(self.all.get(&id), Some((_, Standing::Active { .. })))
    }

    /// Whether a connection waits for a slot.
    pub(super) fn is_over_quota(&self, id: ConnectionId) -> bool {
        self.over_quota.contains(&id)
    }

    /// Gives slots that are free to connections that have waited longest, if they may have one.
    /// Returns these.
    pub(super) fn give_slots(&mut self) -> Vec<(ConnectionId, User)> {
        let mut given = Vec::new();
        if self.over_quota.is_empty() || !self.slots.take_released() {
            return given;
        }
        for id in &self.over_quota {
            let Some((user, standing)) = self.all.get_mut(id) else {
                continue;
            };
            let mut slot = self.slots.open(*user);
            if slot.grow(1).is_ok() {
                *standing = Standing::Active { _slot: slot };
                given.push((*id, *user));
            }
        }
        for (id, _) in &given {
            self.over_quota.remove(id);
        }
        given
    }

    /// A connection has its reply, or needs none. Returns whether that changes anything.
    pub(super) fn linger(&mut self, id: ConnectionId) -> bool {
        match self.all.get_mut(&id) {
            None | Some((_, Standing::Lingering { .. })) => false,
            Some((_, standing)) => {
                let ticket = self.lingering.push(id);
                *standing = Standing::Lingering { ticket };
                self.over_quota.remove(&id);
                true
            }
        }
    }

    /// The connection that lingers longest, if too many do since one has come. It does not count
    /// any more.
    pub(super) fn pop_lingering(&mut self) -> Option<ConnectionId> {
        match self.give_way && self.lingering.len() > self.lingering_max {
            true => self.lingering.pop(),
            false => None,
        }
    }

    /// Connections may linger in any number until the next one comes.
    pub(super) fn let_linger(&mut self) {
        self.give_way = false;
    }

    /// A connection has gone.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if let Some((_, Standing::Lingering { ticket })) = self.all.remove(&id) {
            self.lingering.leave(ticket);
        }
        self.over_quota.remove(&id);
    }

    /// Whether a connection is there.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.all.contains_key(&id)
    }

    /// The user of a connection that is there.
    pub(super) fn user(&self, id: ConnectionId) -> Option<User> {
        self.all.get(&id).map(|&(user, _)| user)
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether all connections are control connections which may still ask.
    pub(super) fn has_only_control(&self) -> bool {
        self.all.len() as u64 == self.control.used()
    }

    /// The numbers of connections: active, over quota, lingering, control.
    pub(super) fn counts(&self) -> [usize; 4] {
        [
            count(&self.slots),
            self.over_quota.len(),
            self.lingering.len(),
            count(&self.control),
        ]
    }
}

/// The number of places in use of an account.
pub(super) fn count(account: &Account) -> usize {
    usize::try_from(account.used()).unwrap_or(usize::MAX)
}
