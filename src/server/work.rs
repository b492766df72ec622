//! The work of a connection: it moves bytes, and then the server handles its requests and its
//! news. One place, which also removes the connection when it is done.

use std::os::fd::OwnedFd;

use super::{Server, reporting};
use crate::connection::{Ask, Connection, Containment, Context};
use crate::id::ConnectionId;
use crate::schedule::{Class, Need, News};
use crate::session::Input;

impl Server {
    /// Lets a connection work, if it is there.
    pub(super) fn work(
        &mut self,
        id: ConnectionId,
        work: impl FnOnce(&mut Connection, &mut Context<'_>),
    ) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        self.io
            .with_context(|context| work(&mut entry.connection, context));
        self.take_asks(id);
        self.take_news(id);
    }

    /// Gives every connection the same news.
    pub(super) fn inform_all(&mut self, input: impl Fn() -> Input) {
        for id in self.table.ids() {
            self.work(id, |connection, context| {
                connection.inform(input(), context);
            });
        }
    }

    fn take_asks(&mut self, id: ConnectionId) {
        while let Some(ask) = self.table.get_mut(id).and_then(|e| e.connection.poll_ask()) {
            match ask {
                Ask::Program(arguments) => {
                    self.report_request(id, &arguments);
                    if let Some(entry) = self.table.get_mut(id) {
                        entry.request = Some(arguments);
                    }
                    self.schedule.ask(id, self.io.now());
                }
                Ask::Withdraw => {
                    if let Some(entry) = self.table.get_mut(id) {
                        entry.request = None;
                    }
                    self.guard.people_mut().accounts().leave(id);
                    self.schedule.withdraw(id);
                }
                Ask::Command(message) => self.control.add(id, message),
                Ask::Orphan(orphan) => {
                    self.schedule.orphan(id);
                    self.orphans.keep(id, orphan, self.io.now());
                }
                Ask::Contained(containment) => self.take_cgroup(id, *containment),
                Ask::Discard(client) => self.discard(client),
            }
        }
    }

    /// Takes over the cgroup of a job that is over.
    fn take_cgroup(&mut self, id: ConnectionId, containment: Containment) {
        let lives_on = containment.detach && !containment.empty;
        let entry = self.table.get(id).filter(|_| lives_on);
        let record = entry.map(|entry| self.record(id, entry));
        let (cgroups, now) = (&mut self.orphans.cgroups, self.io.now());
        match record {
            None => cgroups.give_back(containment, now),
            Some(record) => {
                let detached_max = self.schedule.capacity().detached;
                cgroups.detach(containment.cgroup, record, detached_max, now);
                self.note_detached();
            }
        }
    }

    /// The server is not idle with processes that live on after their jobs.
    pub(super) fn note_detached(&mut self) {
        let any = self.orphans.cgroups.detached_count() > 0;
        self.schedule.occupy(any, self.io.now());
    }

    /// Closes the socket of a client that may have passed descriptors.
    pub(super) fn discard(&mut self, client: OwnedFd) {
        let (poller, now) = (self.io.poller(), self.io.now());
        let next_id = || self.table.next_id();
        match self.orphans.discard(client, next_id, (poller, now)) {
            Ok(Some(id)) => self.schedule.adopt(id),
            Ok(None) => {}
            Err(errno) => self.io.note_shortage("close a connection", errno.desc()),
        }
    }

    /// Takes the news of a connection that has worked, and removes it if it is done.
    fn take_news(&mut self, id: ConnectionId) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let traffic = entry.connection.session().traffic();
        self.statistics.flow(&mut entry.counted, traffic);
        let Some(entry) = self.table.get(id) else {
            return;
        };
        let (connection, session) = (&entry.connection, entry.connection.session());
        let news = News {
            has_process: connection.pid().is_some(),
            need: need(connection),
            is_active: session.is_active(),
        };
        let is_done = session.is_done();
        if self.schedule.update(id, news) && entry.class == Class::Job {
            let record = self.record(id, entry);
            reporting::report(&record, self.io.now(), &mut self.statistics);
            self.note_end(id, record);
        }
        if !is_done {
            self.table.set_timer(id);
            return;
        }
        self.guard.people_mut().accounts().leave(id);
        self.control.forget(id);
        self.schedule.leave(id, self.io.now());
        if let Some(containment) = self.table.remove(id).and_then(|e| e.connection.close()) {
            self.take_cgroup(id, *containment);
        }
        // A client may have been kept out because of a shortage that is over now.
        self.listeners.resume();
    }
}

/// A connection's need for the memory of requests.
fn need(connection: &Connection) -> Need {
    if connection.is_unread() {
        let held = connection.request_charge();
        Need::Room { held }
    } else if connection.goes_beyond() {
        Need::Beyond
    } else {
        Need::Nothing
    }
}
