//! The client's socket: receiving from it, and closing it if the client may have passed
//! descriptors (see [`rights`]).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

use super::trouble::retry;
use crate::os::poller::{Poller, Watched};
use crate::os::rights::{self, Ahead};

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// This many bytes.
    Bytes(usize),
    /// End-of-file.
    End,
    /// Descriptors. Nothing was received.
    Descriptors,
}

/// See the module.
#[derive(Debug)]
pub(super) struct ClientSocket {
    socket: Option<Watched>,
    /// Its bytes are peeked at before they are received.
    may_pass_descriptors: bool,
    /// The socket, which the server must close in a process of its own.
    discarded: Option<OwnedFd>,
}

impl ClientSocket {
    pub(super) fn new(socket: Watched, may_pass_descriptors: bool) -> Self {
        Self {
            socket: Some(socket),
            may_pass_descriptors,
            discarded: None,
        }
    }

    /// Its socket, until it is closed.
    pub(super) fn socket(&self) -> Option<&Watched> {
        self.socket.as_ref()
    }

    /// Its event has come.
    pub(super) fn fired(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.fired();
        }
    }

    pub(super) fn arm(&mut self, poller: &Poller, read: bool, write: bool) -> io::Result<()> {
        match &mut self.socket {
            Some(socket) => socket.arm(poller, read, write),
            None => Ok(()),
        }
    }

    /// The number of system calls of a receive.
    pub(super) fn calls(&self) -> usize {
        if self.may_pass_descriptors { 2 } else { 1 }
    }

    /// Receives the available bytes, as many as there is room for.
    pub(super) fn receive(&self, room: &mut [u8]) -> Result<Received, Errno> {
        let Some(socket) = &self.socket else {
            return Ok(Received::End);
        };
        let mut size = room.len();
        if self.may_pass_descriptors {
            match retry(|| rights::peek(socket.as_fd(), room))? {
                Ahead::Descriptors => return Ok(Received::Descriptors),
                // Not a byte more: later bytes were not peeked at.
                Ahead::Bytes(n) => size = n,
                // recv reports the same.
                Ahead::End => {}
            }
        }
        let room = &mut room[..size];
        let n = retry(|| recv(socket.as_raw_fd(), room, MsgFlags::empty()))?;
        Ok(if n == 0 {
            Received::End
        } else {
            Received::Bytes(n)
        })
    }

    /// Shuts down the writing side.
    pub(super) fn shutdown(&self) {
        if let Some(socket) = &self.socket {
            let _ = shutdown(socket.as_raw_fd(), Shutdown::Write);
        }
    }

    /// Closes its socket, or leaves it to the server.
    pub(super) fn close(&mut self, poller: &Poller) {
        let socket = self.socket.take();
        if self.may_pass_descriptors {
            self.discarded = socket.map(|socket| socket.release(poller));
        }
    }

    /// Takes the socket that must be closed in a process of its own.
    pub(super) fn take_discarded(&mut self) -> Option<OwnedFd> {
        self.discarded.take()
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        if self.may_pass_descriptors {
            // Closed at the exit of the process, which does not wait for passed descriptors.
            std::mem::forget((self.socket.take(), self.discarded.take()));
        }
    }
}
