//! The one place in which the server waits: tokens for keys, and descriptors that leave
//! the poller before they are closed.
//!
//! All events are one-shot: a descriptor that has fired stays silent until it is armed again, so
//! a paused pipe costs nothing and a hang-up is reported once.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use polling::{Event, Events, PollMode};

use crate::id::ConnectionId;

/// One of a connection's descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The client's socket.
    Client,
    /// The program's standard input.
    Stdin,
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// The program's process.
    Process,
}

impl Part {
    const ALL: [Self; 5] = [
        Self::Client,
        Self::Stdin,
        Self::Stdout,
        Self::Stderr,
        Self::Process,
    ];
}

/// Whose readiness an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A signal has come.
    Signals,
    /// A listening socket, by its place in the server's list.
    Listener(usize),
    /// A process that answers a question about an account, by its place among them.
    Question(usize),
    /// A descriptor of a connection.
    Connection(ConnectionId, Part),
}

/// The maximum number of listening sockets that tokens can distinguish.
pub const LISTENERS_MAX: usize = CONNECTIONS_FROM as usize - 1;

/// Keys below this belong to signals and listeners, and up to this by [`PARTS`] to questions.
const CONNECTIONS_FROM: u64 = 1024;

/// Keys for each connection.
const PARTS: u64 = 8;

impl Token {
    fn key(self) -> usize {
        let key = match self {
            Self::Signals => 0,
            Self::Listener(index) => {
                assert!(index < LISTENERS_MAX, "{index} listeners");
                1 + index as u64
            }
            Self::Question(index) => CONNECTIONS_FROM + index as u64,
            Self::Connection(id, part) => (CONNECTIONS_FROM + id.number()) * PARTS + part as u64,
        };
        key as usize
    }

    fn from_key(key: usize) -> Option<Self> {
        let key = key as u64;
        match (key / PARTS, key) {
            (_, 0) => Some(Self::Signals),
            (connection, _) if connection > CONNECTIONS_FROM => {
                let id = ConnectionId::numbered(connection - CONNECTIONS_FROM)?;
                let part = *Part::ALL.get((key % PARTS) as usize)?;
                Some(Self::Connection(id, part))
            }
            (_, key) if key >= CONNECTIONS_FROM => {
                Some(Self::Question((key - CONNECTIONS_FROM) as usize))
            }
            (_, index) => Some(Self::Listener(index as usize - 1)),
        }
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The owner's token.
    pub token: Token,
    /// Bytes, a connection or the end can be read.
    pub readable: bool,
    /// There is room, or there is no reader any more.
    pub writable: bool,
    /// Both directions of a socket are shut down, or a pipe's other end is gone.
    pub hangup: bool,
}

/// Waits for descriptors.
#[derive(Debug)]
pub struct Poller {
    inner: polling::Poller,
    events: Events,
}

impl Poller {
    /// # Errors
    ///
    /// When the system gives no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            inner: polling::Poller::new()?,
            events: Events::new(),
        })
    }

    /// Waits until something is ready or `timeout` has passed, and puts what is ready
    /// into `ready`.
    ///
    /// # Errors
    ///
    /// The error of the system. Descriptors that were found ready before are still in `ready`.
    pub fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let result = self.inner.wait(&mut self.events, timeout);
        ready.extend(self.events.iter().filter_map(|event| {
            Some(Ready {
                token: Token::from_key(event.key)?,
                readable: event.readable,
                writable: event.writable,
                hangup: event.is_interrupt(),
            })
        }));
        result.map(drop)
    }
}

/// A descriptor that a [`Poller`] watches.
#[derive(Debug)]
pub struct Watched {
    fd: OwnedFd,
    token: Token,
    added: bool,
    armed: Option<(bool, bool)>,
}

impl Watched {
    /// Takes `fd`, to be armed as `token` later.
    pub fn new(fd: impl Into<OwnedFd>, token: Token) -> Self {
        Self {
            fd: fd.into(),
            token,
            added: false,
            armed: None,
        }
    }

    /// Gives it another token. It must not have been armed yet.
    pub fn set_token(&mut self, token: Token) {
        debug_assert!(!self.added, "armed as {:?}", self.token);
        self.token = token;
    }

    /// Arms the descriptor for these events; a hang-up is always one. Does nothing if it is armed
    /// already.
    ///
    /// # Errors
    ///
    /// When the system has no memory for it.
    pub fn arm(&mut self, poller: &Poller, readable: bool, writable: bool) -> io::Result<()> {
        let does = |(r, w)| r >= readable && w >= writable;
        if self.armed.is_some_and(does) {
            return Ok(());
        }
        let event = Event::new(self.token.key(), readable, writable);
        if self.added {
            poller.inner.modify(&self.fd, event)?;
        } else {
            // SAFETY: with epoll, a descriptor leaves the poller when its last copy is
            // closed. A `Watched` is its only owner, and if another process may have
            // a copy it leaves by `close`. If an event still comes, it comes once, and
            // its token has no owner any more.
            unsafe {
                poller
                    .inner
                    .add_with_mode(&self.fd, event, PollMode::Oneshot)?;
            }
            self.added = true;
        }
        self.armed = Some((readable, writable));
        Ok(())
    }

    /// Whether it can be read now, asked without the poller.
    pub fn is_readable(&self) -> bool {
        let mut one = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut one, PollTimeout::ZERO) == Ok(1)
    }

    /// Its event has come: it is not armed any more.
    pub fn fired(&mut self) {
        self.armed = None;
    }

    /// Leaves the poller, for a descriptor that another process will have a copy of.
    pub fn release(self, poller: &Poller) -> OwnedFd {
        if self.added {
            // The only way to fail is not to be there.
            let _ = poller.inner.delete(&self.fd);
        }
        self.fd
    }

    /// Leaves the poller, then closes: for a descriptor that another process has a copy of, such
    /// as a listening socket of the service manager. For all others dropping is enough, and
    /// saves a system call: no child ever has a copy of them (see
    /// [`launch`](crate::os::launch)).
    pub fn close(self, poller: &Poller) {
        drop(self.release(poller));
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn tokens_and_keys() {
        let id = ConnectionId::FIRST.next();
        assert_eq!(id.to_string(), "2");
        let mut tokens = vec![
            Token::Signals,
            Token::Listener(0),
            Token::Listener(LISTENERS_MAX - 1),
            Token::Question(0),
            Token::Question(3),
        ];
        tokens.extend(Part::ALL.map(|part| Token::Connection(id, part)));
        for token in tokens {
            assert_eq!(Token::from_key(token.key()), Some(token));
        }
    }

    #[test]
    fn one_shot_and_hangup() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let token = Token::Listener(0);
        let (mut poller, mut ready) = (Poller::new().unwrap(), Vec::new());
        let mut watched = Watched::new(ours, token);
        watched.arm(&poller, false, false).unwrap();
        drop(theirs);
        poller.wait(&mut ready, None).unwrap();
        assert_eq!(
            (ready.len(), ready[0].token, ready[0].hangup),
            (1, token, true)
        );
        watched.fired();
        poller.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        watched.close(&poller);
    }
}
