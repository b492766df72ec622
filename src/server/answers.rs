//! The state of all, for control connections that ask for it, and for the log at SIGUSR1.

use std::os::fd::AsFd as _;

use super::Server;
use super::explain::Judge;
use super::history::Membership;
use super::reporting::TotalsLine;
use crate::control::explained::Explained;
use crate::control::history::Groups;
use crate::control::payload::{Descriptors, Limits, Listener, Percentiles, Status, Totals};
use crate::control::question::Question;
use crate::os::listen;
use crate::os::queued::queued;
use crate::os::usage;
use crate::record::JobRecord;
use crate::schedule::{Class, Phase};
use crate::statistics::Lately;

impl Server {
    pub(super) fn status_answer(&mut self) -> Status {
        let lately = |lately: Lately| {
            let at = |index: usize| lately.percentiles.map(|p| p[index].as_secs_f64());
            Percentiles {
                window: lately.window.as_secs_f64(),
                count: lately.count,
                p50: at(0),
                p90: at(1),
                p99: at(2),
                max: at(3),
            }
        };
        let listeners = self.listeners_answer();
        let counts = self.schedule.counts();
        let now = self.io.now();
        let queued: Option<Vec<u64>> = listeners.iter().map(|l| l.queued).collect();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime: now.duration_since(self.statistics.started).as_secs_f64(),
            state: self.state().into(),
            limits: self.limits_answer(),
            active: counts.active as u64,
            parked: counts.over_quota as u64,
            throttled: counts.throttled as u64,
            waiting: counts.waiting as u64,
            programs: counts.programs as u64,
            lingering: counts.lingering as u64,
            detached: self.orphans.cgroups.detached_count() as u64,
            control: counts.control as u64,
            queued: queued.map(|queued| queued.iter().sum()),
            listeners,
            totals: Totals {
                accepted: self.statistics.accepted,
                bytes_in: self.statistics.bytes_in,
                bytes_out: self.statistics.bytes_out,
                commands: self.statistics.commands,
                log_lines_lost: crate::log::dropped(),
                throttled: self.schedule.throttled_total(),
            },
            outcomes: self.statistics.outcomes.clone(),
            spawn_failures: self
                .statistics
                .spawn_failures
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            request_bytes: self.schedule.request_bytes(),
            spool_bytes: self.schedule.spool_bytes(),
            memory: usage::resident(),
            descriptors: Descriptors {
                open: usage::descriptors(),
                limit: self.configuration.descriptors() as u64,
            },
            duration: lately(self.statistics.duration.lately(now)),
            first_byte: lately(self.statistics.first_byte.lately(now)),
            turn: lately(self.statistics.turn.lately(now)),
        }
    }

    fn state(&self) -> &'static str {
        match self.schedule.phase() {
            Phase::Serving => "serving",
            Phase::Finishing { until: None } => "draining",
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => "finishing",
        }
    }

    fn listeners_answer(&self) -> Vec<Listener> {
        self.listeners
            .iter()
            .map(|(protocol, socket)| Listener {
                protocol: protocol.name().into(),
                address: listen::describe(socket.as_fd()),
                queued: queued(socket.as_fd()).map(u64::from),
            })
            .collect()
    }

    pub(super) fn limits_answer(&self) -> Limits {
        let capacity = self.configuration.capacity();
        let mut settings = **self.configuration.settings();
        // The limit that follows from the descriptors.
        settings.max_connections = u32::try_from(capacity.connections).unwrap_or(u32::MAX);
        Limits::new(&settings, capacity.programs as u64)
    }

    /// The decision about a request that might be made, with its reasons.
    pub(super) fn explain(&self, question: &Question) -> Explained {
        let (rules, lookup) = self.guard.decides_by();
        let judge = Judge {
            rules,
            lookup,
            people: self.guard.people(),
            timeout: self.configuration.settings().timeout,
        };
        judge.explain(question)
    }

    /// Every connection that has, or may get, a program.
    pub(super) fn jobs_answer(&self) -> Vec<JobRecord> {
        self.table
            .iter()
            .filter(|(_, entry)| {
                entry.class == Class::Job && entry.connection.session().is_active()
            })
            .map(|(id, entry)| self.record(id, entry))
            .chain(self.orphans.cgroups.detached(self.io.now()))
            .collect()
    }

    /// What has happened, by program, user and rule.
    pub(super) fn totals_answer(&self) -> Groups {
        let entries = self.table.iter();
        let running = entries.filter(|(_, entry)| entry.connection.pid().is_some());
        let running = running.map(|(id, entry)| Membership::of(&self.record(id, entry)));
        let people = self.guard.people();
        self.control
            .history
            .totals(running, |uid| people.name_of(uid))
    }

    /// Logs the state of every connection, and the totals.
    pub(super) fn log_state(&self) {
        for (id, entry) in self.table.iter() {
            log::info!("{}", self.record(id, entry).so_far());
        }
        for record in self.orphans.cgroups.detached(self.io.now()) {
            log::info!("{}", record.so_far());
        }
        let (counts, capacity) = (self.schedule.counts(), self.schedule.capacity());
        let totals = TotalsLine {
            active: (counts.active, capacity.connections),
            programs: (counts.programs, capacity.programs),
            waiting: counts.waiting,
            statistics: &self.statistics,
            log_lines_lost: crate::log::dropped(),
        };
        log::info!("{totals}");
    }
}
