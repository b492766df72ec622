//! Processes that belong to no connection: programs that have outlived their connection, and
//! processes that close the sockets of clients that may have passed descriptors, because dropping
//! those may take long (see [`rights`]).

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::cgroups::Cgroups;
use super::io::BACK_OFF;
use crate::connection::Orphan;
use crate::id::ConnectionId;
use crate::os::poller::{Part, Poller, Token, Watched};
use crate::os::rights::{self, Discarded};

/// How often orphans are looked at: the poller does not report each one's end, since it was
/// not there to be armed, or a tracer has seen the end first.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    all: BTreeMap<ConnectionId, Orphan>,
    look_at: Option<Instant>,
    /// Sockets that are still open, since there was no process to close them.
    unclosed: Vec<OwnedFd>,
    close_at: Option<Instant>,
    /// The cgroups of jobs, of which nothing may be left.
    pub(super) cgroups: Cgroups,
}

impl Orphans {
    /// When to look at them, or to close sockets.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let cgroups = self.cgroups.poll_timeout();
        let moments = self.look_at.into_iter().chain(self.close_at);
        moments.chain(cgroups).min()
    }

    /// Keeps a process that has not ended.
    pub(super) fn keep(&mut self, id: ConnectionId, orphan: Orphan, now: Instant) {
        self.all.insert(id, orphan);
        self.look_at.get_or_insert(now + LOOK_AGAIN);
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.all.contains_key(&id)
    }

    /// Looks whether one has ended. Returns whether it has.
    pub(super) fn reap(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(Orphan { process, pidfd }) = self.all.remove(&id) else {
            return false;
        };
        match process.reap() {
            Ok(()) => true,
            Err(process) => {
                self.keep(id, Orphan { process, pidfd }, now);
                false
            }
        }
    }

    /// All of them, if it is time to look at them.
    pub(super) fn due(&mut self, now: Instant) -> Vec<ConnectionId> {
        match self.look_at.take_if(|at| *at <= now) {
            Some(_) => self.all.keys().copied().collect(),
            None => Vec::new(),
        }
    }

    /// Closes a client's socket without waiting. If that takes a process, it is an orphan from
    /// now on: takes a number for it, and returns that.
    ///
    /// # Errors
    ///
    /// When there is no process to do it. It is tried again: see [`Orphans::take_unclosed`].
    pub(super) fn discard(
        &mut self,
        client: OwnedFd,
        next_id: impl FnOnce() -> ConnectionId,
        (poller, now): (&Poller, Instant),
    ) -> Result<Option<ConnectionId>, Errno> {
        match rights::discard(client) {
            Discarded::Closed => Ok(None),
            Discarded::By(process, pidfd) => {
                let id = next_id();
                let mut pidfd = Watched::new(pidfd, Token::Connection(id, Part::Process));
                // One that cannot be watched is looked at by the clock.
                let _ = pidfd.arm(poller, true, false);
                self.keep(id, Orphan { process, pidfd }, now);
                Ok(Some(id))
            }
            Discarded::Failed(client, errno) => {
                self.unclosed.push(client);
                self.close_at = Some(now + BACK_OFF);
                Err(errno)
            }
        }
    }

    /// Sockets to be closed, if it is time to try that again.
    pub(super) fn take_unclosed(&mut self, now: Instant) -> Vec<OwnedFd> {
        match self.close_at.take_if(|at| *at <= now) {
            Some(_) => std::mem::take(&mut self.unclosed),
            None => Vec::new(),
        }
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        // Closed at the exit of the process, which does not wait.
        self.unclosed.drain(..).for_each(std::mem::forget);
    }
}
