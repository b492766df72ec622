//! Carries out the actions of a session on the descriptors of a connection, and arms the
//! descriptors in its interest.

use std::io;

use nix::sys::signal::Signal;

use super::{Connection, Context};
use crate::os::cgroup::Usage;
use crate::os::poller::Poller;
use crate::program::Cost;
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

    fn signal(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running {
            running.signal(signal);
        }
    }

    /// Closes all pipes and reaps the zombie; keeps what is left for the server.
    pub(super) fn reap(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        running.finish();
        if let Some(usage) = running.take_usage() {
            self.used(usage);
        }
        self.left = running.reap();
    }

    /// Takes what all processes of its cgroup have used.
    fn used(&mut self, usage: Usage) {
        self.limit = usage.limit;
        let memory = self.cost.and_then(|cost| cost.memory);
        self.cost = Some(Cost {
            user: usage.user,
            system: usage.system,
            memory: usage.memory.or(memory),
        });
    }

    fn abandon(&mut self) {
        self.reap();
        if let Some(orphan) = &self.left.orphan {
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
