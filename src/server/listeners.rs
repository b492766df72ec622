//! The sockets on which clients come.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{Shutdown, shutdown};

use super::io::{BACK_OFF, Io};
use super::own::Own;
use crate::os::errors::reason;
use crate::os::listen::{self, AcceptError, Bound, LOCK_WAIT};
use crate::os::poller::{Poller, Token, Watched};
use crate::os::rights::Rights;
use crate::wire::Protocol;

/// A client that was accepted, and whether it may pass descriptors.
pub(super) type Client = (OwnedFd, bool);

/// A socket on which clients come.
#[derive(Debug)]
pub struct Listener {
    socket: Watched,
    protocol: Protocol,
    rights: Rights,
    /// It was handed over, and another process has a copy.
    handed_over: bool,
    /// Its name in the file system, if this process has made it.
    file: Option<Bound>,
    /// How this process has made it, and can do so again.
    own: Option<Own>,
}

impl Listener {
    /// A socket that was handed over.
    pub fn handed_over(socket: OwnedFd, protocol: Protocol) -> Self {
        Self {
            handed_over: true,
            ..Self::new(socket, protocol)
        }
    }

    /// A socket that this process makes.
    ///
    /// # Errors
    ///
    /// When it cannot. The message has the reason.
    pub fn own(own: Own) -> std::io::Result<Self> {
        let (socket, file) = own.open(LOCK_WAIT)?;
        Ok(Self::opened(own, socket, file))
    }

    /// Its address, for people.
    pub fn address(&self) -> String {
        listen::describe(self.socket.as_fd())
    }

    fn opened(own: Own, socket: OwnedFd, file: Option<Bound>) -> Self {
        // The directory may be another one by the next time.
        let own = match &file {
            Some(bound) => own.at(bound.path()),
            None => own,
        };
        Self {
            file,
            own: Some(own.clone()),
            ..Self::new(socket, own.protocol)
        }
    }

    fn new(socket: OwnedFd, protocol: Protocol) -> Self {
        Self {
            rights: Rights::of_listener(socket.as_fd()),
            socket: Watched::new(socket, Token::Listener(0)),
            protocol,
            handed_over: false,
            file: None,
            own: None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By the number in their tokens.
    all: BTreeMap<usize, Listener>,
    /// Those of a paused server that this process has made, by the same numbers.
    paused: BTreeMap<usize, Own>,
    /// No connection is accepted before this moment.
    again: Option<Instant>,
    /// Sockets that are shut down, with clients that could not be accepted for a shortage.
    unemptied: Vec<Listener>,
    /// When that is tried again, if nothing else wakes the server before.
    empty_at: Option<Instant>,
}

impl Listeners {
    pub(super) fn insert(&mut self, mut listener: Listener) {
        let index = self.all.len();
        listener.socket.set_token(Token::Listener(index));
        self.all.insert(index, listener);
    }

    /// Arms the sockets for which there is room.
    pub(super) fn arm(&mut self, io: &mut Io, has_room: impl Fn(Protocol) -> bool) {
        if self.again.is_some_and(|at| at > io.now()) {
            return;
        }
        self.again = None;
        for listener in self.all.values_mut() {
            if has_room(listener.protocol) {
                io.watch(&mut listener.socket, "wait for connections");
            }
        }
    }

    /// When connections are accepted again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again.into_iter().chain(self.empty_at).min()
    }

    /// Accepts no connection for a while: the system is short of something.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.again = Some(now + BACK_OFF);
    }

    /// Something that was short may be free now.
    pub(super) fn resume(&mut self) {
        self.again = None;
    }

    /// All of them.
    pub(super) fn indices(&self) -> Vec<usize> {
        self.all.keys().copied().collect()
    }

    /// The protocol of a socket that has become readable.
    pub(super) fn fired(&mut self, index: usize) -> Option<Protocol> {
        let listener = self.all.get_mut(&index)?;
        listener.socket.fired();
        Some(listener.protocol)
    }

