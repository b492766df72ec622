//! Limits, and the count of what is in use: who may come in, and when.
//!
//! Owns numbers only; makes no system call and reads no clock.

use std::fmt;
use std::time::Duration;

/// How long the server waits for a program after SIGKILL before it stops waiting. Only a
/// program that is stuck in the kernel takes longer; its process is reaped when it ends.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// What one connection may use, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may last from its acceptance to the end of the program;
    /// `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// How long a program may go on after SIGTERM before SIGKILL.
    pub kill_timeout: Duration,
    /// How long a connection whose reply has been sent may go on sending.
    pub linger: Duration,
    /// The size of a request up to its last argument, in bytes.
    pub request_max: usize,
    /// How a termination by a signal is told.
    pub termsig: Termsig,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(60)),
            kill_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            request_max: 2 * 1024 * 1024,
            termsig: Termsig::Number,
        }
    }
}

/// How a reply tells the signal that ended a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Termsig {
    /// `15`, which the known clients parse.
    #[default]
    Number,
    /// `TERM`, as the original server has it.
    Name,
}

/// Descriptors that the server itself needs at most: standard streams, poller, timer,
/// signals, log, listeners, the places of programs being started, and some in hand.
pub const DESCRIPTORS_OWN: usize = 56;

/// What a running program takes besides its client's socket: three pipes and its pidfd.
pub const DESCRIPTORS_PROGRAM: usize = 4;

/// How the descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Connections that may be active at once.
    pub connections_max: usize,
    /// Programs that may run at once; requests beyond that wait.
    pub programs_max: usize,
    /// Connections that may linger after their reply.
    pub lingering_max: usize,
}

impl Budget {
    /// Shares `descriptors` out for `wanted` connections. Where they do not carry all,
    /// connections come first, since they may be idle, but some programs always fit.
    pub fn new(wanted: usize, descriptors: usize) -> Self {
        let lingering_max = wanted
            .min(256)
            .min(descriptors.saturating_sub(DESCRIPTORS_OWN) / 8)
            .max(1);
        let free = descriptors.saturating_sub(DESCRIPTORS_OWN + lingering_max);
        let programs_kept = wanted.min(64).min(free / 8).max(1);
        let connections_max = wanted
            .min(free.saturating_sub(programs_kept * DESCRIPTORS_PROGRAM))
            .max(1);
        let programs_max =
            (free.saturating_sub(connections_max) / DESCRIPTORS_PROGRAM).clamp(1, connections_max);
        Self {
            connections_max,
            programs_max,
            lingering_max,
        }
    }

    /// How many descriptors `wanted` connections need, each with a program.
    pub fn needed(wanted: usize) -> usize {
        DESCRIPTORS_OWN + wanted.min(256) + wanted * (1 + DESCRIPTORS_PROGRAM)
    }
}

/// What the server has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections accepted.
    pub accepted: u64,
    /// Programs that were started and have ended.
    pub ended: u64,
    /// Requests that were refused as malformed, oversized or late.
    pub malformed: u64,
    /// Programs that could not be started.
    pub not_started: u64,
    /// Clients that went away before their reply was complete.
    pub disconnected: u64,
    /// Programs that met their deadline.
    pub late: u64,
    /// Bytes of output that were sent to clients.
    pub bytes_out: u64,
    /// Bytes of standard input that programs have taken.
    pub bytes_in: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted={} ended={} malformed={} not_started={} disconnected={} late={} \
             bytes_out={} bytes_in={}",
            self.accepted,
            self.ended,
            self.malformed,
            self.not_started,
            self.disconnected,
            self.late,
            self.bytes_out,
            self.bytes_in
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_never_exceeds_the_descriptors() {
        for descriptors in [0, 64, 128, 256, 1024, 20_000, 1 << 20] {
            for wanted in [1, 2, 100, 1000, 10_000, 100_000] {
                let b = Budget::new(wanted, descriptors);
                assert!(b.connections_max <= wanted && b.programs_max <= b.connections_max);
                let used = DESCRIPTORS_OWN
                    + b.lingering_max
                    + b.connections_max
                    + b.programs_max * DESCRIPTORS_PROGRAM;
                assert!(
                    used <= descriptors.max(DESCRIPTORS_OWN + 6),
                    "{wanted} {descriptors} {b:?}"
                );
                if descriptors >= Budget::needed(wanted) {
                    assert_eq!((b.connections_max, b.programs_max), (wanted, wanted));
                }
            }
        }
    }
}
