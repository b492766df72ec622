//! The fields of a line, each `NAME=value`. Those that a job may lack have a blank in front.

use std::fmt;

use super::{JobRecord, Names};
use crate::program::Cost;
use crate::session::{Quoted, Summary};

/// The line on SIGUSR1.
#[derive(Clone, Copy, Debug)]
pub struct SoFar<'a>(&'a JobRecord);

impl<'a> SoFar<'a> {
    pub(super) fn of(record: &'a JobRecord) -> Self {
        Self(record)
    }
}

impl fmt::Display for SoFar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.0.summary;
        let [out, err] = summary.bytes_out;
        write!(
            f,
            "connection {}: {} {} program={} age={:.3} out={out} err={err} in={}{}{} {}",
            self.0.id,
            summary.state.name(),
            self.0.peer,
            self.0.process().unwrap_or(0),
            summary.duration.as_secs_f64(),
            summary.bytes_in,
            RuleField(self.0.rule.as_deref()),
            NameFields(&self.0.names),
            ArgumentFields(summary)
        )
    }
}

/// The fields of a job that is over.
pub(super) struct EndFields<'a>(pub(super) &'a JobRecord);

impl fmt::Display for EndFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.0.summary;
        let [out, err] = summary.bytes_out;
        write!(
            f,
            "{} {}{} time={:.6} out={out} err={err} in={}{}",
            self.0.peer,
            End(summary),
            LimitField(self.0.limit()),
            summary.duration.as_secs_f64(),
            summary.bytes_in,
            CostFields(self.0.cost)
        )
    }
}

/// The limit that has ended a program.
struct LimitField(Option<&'static str>);

impl fmt::Display for LimitField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(limit) => write!(f, " limit={limit}"),
        }
    }
}

/// What a program cost.
struct CostFields(Option<Cost>);

impl fmt::Display for CostFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cost) = self.0 else {
            return Ok(());
        };
        let (user, system) = (cost.user.as_secs_f64(), cost.system.as_secs_f64());
        write!(f, " utime={user:.6} stime={system:.6}")?;
        match cost.memory {
            None => Ok(()),
            Some(bytes) => write!(f, " memory={bytes}"),
        }
    }
}

/// The rule of a job.
pub(super) struct RuleField<'a>(pub(super) Option<&'a str>);

impl fmt::Display for RuleField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(rule) => write!(f, " rule={}", Quoted(rule.as_bytes())),
        }
    }
}

/// The names of users. `user` is always a client's.
pub(super) struct NameFields<'a>(pub(super) &'a Names);

impl fmt::Display for NameFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.0.client {
            write!(f, " user={}", Quoted(name.as_bytes()))?;
        }
        if let Some(name) = &self.0.program {
            write!(f, " as={}", Quoted(name.as_bytes()))?;
        }
        Ok(())
    }
}

/// The arguments, with their number where they are not all there.
pub(super) struct ArgumentFields<'a>(pub(super) &'a Summary);

impl fmt::Display for ArgumentFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excerpt = &self.0.excerpt;
        if !excerpt.shows_all() {
            write!(f, "argc={} ", excerpt.count())?;
        }
        write!(f, "argv={excerpt}")
    }
}

/// The result of a job.
struct End<'a>(&'a Summary);

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.exit, &self.0.fault) {
            (Some(exit), Some(fault)) => write!(f, "{exit} fault={:?}", fault.to_string()),
            (Some(exit), None) => exit.fmt(f),
            (None, Some(fault)) => write!(f, "fault={:?}", fault.to_string()),
            (None, None) => f.write_str("not_started"),
        }?;
        match (self.0.late, self.0.disconnected) {
            (true, _) => f.write_str(" timeout"),
            (false, true) => f.write_str(" disconnected"),
            (false, false) => Ok(()),
        }
    }
}
