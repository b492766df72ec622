//! Carries out the actions of a session on the descriptors of a connection, and arms the
//! descriptors in its interest.

use std::io;

use nix::sys::signal::Signal;

use super::process::Running;
use super::{Connection, Context};
use crate::os::poller::Poller;
use crate::session::{Action, Interest};

impl Connection {
    /// Carries out the session's actions. Returns whether there were any.
    pub(super) fn act(&mut self, context: &Context<'_>) -> bool {
        let mut acted = false;
        while let Some(action) = self.session.poll_action() {
            acted = true;
            match action {
                Action::Spool(stream) => {
                    let bytes = self.session.unspooled(stream);
                    let input = self.spools.append(stream, bytes);
                    self.session.handle(input, context.now);
                }
                Action::CloseStdin => {
                    if let Some(running) = &mut self.running {
                        running.close_stdin();
                    }
                }
                Action::Terminate => self.signal(Signal::SIGTERM),
                Action::Kill => self.signal(Signal::SIGKILL),
                Action::Reap => self.reap(),
                Action::Abandon => self.abandon(),
                Action::ShutdownReply => self.client.shutdown(),
                Action::CloseClient => {
                    self.client.close(context.poller);
                    self.spools.clear();
                }
            }
        }
        acted
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            running.signal(signal);
        }
    }

    /// Closes all pipes and reaps the zombie; if there is none, keeps the process.
    pub(super) fn reap(&mut self) {
        self.orphan = self.running.take().and_then(Running::reap);
    }

    fn abandon(&mut self) {
        self.reap();
        if let Some(orphan) = &self.orphan {
            log::warn!(
                "connection {}: process {} does not end, no longer waiting for it",
                self.id,
                orphan.process.pid()
            );
        }
    }

    /// Arms the poller for the session's interest.
    pub(super) fn arm(&mut self, poller: &Poller) -> io::Result<()> {
        let interest = match self.tries.has_put_off() {
            false => self.session.interest(),
            true => Interest::default(),
        };
        let read = interest.client_read && !self.room.is_lacking();
        self.client.arm(poller, read, interest.client_write)?;
        match &mut self.running {
            Some(running) => running.arm(poller, &interest),
            None => Ok(()),
        }
    }
}
