//! Sockets of clients that may have passed descriptors: closed by a process of their own,
//! because to drop what they passed may take long (see [`rights`]).

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::admission::BACK_OFF;
use super::{Server, Stray};
use crate::os::poller::{Part, Token, Watched};
use crate::os::rights::{self, Discarded};

/// Sockets that are still open, since there was no process to close them.
#[derive(Debug, Default)]
pub(super) struct Discards {
    left: Vec<OwnedFd>,
    again: Option<Instant>,
}

impl Discards {
    /// When to try again.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }
}

impl Drop for Discards {
    fn drop(&mut self) {
        // Closed at the exit of the process, which does not wait.
        self.left.drain(..).for_each(std::mem::forget);
    }
}

impl Server {
    /// Closes a client's socket without waiting.
    pub(super) fn discard(&mut self, client: OwnedFd) {
        match rights::discard(client) {
            Discarded::Closed => {}
            Discarded::By(process, pidfd) => {
                let id = self.next_id;
                self.next_id = id.next();
                let mut pidfd = Watched::new(pidfd, Token::Connection(id, Part::Process));
                // A stray that cannot be watched is looked at by a timer.
                let _ = pidfd.arm(&self.poller, true, false);
                self.programs += 1;
                self.keep_stray(id, Stray { process, pidfd });
            }
            Discarded::Failed(client, errno) => {
                self.tell_shortage("close a connection", errno.desc());
                self.discards.left.push(client);
                self.discards.again = Some(self.now + BACK_OFF);
            }
        }
    }

    /// Tries again what failed for a shortage.
    pub(super) fn discard_again(&mut self) {
        if self.discards.again.is_some_and(|at| at <= self.now) {
            self.discards.again = None;
            for client in std::mem::take(&mut self.discards.left) {
                self.discard(client);
            }
        }
    }
}
