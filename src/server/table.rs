//! All connections, and their timers.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use super::guard::Permit;
use crate::connection::Connection;
use crate::id::ConnectionId;
use crate::program::Arguments;
use crate::schedule::Class;
use crate::session::Traffic;

/// A connection, and the server's data about it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Connection,
    /// Its class in the schedule.
    pub(super) class: Class,
    /// The arguments of its program, until it is started.
    pub(super) request: Option<Arguments>,
    /// The decision of the rules about that.
    pub(super) permit: Option<Permit>,
    /// The unit of the service manager in which the client runs, if the log has a field for it.
    pub(super) unit: Option<Rc<str>>,
    /// The bytes of its program that are in the totals.
    pub(super) counted: Traffic,
    timer: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    /// Boxed, so that a large entry does not move when others are added or removed.
    entries: BTreeMap<ConnectionId, Box<Entry>>,
    timers: BTreeSet<(Instant, ConnectionId)>,
    next: ConnectionId,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            timers: BTreeSet::new(),
            next: ConnectionId::FIRST,
        }
    }

    /// A new number.
    pub(super) fn next_id(&mut self) -> ConnectionId {
        let id = self.next;
        self.next = id.next();
        id
    }

    pub(super) fn insert(&mut self, id: ConnectionId, connection: Connection, class: Class) {
        let entry = Entry {
            connection,
            class,
            request: None,
            permit: None,
            unit: None,
            counted: Traffic::default(),
            timer: None,
        };
        self.entries.insert(id, Box::new(entry));
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Entry> {
        self.entries.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        self.entries.get_mut(&id).map(Box::as_mut)
    }

    /// Takes a connection out, with its timer.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Entry>> {
        let entry = self.entries.remove(&id)?;
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, id));
        }
        Some(entry)
    }

    /// Notes when a connection wants to be woken now.
    pub(super) fn set_timer(&mut self, id: ConnectionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let timer = entry.connection.poll_timeout();
        if entry.timer == timer {
            return;
        }
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, id));
        }
        entry.timer = timer;
        if let Some(at) = timer {
            self.timers.insert((at, id));
        }
    }

    /// When the first of them wants to be woken.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// One that wants to be woken by now.
    pub(super) fn first_due(&self, now: Instant) -> Option<ConnectionId> {
        let &(at, id) = self.timers.first()?;
        (at <= now).then_some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.entries.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, &**entry))
    }
}
