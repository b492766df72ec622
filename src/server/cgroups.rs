//! The cgroups of jobs: those that are kept for the next, those that must become empty, and those
//! in which processes live on after their job (`detach`).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::connection::Containment;
use crate::execution::Execution;
use crate::id::ConnectionId;
use crate::os::cgroup::{self, Cgroup};
use crate::record::JobRecord;
use crate::session::JobState;

/// The shortest and the longest interval of checks whether a cgroup is empty.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(500);

/// When a process that was killed and does not end is reported.
const REPORT_AFTER: Duration = Duration::from_secs(5);

/// How long the end of the server waits for processes that it has killed.
const END_MAX: Duration = Duration::from_secs(1);

/// A cgroup whose processes must end.
#[derive(Debug)]
struct Ending {
    cgroup: Cgroup,
    since: Instant,
    reported: bool,
}

/// Processes that live on after their job.
#[derive(Debug)]
struct Detached {
    cgroup: Cgroup,
    record: JobRecord,
    since: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    /// `None` if jobs have none.
    cgroups: Option<cgroup::Cgroups>,
    ending: Vec<Ending>,
    detached: BTreeMap<ConnectionId, Detached>,
    look: Option<(Instant, Duration)>,
    /// When to look at those that are detached: seldom, since there may be many.
    look_detached: Option<Instant>,
}

