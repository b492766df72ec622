//! Statistics of the server: counts since its start, and durations of recent jobs.
//!
//! Owns numbers only; makes no system call and reads no clock.

mod durations;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

pub use self::durations::{BUCKETS, Durations, Lately};
use crate::control::payload::Outcomes;
use crate::program::{Cost, Exit, SpawnError};
use crate::session::verdict::Fault;
use crate::session::{Summary, Traffic};

/// The statistics since the start.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// When the server started.
    pub started: Instant,
    /// Accepted connections, without control connections.
    pub accepted: u64,
    /// Bytes of output that programs have written, those that run too.
    pub bytes_out: u64,
    /// Bytes of standard input written to programs, those that run too.
    pub bytes_in: u64,
    /// Commands on control connections.
    pub commands: u64,
    /// Requests by outcome.
    pub outcomes: Outcomes,
    /// The same of requests that a rule decided about, by its name or number.
    pub rules: BTreeMap<Rc<str>, Outcomes>,
    /// Why programs were not started, by the name of the error.
    pub spawn_failures: BTreeMap<&'static str, u64>,
    /// What all programs cost together; of memory the largest.
    pub cost: Cost,
    /// Programs that a limit has ended, by its name in the configuration.
    pub limits: BTreeMap<&'static str, u64>,
    /// From acceptance to the end of the program.
    pub duration: Durations,
    /// From acceptance to the first byte of output.
    pub first_byte: Durations,
    /// Turns of the loop: all other clients wait for the work of one turn.
    pub turn: Durations,
}

impl Statistics {
    /// Nothing done yet, at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            accepted: 0,
            bytes_out: 0,
            bytes_in: 0,
            commands: 0,
            outcomes: Outcomes::default(),
            rules: BTreeMap::new(),
            spawn_failures: BTreeMap::new(),
            cost: Cost::default(),
            limits: BTreeMap::new(),
            duration: Durations::new(now),
            first_byte: Durations::new(now),
            turn: Durations::new(now),
        }
    }

    /// All requests that ended.
    pub fn ended(&self) -> u64 {
        self.outcomes.total()
    }

    /// Counts the bytes of a program that have moved since it had `counted`, as they flow: a total
    /// that waits for the program's end would show nothing of one that writes for an hour.
    pub fn flow(&mut self, counted: &mut Traffic, now: Traffic) {
        self.bytes_in += now.input - counted.input;
        self.bytes_out += now.output - counted.output;
        *counted = now;
    }

    /// Counts a connection that is over, and the rule that decided about its request.
    pub fn count(&mut self, summary: &Summary, rule: Option<&Rc<str>>, now: Instant) {
        match &summary.fault {
            // Commands have a count of their own.
            Some(Fault::Spawn(SpawnError::Refused(_))) => {}
            // The client did not wait for it any more.
            Some(Fault::Spawn(SpawnError::Cancelled)) if summary.disconnected => {}
            Some(Fault::Spawn(error)) => {
                *self.spawn_failures.entry(error.name()).or_default() += 1;
            }
            Some(_) | None => {}
        }
        if summary.exit.is_some() {
            self.duration.count(summary.duration, now);
        }
        if let Some(first) = summary.first_byte {
            self.first_byte.count(first, now);
        }
        if let Some(outcome) = outcome(&mut self.outcomes, summary) {
            *outcome += 1;
        }
        let outcomes = rule.and_then(|rule| self.of_rule(rule));
        if let Some(outcome) = outcomes.and_then(|outcomes| outcome(outcomes, summary)) {
            *outcome += 1;
        }
    }

    /// Counts a refusal for a rule that allows the request with other arguments only. No rule has
    /// decided about it.
    pub fn refuse(&mut self, rule: &Rc<str>) {
        if let Some(outcomes) = self.of_rule(rule) {
            outcomes.refused += 1;
        }
    }

    /// The counts of a rule, which has a place among them from now on.
    fn of_rule(&mut self, rule: &Rc<str>) -> Option<&mut Outcomes> {
        if !self.rules.contains_key(rule) {
            self.rules.insert(Rc::clone(rule), Outcomes::default());
        }
        self.rules.get_mut(rule)
    }

    /// Adds what a program cost, and the limit that has ended it.
    pub fn charge(&mut self, cost: Option<Cost>, limit: Option<&'static str>) {
        if let Some(cost) = cost {
            self.cost.user += cost.user;
            self.cost.system += cost.system;
            self.cost.memory = self.cost.memory.max(cost.memory);
        }
        if let Some(limit) = limit {
            *self.limits.entry(limit).or_default() += 1;
        }
    }

    /// Forgets all rules but these.
    pub fn keep_rules(&mut self, is_kept: impl Fn(&str) -> bool) {
        self.rules.retain(|rule, _| is_kept(rule));
    }
}

