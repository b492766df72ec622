//! The one place where connections come in, and where those that linger give way.
//!
//! A connection has one of these standings:
//!
//! | standing | means | counted in |
//! |---|---|---|
//! | `Active` | has one of the slots of the connection limit | `active`, and by user |
//! | `Parked` | its user has its share of the slots; waits for one of them | `parked` |
//! | `Refused` | its user may not even wait: it is told so, and takes no slot | |
//! | `Control` | speaks to the server itself, and takes no slot | `control` |
//! | `Over` | has its reply and lingers | `lingering` |

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};

use super::{Entry, Origin, Phase, Server};
use crate::connection::{Charges, Connection};
use crate::id::ConnectionId;
use crate::os::listen::{self, AcceptError};
use crate::os::memory;
use crate::os::peer::Peer;
use crate::quota::{Charge, Full};
use crate::session::policy::CONTROL_MAX;
use crate::session::{Input, Trouble};
use crate::wire::Protocol;

/// How long no connection is accepted after the system was short of something.
pub(super) const BACK_OFF: Duration = Duration::from_millis(100);

/// Connections accepted in one turn at most, so that the others have theirs.
const ACCEPT_MAX: usize = 64;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Parked,
    Refused { limit: u64 },
    Control,
    Over,
}

impl Server {
    /// Connections are looked for only while there is room for one.
    pub(super) fn arm_listeners(&mut self) {
        if self.accept_again.is_some() {
            return;
        }
        let (programs, control) = (
            self.has_room(Protocol::Exec),
            self.has_room(Protocol::Control),
        );
        let mut failure = None;
        for listener in self.listeners.values_mut() {
            if match listener.protocol {
                Protocol::Control => control,
                Protocol::Exec | Protocol::Sockproc => programs,
            } {
                let armed = listener.socket.arm(&self.poller, true, false);
                failure = failure.or(armed.err());
            }
        }
        if let Some(error) = failure {
            self.unwatched("wait for connections", &error);
        }
    }

    fn has_room(&self, protocol: Protocol) -> bool {
        match (protocol, self.phase) {
            (_, Phase::Draining { .. } | Phase::Ended) => false,
            (Protocol::Control, _) => self.control < CONTROL_MAX,
            (_, Phase::Finishing { .. }) => false,
            (_, Phase::Serving) => self.active < self.settings.budget.connections_max,
        }
    }

