//! Records for the history of jobs: of one that has ended, and of one that is at its start, as JSON.
//!
//! `Event` and `Ended` in `control/history.rs` read them.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::JobRecord;
use crate::program::Exit;
use crate::session::escaped;
use crate::signal;

/// The outcome of a job that has not failed.
pub const SUCCESS: &str = "exit-zero";

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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::control::history;
    use crate::id::ConnectionId;
    use crate::os::peer::Peer;
    use crate::program::Arguments;
    use crate::record::JobState;
    use crate::session::{Excerpt, Summary};
    use crate::wire::Protocol;

    fn ended(program: &str, exit: Option<Exit>, outcome: &'static str) -> Ended {
        let arguments = Arguments::try_collect([program.as_bytes(), b"-x"]).unwrap();
        let summary = Summary {
            excerpt: Excerpt::of(&arguments, true),
            state: JobState::Replying,
            exit,
            ..Summary::default()
        };
        let peer = Peer::Local {
            uid: Some(33),
            gid: Some(34),
            pid: 6341,
        };
        let id = ConnectionId::numbered(7).unwrap();
        let mut record = JobRecord::new(id, (Protocol::Exec, peer), Some(9), false, summary);
        record.names.client = Some("www-data".into());
        Ended {
            time: 1.5,
            record,
            outcome,
            stderr: b"a\\b\xff".to_vec(),
        }
    }

    /// The entry as it is read, and as it was written.
    fn read<T>(entry: Entry<'_>) -> (T, Value)
    where
        T: serde::de::DeserializeOwned + serde::Serialize,
    {
        let written = serde_json::to_value(entry).unwrap();
        let read: T = serde_json::from_value(written.clone()).unwrap();
        (read, written)
    }

    #[test]
    fn entries_are_written_as_they_are_read() {
        let code = ended("ls", Some(Exit::Code(2)), "exit-nonzero");
        let (job, written) = read::<history::Ended>(Entry::Recent(3, &code));
        assert_eq!(serde_json::to_value(&job).unwrap(), written);
        assert_eq!((job.seq, job.exit, job.failed), (3, Some(2), true));
        assert_eq!((&job.job.state[..], job.job.pid), ("ended", Some(9)));
        assert_eq!(job.stderr, "a\\\\b\\xff");
        let number = libc::SIGKILL;
        let dumped = false;
        let killed = ended("ls", Some(Exit::Signal { number, dumped }), "signal");
        let (event, written) = read::<history::Event>(Entry::End(4, &killed));
        assert_eq!((&event.kind[..], event.seq), ("end", 4));
        assert_eq!(written["exit"], Value::Null);
        let job = event.ended().unwrap();
        assert_eq!((job.signal.as_deref(), job.failed), (Some("SIGKILL"), true));
        let (event, written) = read::<history::Event>(Entry::Start(5, 2.5, &killed.record));
        assert_eq!(serde_json::to_value(&event).unwrap(), written);
        assert_eq!((&event.kind[..], event.ended()), ("start", None));
        assert_eq!(written["time"], json!(2.5));
    }

    #[test]
    fn users_and_programs_are_found_by_each_of_their_names() {
        let job = ended("/bin/ls", None, "exit-zero");
        assert!(!job.failed());
        for user in ["33", "www-data"] {
            assert!(job.record.is_of_user(user), "{user}");
        }
        for user in ["", "3", "www", "034"] {
            assert!(!job.record.is_of_user(user), "{user}");
        }
        for program in ["/bin/ls", "ls"] {
            assert!(job.record.is_of_program(program), "{program}");
        }
        for program in ["", "s", "bin/ls", "/bin/", "-x"] {
            assert!(!job.record.is_of_program(program), "{program}");
        }
    }
}