    /// Accepts the next client.
    ///
    /// # Errors
    ///
    /// As [`listen::accept`]; also [`AcceptError::Empty`], if there is no such socket.
    pub(super) fn accept(&mut self, index: usize) -> Result<Client, AcceptError> {
        let listener = self.all.get_mut(&index).ok_or(AcceptError::Empty)?;
        let accepted = listen::accept(listener.socket.as_fd());
        if matches!(accepted, Err(AcceptError::Empty)) {
            listener.rights.set_drained();
        }
        let client = accepted?;
        let rights = listener.rights.may_come_from(client.as_fd());
        Ok((client, rights))
    }

    /// Closes the chosen sockets. Clients in the queue of a socket that was handed over are left
    /// to the next server. Clients in the queue of a socket that this server has made are left to
    /// [`Listeners::accept_left`]: no other server will serve them.
    pub(super) fn close(&mut self, poller: &Poller, chosen: impl Fn(Protocol) -> Close) {
        for (index, mut listener) in std::mem::take(&mut self.all) {
            let close = chosen(listener.protocol);
            let stays = close == Close::Paused && listener.handed_over;
            if close == Close::No || stays {
                self.all.insert(index, listener);
                continue;
            }
            if let Some(own) = listener.own.take().filter(|_| close == Close::Paused) {
                self.paused.insert(index, own);
            }
            // No new client finds it from here on.
            drop(listener.file.take());
            if !listener.handed_over && close != Close::Yes {
                // The kernel refuses all that connect from here on, so that nothing is in the
                // queue when the socket is closed.
                let _ = shutdown(listener.socket.as_raw_fd(), Shutdown::Both);
                self.unemptied.push(listener);
            } else {
                listener.socket.close(poller);
            }
        }
    }

    /// Opens the sockets of a paused server again: all of them, or none.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened. The text names it.
    pub(super) fn open_again(&mut self) -> Result<(), String> {
        let mut opened = Vec::new();
        for (&index, own) in &self.paused {
            let (socket, file) = own
                .open(Duration::ZERO)
                .map_err(|error| format!("{}: {}", own.address, reason(&error)))?;
            let mut listener = Listener::opened(own.clone(), socket, file);
            listener.socket.set_token(Token::Listener(index));
            opened.push((index, listener));
        }
        self.paused.clear();
        self.all.extend(opened);
        Ok(())
    }

    /// Accepts the clients that are left in the queues of closed sockets. With the error of a
    /// shortage there are more, for a later call.
    pub(super) fn accept_left(
        &mut self,
        poller: &Poller,
        now: Instant,
    ) -> (Vec<(Client, Protocol)>, Option<Errno>) {
        let (mut left, mut shortage) = (Vec::new(), None);
        for listener in std::mem::take(&mut self.unemptied) {
            let end = loop {
                match listen::accept(listener.socket.as_fd()) {
                    Ok(client) => {
                        let passes = listener.rights.may_come_from(client.as_fd());
                        left.push(((client, passes), listener.protocol));
                    }
                    Err(end) => break end,
                }
            };
            if let AcceptError::Refused(errno) = end {
                shortage = Some(errno);
                self.unemptied.push(listener);
            } else {
                listener.socket.close(poller);
            }
        }
        self.empty_at = shortage.map(|_| now + BACK_OFF);
        (left, shortage)
    }

    /// Their protocols and addresses, and whether they were handed over.
    pub(super) fn describe(&self) -> impl Iterator<Item = (Protocol, String, bool)> {
        self.all
            .values()
            .map(|l| (l.protocol, l.address(), l.handed_over))
    }

    /// The sockets and their protocols.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Protocol, &Watched)> {
        self.all.values().map(|l| (l.protocol, &l.socket))
    }
}

/// The decision about a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// It stays.
    No,
    /// It is closed.
    Yes,
    /// It is closed, and clients in its queue are answered.
    Emptied,
    /// The same, and it may be opened again; but one that was handed over stays, with its queue.
    Paused,
}