impl Cgroups {
    /// Prepares cgroups for jobs that are executed like these, if one of them needs it.
    ///
    /// # Errors
    ///
    /// Why they cannot have them.
    pub(super) fn prepare<'a>(
        &mut self,
        given: Option<&Path>,
        executions: impl Iterator<Item = &'a Execution>,
        now: Instant,
    ) -> Result<(), String> {
        let contained: Vec<_> = executions
            .filter(|execution| execution.contain == Some(true))
            .collect();
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.set_keeps(!contained.is_empty());
        }
        if contained.is_empty() {
            return Ok(());
        }
        let cgroups = match self.cgroups.take() {
            Some(cgroups) => cgroups,
            None => {
                let opened = cgroup::Cgroups::open(given);
                opened.map_err(|reason| format!("contain = true: {reason}"))?
            }
        };
        let cgroups = self.cgroups.insert(cgroups);
        let found = cgroups.take_found();
        let ready = cgroups.require(contained.into_iter());
        if !found.is_empty() {
            log::info!("{} cgroups of an earlier server are removed", found.len());
        }
        for cgroup in found {
            self.end(cgroup, now);
        }
        ready
    }

    /// A cgroup for a job, if it is to have one.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub(super) fn take(
        &mut self,
        execution: &Execution,
        now: Instant,
    ) -> Result<Option<Box<Containment>>, Errno> {
        if execution.contain != Some(true) {
            return Ok(None);
        }
        let cgroups = self.cgroups.as_mut().ok_or(Errno::ENOENT)?;
        let cgroup = cgroups.take(execution, now)?;
        Ok(Some(Box::new(Containment {
            cgroup,
            detach: execution.detach == Some(true),
            empty: true,
        })))
    }

    /// Takes the cgroup of a job that is over. What it has left ends.
    pub(super) fn give_back(&mut self, containment: Containment, now: Instant) {
        match containment.empty {
            true => self.keep(containment.cgroup),
            false => self.end(containment.cgroup, now),
        }
    }

    /// Takes the cgroup of a job whose processes live on, if there are not more such jobs than
    /// `detached_max`.
    pub(super) fn detach(
        &mut self,
        cgroup: Cgroup,
        record: JobRecord,
        detached_max: usize,
        now: Instant,
    ) {
        let id = record.id;
        if self.detached.len() >= detached_max {
            log::warn!(
                "job {id}: what it has left is killed: {detached_max} detached jobs are the limit"
            );
            return self.end(cgroup, now);
        }
        log::info!(
            "job {id}: detached, its processes live on in {}",
            cgroup.name()
        );
        let detached = Detached {
            cgroup,
            record,
            since: now,
        };
        self.detached.insert(id, detached);
        self.look_detached.get_or_insert(now + LOOK_MAX);
    }

    /// Ends all processes in a cgroup.
    fn end(&mut self, cgroup: Cgroup, now: Instant) {
        cgroup.kill_all();
        self.ending.push(Ending {
            cgroup,
            since: now,
            reported: false,
        });
        self.look_at(now + LOOK_MIN, LOOK_MIN);
    }

    /// Takes back one in which there is no process.
    fn keep(&mut self, cgroup: Cgroup) {
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.give_back(cgroup);
        }
    }

    /// Takes back one in which no process could be started.
    pub(super) fn keep_unused(&mut self, cgroup: Cgroup) {
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.give_back_unused(cgroup);
        }
    }

    fn look_at(&mut self, at: Instant, pause: Duration) {
        if self.look.is_none_or(|(before, _)| at < before) {
            self.look = Some((at, pause));
        }
    }

    /// When to look whether they are empty.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let ending = self.look.map(|(at, _)| at);
        ending.into_iter().chain(self.look_detached).min()
    }

    /// Takes back those that are empty, if it is time to look.
    pub(super) fn look(&mut self, now: Instant) {
        if let Some((_, pause)) = self.look.take_if(|(at, _)| *at <= now) {
            self.look_at_ending(pause, now);
        }
        if self.look_detached.take_if(|at| *at <= now).is_some() {
            self.look_at_detached(now);
        }
    }

    fn look_at_ending(&mut self, pause: Duration, now: Instant) {
        for mut ending in std::mem::take(&mut self.ending) {
            if ending.cgroup.is_populated() == Ok(false) {
                self.keep(ending.cgroup);
                continue;
            }
            // The first time may have failed, or something may have moved in.
            let _ = ending.cgroup.kill();
            if !ending.reported && now.saturating_duration_since(ending.since) >= REPORT_AFTER {
                ending.reported = true;
                let name = ending.cgroup.name();
                log::warn!("cgroup {name}: processes were killed and do not end");
            }
            self.ending.push(ending);
        }
        if !self.ending.is_empty() {
            let pause = (2 * pause).min(LOOK_MAX);
            self.look_at(now + pause, pause);
        }
    }

    fn look_at_detached(&mut self, now: Instant) {
        let over = |detached: &Detached| detached.cgroup.is_populated() == Ok(false);
        let over: Vec<_> = self
            .detached
            .iter()
            .filter(|(_, detached)| over(detached))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(detached) = self.detached.remove(&id) {
                log::info!("job {id}: what it has left has ended");
                // That belongs to no later job.
                let _ = detached.cgroup.take_usage();
                self.keep(detached.cgroup);
            }
        }
        if !self.detached.is_empty() {
            self.look_detached = Some(now + LOOK_MAX);
        }
    }

    /// The records of jobs whose processes live on.
    pub(super) fn detached(&self, now: Instant) -> impl Iterator<Item = JobRecord> {
        self.detached.values().map(move |detached| {
            let mut record = detached.record.clone();
            record.summary.state = JobState::Detached;
            let processes = detached.cgroup.processes();
            record.processes = processes.ok().map(|all| all.len());
            record.summary.duration += now.saturating_duration_since(detached.since);
            record
        })
    }

    /// Their number.
    pub(super) fn detached_count(&self) -> usize {
        self.detached.len()
    }

    /// Sends a signal to what a job has left. `None`: there is no such job.
    pub(super) fn signal(&self, id: ConnectionId, signal: i32) -> Option<Result<Vec<i32>, Errno>> {
        Some(self.detached.get(&id)?.cgroup.signal(signal))
    }

    /// Ends everything, and removes what is empty by then.
    pub(super) fn close(mut self) {
        for (_, detached) in std::mem::take(&mut self.detached) {
            self.end(detached.cgroup, Instant::now());
        }
        let until = Instant::now() + END_MAX;
        while !self.ending.is_empty() && Instant::now() < until {
            std::thread::sleep(LOOK_MIN);
            self.look = Some((Instant::now(), LOOK_MIN));
            self.look(Instant::now());
        }
        if !self.ending.is_empty() {
            let count = self.ending.len();
            log::warn!("{count} cgroups have processes that do not end, and stay");
        }
    }
}
