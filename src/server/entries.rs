//! The list of all connections: one place lets a connection work and then brings all
//! other lists up to date, and removes it when it is done.

use std::time::Instant;

use super::Server;
use super::admission::Standing;
use super::guard::Permit;
use super::reporting;
use crate::connection::{Ask, Connection, Context};
use crate::id::ConnectionId;
use crate::os::poller::{Part, Ready};
use crate::program::Arguments;
use crate::quota::Charge;
use crate::record::JobRecord;
use crate::session::Input;
use crate::wire::Protocol;

/// A connection, and what the server's own lists say of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Connection,
    /// The program that it asks for and that is not started.
    pub(super) request: Option<Arguments>,
    /// The message that it asks to be carried out.
    pub(super) command: Option<Vec<u8>>,
    pub(super) timer: Option<Instant>,
    pub(super) standing: Standing,
    pub(super) program: bool,
    pub(super) queued: bool,
    pub(super) permit: Option<Permit>,
    /// Its place among those that wait for a slot, if it has one.
    pub(super) waits: Option<Charge>,
}

impl Entry {
    /// What is to be said of it now.
    pub(super) fn record(&self, id: ConnectionId, now: Instant) -> JobRecord {
        let parked = self.standing == Standing::Parked;
        reporting::record(id, &self.connection, parked, now)
    }
}

impl Server {
    pub(super) fn dispatch(&mut self, id: ConnectionId, ready: Ready, part: Part) {
        if part == Part::Process {
            // Whether it failed to run is known by now, and must be told before its end.
            self.sweep();
            if let Some(stray) = self.strays.remove(&id) {
                self.reap_stray(id, stray);
                return;
            }
        }
        self.with(id, |connection, context| {
            connection.ready(ready, part, context);
        });
    }

    /// Lets a connection work, and then brings the server's lists up to date.
    pub(super) fn with(
        &mut self,
        id: ConnectionId,
        work: impl FnOnce(&mut Connection, &mut Context<'_>),
    ) {
        let Some(mut entry) = self.connections.remove(&id) else {
            return;
        };
        self.work(id, &mut entry, work);
        self.try_launch(id, &mut entry);
        self.settle(id, entry);
    }

    pub(super) fn work(
        &mut self,
        id: ConnectionId,
        entry: &mut Entry,
        work: impl FnOnce(&mut Connection, &mut Context<'_>),
    ) {
        let mut context = Context {
            poller: &self.poller,
            pool: &mut self.pool,
            large_pipes: &self.large_pipes,
            now: self.now,
            spent: 0,
            shortage: None,
        };
        work(&mut entry.connection, &mut context);
        if let Some((what, errno)) = context.shortage {
            self.tell_shortage(what, errno.desc());
        }
        while let Some(ask) = entry.connection.poll_ask() {
            match ask {
                Ask::Program(arguments) => entry.request = Some(arguments),
                Ask::Withdraw => entry.request = None,
                Ask::Command(message) => entry.command = Some(message),
                Ask::Orphan(stray) => {
                    // It counts as a program until it has gone.
                    self.keep_stray(id, stray);
                    entry.program = false;
                }
                Ask::Discard(client) => self.discard(client),
            }
        }
    }

    /// Puts a connection back where it belongs, or removes it.
    pub(super) fn settle(&mut self, id: ConnectionId, mut entry: Box<Entry>) {
        if entry.program && entry.connection.pid().is_none() {
            entry.program = false;
            self.programs -= 1;
        }
        if !entry.program && entry.request.is_none() {
            self.count_off(id, &mut entry);
        }
        if self.beyond == Some(id) && !entry.connection.goes_beyond() {
            self.beyond = None;
        }
        match entry.connection.is_unread() {
            true => self.unread.insert(id),
            false => self.unread.remove(&id),
        };
        if entry.command.is_some() && !entry.queued {
            entry.queued = true;
            self.commands.push_back(id);
        } else if entry.queued && entry.request.is_none() && entry.command.is_none() {
            // It does not want its turn any more.
            entry.queued = false;
            self.waiting.retain(|&waits| waits != id);
        }
        let session = entry.connection.session();
        let done = session.is_done();
        if !session.is_active() && entry.standing != Standing::Over {
            self.conclude(id, &mut entry, done);
        }
        let timer = entry.connection.poll_timeout();
        if entry.timer != timer || done {
            if let Some(at) = entry.timer.take() {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = timer.filter(|_| !done) {
                self.timers.insert((at, id));
                entry.timer = Some(at);
            }
        }
        if done {
            self.lingering.retain(|&lingers| lingers != id);
            self.unread.remove(&id);
            entry.connection.close();
            // Somebody may have been kept out for want of what is free now.
            self.accept_again = None;
        } else {
            self.connections.insert(id, entry);
        }
    }

    /// A connection has its reply, or needs none any more.
    fn conclude(&mut self, id: ConnectionId, entry: &mut Entry, done: bool) {
        match std::mem::replace(&mut entry.standing, Standing::Over) {
            Standing::Active => self.free_slot(entry.connection.peer()),
            Standing::Parked => {
                self.parked.remove(&id);
                entry.waits = None;
            }
            Standing::Refused { .. } => {}
            Standing::Control => self.control -= 1,
            Standing::Over => return,
        }
        if entry.connection.session().protocol() != Protocol::Control {
            reporting::report(&entry.record(id, self.now), self.now, &mut self.statistics);
        }
        if !done {
            self.lingering.push_back(id);
        }
    }

    pub(super) fn expire(&mut self) {
        if self.timers.first().is_some_and(|&(at, _)| at <= self.now) {
            // Whether a program failed to run must be told before its end, which a timer may.
            self.sweep();
        }
        while let Some(&(at, id)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.with(id, |connection, context| {
                connection.inform(Input::Time, context);
            });
        }
    }
}