/// The name of the outcome of a request, if there was one.
pub fn outcome_name(summary: &Summary) -> Option<&'static str> {
    let mut outcomes = Outcomes::default();
    *outcome(&mut outcomes, summary)? += 1;
    let each = outcomes.each().into_iter();
    each.filter(|&(_, count)| count > 0)
        .map(|(name, _)| name)
        .next()
}

/// The outcome of a request, if there was one.
fn outcome<'a>(o: &'a mut Outcomes, summary: &Summary) -> Option<&'a mut u64> {
    Some(match (&summary.fault, summary.exit) {
        _ if summary.silent => return None,
        (Some(Fault::Spawn(SpawnError::Refused(_))), _) => &mut o.refused,
        (
            Some(
                Fault::Wire(_)
                | Fault::RequestLate(_)
                | Fault::RequestTimeout(_)
                | Fault::MessageLate(_)
                | Fault::Stranger,
            ),
            _,
        ) => &mut o.malformed,
        _ if summary.late => &mut o.timeout,
        _ if summary.disconnected => &mut o.disconnected,
        (Some(Fault::Spawn(_) | Fault::Stopping | Fault::Crowded(_)), _) => &mut o.not_started,
        (Some(Fault::NoMemory | Fault::System(..)), None) => &mut o.not_started,
        (_, Some(Exit::Code(0))) if summary.fault.is_none() => &mut o.exit_zero,
        (_, Some(Exit::Code(_))) => &mut o.exit_nonzero,
        // Without an exit status, SIGKILL was the last known cause.
        (_, Some(Exit::Signal { .. }) | None) => &mut o.signal,
    })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::errno::Errno;

    use super::*;
    use crate::program::{Refusal, Stream};
    use crate::wire::WireError;

    const KILLED: Exit = Exit::Signal {
        number: 9,
        dumped: false,
    };
    const LARGE: Fault = Fault::OutputMax {
        stream: Stream::Stdout,
        limit: 1,
    };

    fn counted(summary: &Summary) -> Statistics {
        let now = Instant::now();
        let mut statistics = Statistics::new(now);
        statistics.count(summary, None, now);
        statistics
    }

    /// A request that ended like this.
    fn ended(fault: Option<Fault>, exit: Option<Exit>) -> Summary {
        Summary {
            fault,
            exit,
            ..Summary::default()
        }
    }

    #[test]
    fn every_end_is_counted_once_and_where_it_belongs() {
        let spawn = |error| Some(Fault::Spawn(error));
        let refused = spawn(SpawnError::Refused(Refusal::NoRule));
        let (code, zero) = (Some(Exit::Code(1)), Some(Exit::Code(0)));
        for (fault, exit, name) in [
            (None, zero, "exit-zero"),
            (None, code, "exit-nonzero"),
            (None, Some(KILLED), "signal"),
            (Some(LARGE), zero, "exit-nonzero"),
            (Some(LARGE), Some(KILLED), "signal"),
            (Some(Fault::Spool(Errno::ENOSPC)), code, "exit-nonzero"),
            (Some(Fault::Wire(WireError::ArgcZero)), None, "malformed"),
            (Some(Fault::Wire(WireError::ArgcZero)), zero, "malformed"),
            (Some(Fault::RequestLate(Duration::ZERO)), None, "malformed"),
            (
                Some(Fault::RequestTimeout(Duration::ZERO)),
                None,
                "malformed",
            ),
            (Some(Fault::Crowded(1)), None, "not-started"),
            (Some(Fault::MessageLate(Duration::ZERO)), None, "malformed"),
            (refused, None, "refused"),
            (spawn(SpawnError::Exec(Errno::ENOENT)), None, "not-started"),
            (spawn(SpawnError::Cancelled), None, "not-started"),
            (Some(Fault::Stopping), None, "not-started"),
            (Some(Fault::Stuck(Duration::ZERO)), None, "signal"),
        ] {
            let summary = ended(fault, exit);
            assert_eq!(outcomes(&summary), [(name, 1)], "{summary:?}");
            // Disconnects and durations are counted only for existing requests.
            let late = Summary {
                late: true,
                disconnected: true,
                ..summary.clone()
            };
            let at_deadline = match name {
                "malformed" | "refused" => name,
                _ => "timeout",
            };
            assert_eq!(outcomes(&late), [(at_deadline, 1)], "{late:?}");
            let disconnected = Summary {
                late: false,
                ..late
            };
            let by_client = match name {
                "malformed" | "refused" => name,
                _ => "disconnected",
            };
            assert_eq!(outcomes(&disconnected), [(by_client, 1)]);
            let silent = Summary {
                silent: true,
                ..summary
            };
            assert_eq!(outcomes(&silent), []);
        }
    }

    #[test]
    fn a_program_too_large_that_never_ended_is_counted_too() {
        for fault in [LARGE, Fault::Spool(Errno::ENOSPC)] {
            assert_eq!(outcomes(&ended(Some(fault), None)), [("signal", 1)]);
        }
    }

    fn outcomes(summary: &Summary) -> Vec<(&'static str, u64)> {
        let mut all = counted(summary).outcomes.each().to_vec();
        all.retain(|(_, count)| *count > 0);
        all
    }

    #[test]
    fn failures_to_start_have_names_and_refusals_are_none() {
        for (error, names) in [
            (SpawnError::Exec(Errno::ENOENT), &["ENOENT"][..]),
            (SpawnError::Interpreter(Errno::EACCES), &["EACCES"]),
            (SpawnError::Start(Errno::EAGAIN), &["EAGAIN"]),
            (SpawnError::Start(Errno::ENOSYS), &["other"]),
            (SpawnError::Cancelled, &["not-in-time"]),
            (SpawnError::Refused(Refusal::Unclear), &[]),
        ] {
            let statistics = counted(&ended(Some(Fault::Spawn(error)), None));
            let found: Vec<_> = statistics.spawn_failures.into_iter().collect();
            let wanted: Vec<_> = names.iter().map(|&name| (name, 1)).collect();
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn outcomes_are_counted_for_each_rule_too() {
        let now = Instant::now();
        let mut statistics = Statistics::new(now);
        let rules: [Rc<str>; 2] = ["web".into(), "2".into()];
        let ok = ended(None, Some(Exit::Code(0)));
        for rule in [Some(&rules[0]), Some(&rules[1]), Some(&rules[0]), None] {
            statistics.count(&ok, rule, now);
        }
        let counted = |statistics: &Statistics| -> Vec<(String, u64)> {
            let rules = statistics.rules.iter();
            rules
                .map(|(rule, outcomes)| (rule.to_string(), outcomes.exit_zero))
                .collect()
        };
        assert_eq!(counted(&statistics), [("2".into(), 1), ("web".into(), 2)]);
        assert_eq!(statistics.outcomes.exit_zero, 4);
        statistics.keep_rules(|rule| rule == "web");
        assert_eq!(counted(&statistics), [("web".into(), 2)]);
    }

    #[test]
    fn bytes_count_as_they_flow_and_once() {
        let mut statistics = Statistics::new(Instant::now());
        let mut programs = [Traffic::default(); 2];
        for (program, input, output, totals) in [
            (0, 0, 3, (0, 3)),
            (1, 5, 0, (5, 3)),
            (0, 0, 3, (5, 3)),
            (0, 2, 10, (7, 10)),
            (1, 6, 1, (8, 11)),
        ] {
            let now = Traffic { input, output };
            statistics.flow(&mut programs[program], now);
            assert_eq!((statistics.bytes_in, statistics.bytes_out), totals);
        }
    }

    #[test]
    fn times() {
        let summary = Summary {
            duration: Duration::from_secs(2),
            first_byte: Some(Duration::from_secs(1)),
            ..ended(None, Some(Exit::Code(0)))
        };
        let statistics = counted(&summary);
        assert_eq!(statistics.duration.sum, Duration::from_secs(2));
        assert_eq!(statistics.first_byte.sum, Duration::from_secs(1));
        // Without a program that ended there is no duration.
        let statistics = counted(&ended(Some(Fault::Stopping), None));
        assert_eq!(
            (statistics.duration.count, statistics.first_byte.count),
            (0, 0)
        );
    }
}
