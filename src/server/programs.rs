//! Programs of the server: whose turn it is, which have come to run, and strays.

use std::time::Duration;

use nix::errno::Errno;

use super::admission::Standing;
use super::guard::{Permit, prefixed};
use super::{Entry, Server};
use crate::connection::Stray;
use crate::id::ConnectionId;
use crate::os::environment;
use crate::os::launch::Order;
use crate::program::OutOfMemory;

/// How often strays are looked at.
const STRAYS_AGAIN: Duration = Duration::from_millis(500);

impl Server {
    /// Lets those know whose programs have come to run, or have failed to.
    pub(super) fn sweep(&mut self) {
        let mut outcomes = Vec::new();
        self.launcher
            .sweep(|id, outcome| outcomes.push((id, outcome)));
        for (id, outcome) in outcomes {
            let permit = self.connections.get(&id).and_then(|e| e.permit.as_ref());
            let in_front = permit.and_then(Permit::in_front);
            let outcome = outcome.map_err(|error| match in_front {
                Some(program) => error.in_front(program),
                None => error,
            });
            self.with(id, |connection, context| {
                connection.launched(outcome, context);
            });
        }
    }

    /// Keeps a process that has not ended, or of which nobody knows. It counts as a program.
    pub(super) fn keep_stray(&mut self, id: ConnectionId, stray: Stray) {
        self.strays.insert(id, stray);
        self.strays_again.get_or_insert(self.now + STRAYS_AGAIN);
    }

    pub(super) fn reap_stray(&mut self, id: ConnectionId, stray: Stray) {
        let Stray { process, pidfd } = stray;
        match process.reap() {
            Ok(()) => self.programs -= 1,
            Err(process) => self.keep_stray(id, Stray { process, pidfd }),
        }
    }

    /// Looks at all strays: the poller does not tell of each one's end, since it was not
    /// there to be armed, or a tracer has seen the end first.
    pub(super) fn look_for_strays(&mut self) {
        if self.strays_again.is_some_and(|at| at <= self.now) {
            self.strays_again = None;
            for (id, stray) in std::mem::take(&mut self.strays) {
                self.reap_stray(id, stray);
            }
        }
    }

    /// Starts the program that a connection asks for, or puts it in the queue.
    pub(super) fn try_launch(&mut self, id: ConnectionId, entry: &mut Entry) {
        if entry.request.is_none()
            || entry.standing == Standing::Parked
            || !self.is_permitted(id, entry)
        {
            return;
        }
        let turn = self.waiting.front().is_none_or(|&first| first == id);
        if !turn || !self.launcher.is_ready() || self.programs >= self.settings.budget.programs_max
        {
            if !entry.queued {
                entry.queued = true;
                self.waiting.push_back(id);
            }
            return;
        }
        if entry.queued {
            entry.queued = false;
            self.waiting.pop_front();
        }
        let Some(arguments) = entry.request.take() else {
            return;
        };
        let prepared = match &entry.permit {
            Some(permit) => prefixed(permit, arguments).map_err(|OutOfMemory| Errno::ENOMEM),
            None => Ok((None, arguments)),
        };
        let peer = entry.connection.peer();
        let job = prepared.and_then(|(file, arguments)| {
            let order = Order {
                file,
                arguments,
                variables: environment::of_job(id, peer),
            };
            self.launcher.launch(id, order)
        });
        match &job {
            Ok(_) => {
                entry.program = true;
                self.programs += 1;
            }
            Err(errno) => self.tell_shortage("start a program", errno.desc()),
        }
        self.work(id, entry, |connection, context| {
            connection.adopt(job, context)
        });
    }

    /// Programs whose turn has come.
    pub(super) fn launch_waiting(&mut self) {
        while let Some(&id) = self.waiting.front() {
            match self.connections.get(&id) {
                Some(entry) if entry.request.is_some() => {
                    if !self.launcher.is_ready()
                        || self.programs >= self.settings.budget.programs_max
                    {
                        return;
                    }
                    self.with(id, |_, _| {});
                }
                // It has gone meanwhile.
                _ => {
                    self.waiting.pop_front();
                }
            }
        }
    }
}
