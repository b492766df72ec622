//! Requests become programs: the server checks the rules, starts the program, and later collects
//! the outcome.

use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::errno::Errno;

use super::Server;
use super::guard::{Permit, prefixed};
use super::peers::Identified;
use crate::id::ConnectionId;
use crate::os::environment;
use crate::os::launch::Order;
use crate::os::poller::{Part, Ready};
use crate::program::{OutOfMemory, SpawnError};
use crate::session::Input;

impl Server {
    /// One of a connection's descriptors is ready.
    pub(super) fn dispatch(&mut self, id: ConnectionId, ready: Ready, part: Part) {
        if part == Part::Process {
            // Whether it failed to run is known by now, and must be reported before its end.
            self.sweep();
            if self.orphans.has(id) {
                return self.reap_orphan(id);
            }
        }
        self.work(id, |connection, context| {
            connection.ready(ready, part, context);
        });
    }

    /// Wakes the connections whose time has come.
    pub(super) fn expire(&mut self) {
        let now = self.io.now();
        if self.table.first_due(now).is_some() {
            // Whether a program failed to run must be reported before its end, which may be due.
            self.sweep();
        }
        while let Some(id) = self.table.first_due(now) {
            self.work(id, |connection, context| {
                connection.inform(Input::Time, context);
            });
        }
    }

    /// Looks at orphans, and closes sockets, if it is time.
    pub(super) fn look_at_orphans(&mut self) {
        for id in self.orphans.due(self.io.now()) {
            self.reap_orphan(id);
        }
        self.orphans.cgroups.look(self.io.now());
        self.note_detached();
        for client in self.orphans.take_unclosed(self.io.now()) {
            self.discard(client);
        }
    }

    fn reap_orphan(&mut self, id: ConnectionId) {
        if self.orphans.reap(id, self.io.now()) {
            self.schedule.bury(id);
        }
    }

    /// Reports to connections that their programs run now, or have failed to.
    pub(super) fn sweep(&mut self) {
        let mut outcomes = Vec::new();
        self.launcher
            .sweep(|id, outcome| outcomes.push((id, outcome)));
        for (id, outcome) in outcomes {
            let permit = self.table.get(id).and_then(|entry| entry.permit.as_ref());
            let in_front = permit.and_then(Permit::in_front);
            let outcome = outcome.map_err(|error| match in_front {
                Some((program, rule)) => error.in_front(program, rule),
                None => error,
            });
            self.work(id, |connection, context| {
                connection.launched(outcome, context);
            });
        }
    }

    /// Asks the rules about the request of a connection.
    pub(super) fn judge(&mut self, id: ConnectionId) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let Some(request) = &entry.request else {
            return;
        };
        let mut permit = match self.guard.judge(request, &entry.connection) {
            Ok(permit) => permit,
            Err(denial) => {
                if let Some(rule) = &denial.almost {
                    self.statistics.refuse(rule);
                }
                return self.refuse(id, denial.error, denial.permit);
            }
        };
        match self.identify(id, &mut permit) {
            Ok(Identified::Yes) => {}
            Ok(Identified::Later) => return self.judge_again(),
            Err(error) => return self.refuse(id, error, permit),
        }
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let before = entry.permit.take();
        let (quota, timeout) = (permit.quota(), timeout_of(&permit));
        entry.permit = Some(permit);
        // The general one comes back where another rule had put its own in its place.
        let had_its_own = before.as_ref().and_then(timeout_of).is_some();
        let general = had_its_own.then_some(self.configuration.settings().timeout);
        if let Some(timeout) = timeout.or(general) {
            self.work(id, |connection, context| {
                connection.inform(Input::Timeout(timeout), context);
            });
        }
        self.schedule.permit(id, quota);
    }

    /// The program that a connection asks for is not run. The permit has the rule that decided.
    fn refuse(&mut self, id: ConnectionId, error: SpawnError, permit: Permit) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.request = None;
            entry.permit = Some(permit);
        }
        self.schedule.withdraw(id);
        self.work(id, |connection, context| connection.refuse(error, context));
    }

    /// Starts the program that a connection asks for.
    pub(super) fn launch(&mut self, id: ConnectionId) {
        self.report_permitted(id);
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        let request = entry.request.take().unwrap_or_default();
        let permit = entry.permit.take().unwrap_or_default();
        let prepared =
            prefixed(&permit, request).map_err(|OutOfMemory| SpawnError::Start(Errno::ENOMEM));
        let (cgroups, now) = (&mut self.orphans.cgroups, self.io.now());
        let peer = entry.connection.peer();
        let job = prepared.and_then(|(file, arguments)| {
            let containment = cgroups.take(permit.execution(), now);
            let containment = containment.map_err(SpawnError::Contain)?;
            let order = Order {
                file,
                arguments,
                variables: environment::of_job(id, peer),
                execution: permit.execution(),
                account: permit.account(),
                cgroup: containment.as_ref().map(|c| c.cgroup.as_fd()),
            };
            match self.launcher.launch(id, order) {
                Ok(spawned) => Ok((spawned, containment)),
                Err(errno) => {
                    if let Some(containment) = containment {
                        cgroups.keep_unused(containment.cgroup);
                    }
                    Err(SpawnError::Start(errno))
                }
            }
        });
        entry.permit = Some(permit);
        match &job {
            Ok((spawned, _)) => self.report_start(id, spawned.process.pid().as_raw()),
            Err(SpawnError::Start(errno) | SpawnError::Contain(errno)) => {
                self.io.note_shortage("start a program", errno.desc());
            }
            Err(_) => {}
        }
        self.work(id, |connection, context| connection.adopt(job, context));
    }
}

/// The deadline of a rule, which replaces the general one.
fn timeout_of(permit: &Permit) -> Option<Option<Duration>> {
    permit.rule()?.timeout
}