    pub(super) fn accept_from(&mut self, index: usize) -> io::Result<()> {
        let Some(listener) = self.listeners.get_mut(&index) else {
            return Ok(());
        };
        listener.socket.fired();
        let protocol = listener.protocol;
        for _ in 0..ACCEPT_MAX {
            if !self.has_room(protocol) {
                return Ok(());
            }
            if memory::is_short() {
                self.back_off(Errno::ENOMEM);
                return Ok(());
            }
            let Some(listener) = self.listeners.get_mut(&index) else {
                return Ok(());
            };
            match listen::accept(listener.socket.as_fd()) {
                Ok(client) => {
                    let rights = listener.rights.may_come_from(client.as_fd());
                    self.accepted((client, rights), protocol);
                }
                Err(AcceptError::Lost) => {}
                Err(AcceptError::Empty) => {
                    listener.rights.set_drained();
                    return Ok(());
                }
                Err(AcceptError::Refused(errno)) => {
                    self.back_off(errno);
                    return Ok(());
                }
                Err(AcceptError::Broken(errno)) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// A descriptor of the server's own could not be put into the poller: the clock takes the
    /// poller's place.
    pub(super) fn unwatched(&mut self, what: &str, error: &io::Error) {
        self.unwatched_at.get_or_insert(self.now + BACK_OFF);
        self.tell_shortage(what, &error.to_string());
    }

    /// Looks at all of them, if it is time. Returns the listeners.
    pub(super) fn look_unwatched(&mut self) -> Vec<usize> {
        if self.unwatched_at.is_none_or(|at| at > self.now) {
            return Vec::new();
        }
        self.unwatched_at = None;
        self.take_signals();
        self.listeners.keys().copied().collect()
    }

    /// Accepts nobody for a while.
    fn back_off(&mut self, errno: Errno) {
        self.accept_again = Some(self.now + BACK_OFF);
        self.tell_shortage("accept a connection", errno.desc());
    }

    /// Admits a client, which may pass descriptors or not.
    fn accepted(&mut self, (client, rights): (OwnedFd, bool), protocol: Protocol) {
        match Peer::of(&client) {
            // It has gone already.
            Err(Errno::ENOTCONN) if rights => self.discard(client),
            Err(Errno::ENOTCONN) => {}
            peer => self.admit((client, rights), peer, protocol),
        }
    }

    /// The one place where connections come in. A client of whom the kernel does not say who
    /// it is comes in to hear of that.
    pub(super) fn admit(
        &mut self,
        client: (OwnedFd, bool),
        peer: Result<Peer, Errno>,
        protocol: Protocol,
    ) {
        let (peer, unknown) = match peer {
            Ok(peer) => (peer, None),
            Err(errno) => (Peer::Unknown, Some(errno)),
        };
        if matches!(peer, Peer::Tcp { .. }) {
            listen::set_nodelay(&client.0);
        }
        let id = self.next_id;
        self.next_id = id.next();
        self.idle_since = None;
        log::debug!("connection {id}: accepted, {}, {peer}", protocol.name());
        let (standing, waits) = self.place(id, &peer, protocol);
        let charges = Charges {
            request: self.requests.open(peer.uid()),
            spools: self.spools.open(peer.uid()),
        };
        let limits = self.settings.limits.clone();
        let connection = Connection::new(id, client, peer, protocol, (limits, charges), self.now);
        let entry = Entry {
            waits,
            connection,
            request: None,
            command: None,
            timer: None,
            standing,
            program: false,
            queued: false,
            permit: None,
        };
        self.connections.insert(id, Box::new(entry));
        // Who comes now is told at once, if that is all that there is to be told.
        let refused = match standing {
            _ if unknown.is_some() => unknown.map(|errno| Input::Failed(Trouble::Peer, errno)),
            Standing::Control if self.obeys(&peer) => None,
            Standing::Control => {
                log::warn!("connection {id}: {peer}: control is for root and the server's user");
                Some(Input::Stranger)
            }
            Standing::Refused { limit } => Some(Input::Crowded(limit)),
            _ => (self.phase != Phase::Serving).then_some(Input::Stop),
        };
        self.with(id, |connection, context| match refused {
            None => connection.pump(context),
            Some(input) => connection.inform(input, context),
        });
        self.limit_lingering();
    }

    /// Gives a new connection its place, with a charge if it is one of those that wait.
    fn place(
        &mut self,
        id: ConnectionId,
        peer: &Peer,
        protocol: Protocol,
    ) -> (Standing, Option<Charge>) {
        if protocol == Protocol::Control {
            self.control += 1;
            return (Standing::Control, None);
        }
        self.statistics.accepted += 1;
        // Later ones are only told that the server stops.
        if self.phase != Phase::Serving || self.may_be_active(peer) {
            self.take_slot(peer);
            return (Standing::Active, None);
        }
        let mut place = self.parking.open(peer.uid());
        if let Err(Full { limit }) = place.grow(1) {
            return (Standing::Refused { limit }, None);
        }
        self.parked.insert(id);
        (Standing::Parked, Some(place))
    }

    /// Reads clients again that were not read for want of room for their requests.
    pub(super) fn read_again(&mut self) {
        if self.unread.is_empty() {
            return;
        }
        if self.requests.take_released() {
            for id in self.unread.iter().copied().collect::<Vec<_>>() {
                if self.requests.is_full() {
                    break;
                }
                self.with(id, |connection, context| {
                    connection.read_again(false, context)
                });
            }
        }
        if self.beyond.is_none() {
            self.beyond = self.first_stuck();
            if let Some(id) = self.beyond {
                self.with(id, |connection, context| {
                    connection.read_again(true, context)
                });
            }
        }
    }

    /// The oldest connection that waits for room which only others that wait could give
    /// back. One at a time goes beyond the limit, or none of them would ever be complete.
    pub(super) fn first_stuck(&self) -> Option<ConnectionId> {
        let mut waiting: BTreeMap<Option<u32>, (ConnectionId, u64)> = BTreeMap::new();
        let entries = self
            .unread
            .iter()
            .filter_map(|id| self.connections.get_key_value(id));
        for (id, entry) in entries {
            let of_user = waiting
                .entry(entry.connection.peer().uid())
                .or_insert((*id, 0));
            of_user.1 += entry.connection.request_charge();
        }
        let stuck = waiting
            .into_iter()
            .filter(|&(user, (_, held))| held == self.requests.used_by(user));
        stuck.map(|(_, (id, _))| id).min()
    }

    /// Whether there is a slot for this client: one is free, and its user has not had its
    /// share. All whose user is not known are one user.
    fn may_be_active(&self, peer: &Peer) -> bool {
        let used = self.users.get(&peer.uid()).copied().unwrap_or_default();
        // Nobody else comes any more for whom slots should be kept.
        let shared = self.phase == Phase::Serving;
        self.active < self.settings.budget.connections_max && (!shared || used < self.share())
    }

    /// How many slots one user may have.
    fn share(&self) -> usize {
        let all = self.settings.budget.connections_max;
        (all * usize::from(self.settings.user_share))
            .div_ceil(100)
            .max(1)
    }

    fn take_slot(&mut self, peer: &Peer) {
        self.active += 1;
        *self.users.entry(peer.uid()).or_default() += 1;
    }

    /// A connection does not need its slot any more.
    pub(super) fn free_slot(&mut self, peer: &Peer) {
        self.active -= 1;
        if let Some(used) = self.users.get_mut(&peer.uid()) {
            *used -= 1;
            if *used == 0 {
                self.users.remove(&peer.uid());
            }
        }
    }

    /// Gives slots that are free to those who have waited longest, if they may have one.
    pub(super) fn unpark(&mut self) {
        let waiting: Vec<ConnectionId> = match self.parked.is_empty() {
            true => return,
            false => self.parked.iter().copied().collect(),
        };
        for id in waiting {
            let peer = match self.connections.get(&id) {
                Some(entry) => *entry.connection.peer(),
                None => continue,
            };
            if !self.may_be_active(&peer) {
                continue;
            }
            self.parked.remove(&id);
            self.take_slot(&peer);
            if let Some(entry) = self.connections.get_mut(&id) {
                entry.standing = Standing::Active;
                entry.waits = None;
            }
            self.with(id, |_, _| {});
        }
    }

    /// Who lingers longest gives way, when too many do.
    pub(super) fn limit_lingering(&mut self) {
        while self.lingering.len() > self.settings.budget.lingering_max {
            if let Some(id) = self.lingering.pop_front() {
                self.with(id, |connection, context| {
                    connection.inform(Input::ClientGone, context);
                });
            }
        }
    }

    /// Closes the listening sockets for programs. Who waits in the queue of one that was
    /// handed over is left to the next server; who waits in one of ours hears that there
    /// will be none. With `all` those of control connections too.
    pub(super) fn close_listeners(&mut self, all: bool) {
        for (index, listener) in std::mem::take(&mut self.listeners) {
            if listener.protocol == Protocol::Control && !all {
                self.listeners.insert(index, listener);
                continue;
            }
            let ours = !matches!(listener.origin, Origin::HandedOver);
            // Nobody new finds it from here on.
            drop(listener.origin);
            if ours && listener.protocol != Protocol::Control {
                // Who connects from here on is refused by the kernel, so that nothing is in
                // the queue when the socket is closed.
                let _ = shutdown(listener.socket.as_raw_fd(), Shutdown::Both);
                while let Ok(client) = listen::accept(listener.socket.as_fd()) {
                    let rights = listener.rights.may_come_from(client.as_fd());
                    self.accepted((client, rights), listener.protocol);
                }
            }
            listener.socket.close(&self.poller);
        }
    }
}
