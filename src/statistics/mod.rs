//! What the server has done: counts since it started, and how long jobs took lately.
//!
//! Owns numbers only; makes no system call and reads no clock.

mod durations;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

pub use self::durations::{BUCKETS, Durations, Lately};
use crate::control::payload::Outcomes;
use crate::program::{Exit, SpawnError};
use crate::session::Summary;
use crate::session::verdict::Fault;

/// What the server has done since it started.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Connections accepted, control connections not among them.
    pub accepted: u64,
    /// Bytes of output that programs have written.
    pub bytes_out: u64,
    /// Bytes of standard input that programs have taken.
    pub bytes_in: u64,
    /// Commands on control connections.
    pub commands: u64,
    /// How requests ended.
    pub outcomes: Outcomes,
    /// Why programs were not started, by the name of the error.
    pub spawn_failures: BTreeMap<&'static str, u64>,
    /// From acceptance to the end of the program.
    pub duration: Durations,
    /// From acceptance to the first byte of output.
    pub first_byte: Durations,
}

impl Statistics {
    /// Nothing done yet, at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            accepted: 0,
            bytes_out: 0,
            bytes_in: 0,
            commands: 0,
            outcomes: Outcomes::default(),
            spawn_failures: BTreeMap::new(),
            duration: Durations::new(now),
            first_byte: Durations::new(now),
        }
    }

    /// Requests that came to some end.
    pub fn ended(&self) -> u64 {
        self.outcomes.total()
    }

    /// Counts a connection that is over.
    pub fn count(&mut self, summary: &Summary, now: Instant) {
        self.bytes_out += summary.bytes_out.iter().sum::<u64>();
        self.bytes_in += summary.bytes_in;
        match summary.fault {
            // Those have a count of their own.
            Some(Fault::Spawn(SpawnError::Refused(_))) | None => {}
            Some(Fault::Spawn(error)) => {
                *self.spawn_failures.entry(error.name()).or_default() += 1;
            }
            Some(_) => {}
        }
        if summary.exit.is_some() {
            self.duration.count(summary.duration, now);
        }
        if let Some(first) = summary.first_byte {
            self.first_byte.count(first, now);
        }
        if let Some(outcome) = self.outcome(summary) {
            *outcome += 1;
        }
    }

    /// Where a request belongs, if there was one.
    fn outcome(&mut self, summary: &Summary) -> Option<&mut u64> {
        let o = &mut self.outcomes;
        Some(match (summary.fault, summary.exit) {
            _ if summary.silent => return None,
            (Some(Fault::Spawn(SpawnError::Refused(_))), _) => &mut o.refused,
            (Some(Fault::Wire(_) | Fault::RequestLate(_) | Fault::MessageLate(_)), _) => {
                &mut o.malformed
            }
            _ if summary.late => &mut o.timeout,
            _ if summary.disconnected => &mut o.disconnected,
            (Some(Fault::Spawn(_) | Fault::Stopping | Fault::Stuck(_)), _) => &mut o.not_started,
            (_, Some(Exit::Code(0))) if summary.fault.is_none() => &mut o.exit_zero,
            (_, Some(Exit::Code(_))) => &mut o.exit_nonzero,
            (_, Some(Exit::Signal { .. })) => &mut o.signal,
            (_, None) => return None,
        })
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let o = &self.outcomes;
        write!(
            f,
            "accepted={} ended={} malformed={} refused={} not_started={} disconnected={} late={} \
             bytes_out={} bytes_in={}",
            self.accepted,
            self.ended(),
            o.malformed,
            o.refused,
            o.not_started,
            o.disconnected,
            o.timeout,
            self.bytes_out,
            self.bytes_in
        )
    }
}
