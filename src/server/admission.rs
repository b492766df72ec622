//! Clients become connections: the one place in which they are admitted.

use std::rc::Rc;

use nix::errno::Errno;

use super::Server;
use super::listeners::{Client, Close};
use crate::connection::{Charges, Connection};
use crate::os::listen::{self, AcceptError};
use crate::os::memory;
use crate::os::peer::Peer;
use crate::schedule::Class;
use crate::session::{Input, Trouble};
use crate::wire::{Protocol, Purpose};

/// The class of a client of this protocol.
fn class(protocol: Protocol) -> Class {
    match protocol.purpose() {
        Purpose::Program => Class::Job,
        Purpose::Commands => Class::Control,
    }
}

impl Server {
    /// The listeners are armed only while there is room for a connection.
    pub(super) fn arm_listeners(&mut self) {
        let has_room = |protocol| self.schedule.accepts(class(protocol));
        self.listeners.arm(&mut self.io, has_room);
    }

    /// Accepts a connection of a listening socket that is readable. Returns whether there may be
    /// another.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub(super) fn accept_next(&mut self, index: usize) -> std::io::Result<bool> {
        let Some(protocol) = self.listeners.fired(index) else {
            return Ok(false);
        };
        if !self.schedule.accepts(class(protocol)) {
            return Ok(false);
        }
        if memory::is_short() {
            self.back_off(Errno::ENOMEM);
            return Ok(false);
        }
        match self.listeners.accept(index) {
            Ok(client) => self.accepted(client, protocol),
            Err(AcceptError::Lost) => {}
            Err(AcceptError::Empty) => return Ok(false),
            Err(AcceptError::Refused(errno)) => {
                self.back_off(errno);
                return Ok(false);
            }
            Err(AcceptError::Broken(errno)) => return Err(errno.into()),
        }
        Ok(true)
    }

    /// Accepts no connection for a while.
    fn back_off(&mut self, errno: Errno) {
        self.listeners.back_off(self.io.now());
        self.io.note_shortage("accept a connection", errno.desc());
    }

    fn accepted(&mut self, (client, rights): Client, protocol: Protocol) {
        match Peer::of(&client) {
            // It has gone already.
            Err(Errno::ENOTCONN) if rights => self.discard(client),
            Err(Errno::ENOTCONN) => {}
            peer => self.admit((client, rights), peer, protocol),
        }
    }

    /// The one place in which connections are admitted. A client whose user the kernel does not
    /// report is admitted to get the reason.
    pub(super) fn admit(&mut self, client: Client, peer: Result<Peer, Errno>, protocol: Protocol) {
        let (peer, unknown) = match peer {
            Ok(peer) => (peer, None),
            Err(errno) => (Peer::Unknown, Some(errno)),
        };
        if matches!(peer, Peer::Tcp { .. }) {
            listen::set_nodelay(&client.0);
        }
        let id = self.table.next_id();
        log::debug!("connection {id}: accepted, {}, {peer}", protocol.name());
        let class = class(protocol);
        let charges = Charges {
            request: self.schedule.open_request(peer.uid()),
            spools: self.schedule.open_spools(peer.uid()),
        };
        let (settings, now) = (Rc::clone(self.configuration.settings()), self.io.now());
        let connection = Connection::new(id, client, peer, protocol, (settings, charges), now);
        self.table.insert(id, connection, class);
        let refused = match class {
            _ if unknown.is_some() => unknown.map(|errno| Input::Failed(Trouble::Peer, errno)),
            Class::Control if !self.guard.obeys(&peer) => {
                self.report_refusal(id, "control is for root and the server's user");
                Some(Input::Stranger)
            }
            Class::Control | Class::Job => None,
        };
        if class == Class::Job {
            self.statistics.accepted += 1;
        }
        self.schedule.arrive(id, peer.uid(), class);
        if let Some(input) = refused {
            self.work(id, |connection, context| connection.inform(input, context));
        }
    }

    /// Closes listening sockets. Clients in their queues that no other server will serve get a
    /// refusal.
    pub(super) fn close_listeners(&mut self, chosen: impl Fn(Class) -> Close) {
        let chosen = |protocol| chosen(class(protocol));
        self.listeners.close(self.io.poller(), chosen);
        self.accept_left();
    }

    /// Accepts the clients in the queues of closed sockets, as far as the system lets it.
    pub(super) fn accept_left(&mut self) {
        let (poller, now) = (self.io.poller(), self.io.now());
        let (left, shortage) = self.listeners.accept_left(poller, now);
        for (client, protocol) in left {
            self.accepted(client, protocol);
        }
        if let Some(errno) = shortage {
            self.io.note_shortage("accept a connection", errno.desc());
        }
    }
}
