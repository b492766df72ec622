//! The report of a session, for the log and for operators.

use std::time::{Duration, Instant};

use super::job::Job;
use super::timers::Timer;
use super::verdict::Fault;
use super::{Excerpt, JobState, Session};
use crate::program::Exit;
use crate::wire::Protocol;

/// The report of a request.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Its state.
    pub state: JobState,
    /// The arguments, or their beginning; empty when no request was complete.
    pub excerpt: Excerpt,
    /// The program's own exit.
    pub exit: Option<Exit>,
    /// The fault, if the reply did not end with that exit.
    pub fault: Option<Fault>,
    /// The client disconnected before its reply was complete.
    pub disconnected: bool,
    /// The client disconnected without a byte, as clients do that only check for a server.
    pub silent: bool,
    /// The deadline passed.
    pub late: bool,
    /// Bytes of output: of stdout, of stderr.
    pub bytes_out: [u64; 2],
    /// Bytes of standard input written to the program.
    pub bytes_in: u64,
    /// From acceptance to now.
    pub duration: Duration,
    /// From acceptance to the first byte of output, if there was one.
    pub first_byte: Option<Duration>,
    /// From now to the deadline, if there is one.
    pub deadline: Option<Duration>,
}

/// The bytes that a program has taken and written until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Standard input.
    pub input: u64,
    /// Both outputs.
    pub output: u64,
}

impl Session {
    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        self.facts.codec.protocol()
    }

    /// Whether the session counts against the limit of connections: it has a client that
    /// waits for a reply, or a process.
    pub fn is_active(&self) -> bool {
        self.facts.is_active()
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.facts.client.is_gone() && !self.facts.lives()
    }

    /// Whether the program must end, and its process group must still be signalled.
    pub fn is_stopping(&self) -> bool {
        self.facts.is_stopping()
    }

    /// Whether the arguments are too long to be kept for the record at the end.
    pub fn has_long_arguments(&self) -> bool {
        let job = self.facts.job.as_ref();
        job.is_some_and(|job| job.excerpt().is_too_long())
    }

    /// The bytes of its program, which only grow.
    pub fn traffic(&self) -> Traffic {
        match &self.facts.job {
            Some(job) => Traffic {
                input: job.stdin.bytes(),
                output: job.outputs.bytes().iter().sum(),
            },
            None => Traffic::default(),
        }
    }

    /// The end of what the program wrote on standard error.
    pub fn stderr_tail(&self) -> &[u8] {
        let job = self.facts.job.as_ref();
        job.map_or(&[], |job| job.tail.bytes())
    }

    fn state(&self) -> JobState {
        let (job, outbox) = (&self.facts.job, &self.facts.outbox);
        match job.as_ref().and_then(Job::state) {
            Some(state) => state,
            None if outbox.is_shut() => JobState::Lingering,
            None if job.is_none() && outbox.is_streaming() => JobState::Request,
            None => JobState::Replying,
        }
    }

    /// The report.
    pub fn summary(&self, now: Instant) -> Summary {
        let facts = &self.facts;
        let (job, fault) = (facts.job.as_ref(), facts.fault());
        Summary {
            state: self.state(),
            excerpt: job.map(|job| job.excerpt().clone()).unwrap_or_default(),
            exit: job.and_then(Job::exit_status),
            fault: fault.cloned(),
            disconnected: facts.client.is_disconnected(),
            silent: facts.client.is_silent()
                && !facts.late
                // Answered before a byte was read from it.
                && !matches!(fault, Some(Fault::Crowded(_))),
            late: facts.late,
            bytes_out: job.map_or([0; 2], |job| job.outputs.bytes()),
            bytes_in: job.map_or(0, |job| job.stdin.bytes()),
            duration: now.saturating_duration_since(facts.accepted),
            first_byte: job
                .and_then(|job| job.outputs.first())
                .map(|at| at.saturating_duration_since(facts.accepted)),
            deadline: facts
                .timers
                .at(Timer::Deadline)
                .map(|at| at.saturating_duration_since(now)),
        }
    }
}
