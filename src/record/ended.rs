//! Records for the history of jobs: of one that has ended, and of one that is at its start, as JSON.
//!
//! `Event` and `Ended` in `control/history.rs` read them.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::JobRecord;
use crate::program::Exit;
use crate::session::escaped;
use crate::signal;

/// The outcome of a job that has not failed.
const SUCCESS: &str = "exit-zero";

/// The number of fields besides those of a job.
const FIELDS: usize = 9;

/// A job that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When, in seconds since 1970.
    pub time: f64,
    /// Its record at that moment.
    pub record: JobRecord,
    /// Its outcome, by its name in `status`.
    pub outcome: &'static str,
    /// The last bytes of standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// Whether it failed in any way.
    pub fn failed(&self) -> bool {
        self.outcome != SUCCESS
    }
}

/// An entry of the history, and its number.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// An ended job, in the answer to `recent`.
    Recent(u64, &'a Ended),
    /// A job whose process was made, and when, in the answer to `events`.
    Start(u64, f64, &'a JobRecord),
    /// An ended job there.
    End(u64, &'a Ended),
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seq, time, record, kind) = match *self {
            Self::Recent(seq, ended) => (seq, ended.time, &ended.record, None),
            Self::Start(seq, time, record) => (seq, time, record, Some("start")),
            Self::End(seq, ended) => (seq, ended.time, &ended.record, Some("end")),
        };
        let mut entry = serializer.serialize_struct("Entry", super::FIELDS + FIELDS)?;
        entry.serialize_field("seq", &seq)?;
        entry.serialize_field("time", &time)?;
        if let Some(kind) = kind {
            entry.serialize_field("kind", kind)?;
        }
        match *self {
            Self::Start(..) => {
                let state = record.summary.state.name();
                record.put_fields(&mut entry, record.process(), state)?;
            }
            Self::Recent(_, ended) | Self::End(_, ended) => {
                record.put_fields(&mut entry, record.program, "ended")?;
                put_end(&mut entry, ended)?;
            }
        }
        entry.end()
    }
}

fn put_end<S: serde::ser::SerializeStruct>(entry: &mut S, ended: &Ended) -> Result<(), S::Error> {
    let summary = &ended.record.summary;
    let (exit, signal) = match summary.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal { number, .. }) => (None, Some(signal::name_or_number(number))),
        None => (None, None),
    };
    let fault = summary.fault.as_ref().map(ToString::to_string);
    entry.serialize_field("outcome", ended.outcome)?;
    entry.serialize_field("failed", &ended.failed())?;
    entry.serialize_field("exit", &exit)?;
    entry.serialize_field("signal", &signal)?;
    entry.serialize_field("fault", &fault)?;
    entry.serialize_field("stderr", &escaped(&ended.stderr))
}
