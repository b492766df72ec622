//! The record of a job, in one place: its lines in the log, its line on SIGUSR1, and its entry in
//! the answer to `jobs`.
//!
//! ```text
//! job 1: uid=33 gid=33 pid=6341 exit=0 time=0.001490 out=3 err=0 in=11 program=6342 user=www-data \
//!     seq=1 argv=wc -c
//! connection 1: running uid=33 gid=33 pid=6341 program=6342 age=0.001 out=0 err=0 in=0 \
//!     user=www-data argv=wc -c
//! ```
//!
//! One function makes all of them, [`JobRecord::new`]. The fields of a line are
//! documented in sockexec(8), those of `jobs` in sockexec-protocol(7); tests compare. `argv` comes
//! last in a line, because it may hold any printable text.
//!
//! | file | content |
//! |---|---|
//! | `record` | the record, and the entry in `jobs` |
//! | `record/line` | the fields of a line |
//! | `record/ended` | the entries of the history |
//! | `record/matching` | whether it is one that an operator asks for |
//! | `record/numbered` | the numbered records, with the fields for the journal |

mod ended;
mod line;
mod matching;
mod numbered;

use std::rc::Rc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use self::ended::{Ended, Entry, SUCCESS};
pub use self::line::SoFar;
pub use self::numbered::{Moment, Refused};
use crate::control::payload;
use crate::id::ConnectionId;
use crate::os::peer::Peer;
use crate::program::{Cost, Exit};
pub use crate::session::JobState;
use crate::session::{Excerpt, Summary};
use crate::wire::Protocol;

/// One job: its client, its arguments, its state or its result.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// The number of its connection.
    pub id: ConnectionId,
    /// The protocol of its client.
    pub protocol: Protocol,
    /// Its client.
    pub peer: Peer,
    /// The process ID of its program, even after the program's end.
    pub program: Option<i32>,
    /// The name or the number of the rule that decided about it, if one did.
    pub rule: Option<Rc<str>>,
    /// What its program cost, once that has ended.
    pub cost: Option<Cost>,
    /// The limit of its cgroup that it has met.
    pub limit: Option<&'static str>,
    /// The names of users.
    pub names: Names,
    /// The unit of the service manager in which the client runs, if it was looked up.
    pub unit: Option<Rc<str>>,
    /// How many processes it has left that live on.
    pub processes: Option<usize>,
    /// The session's summary; the state is that of the whole server.
    pub summary: Summary,
}

/// The names of the users of a job, where they are known.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The client's user.
    pub client: Option<Rc<str>>,
    /// The user as which the program runs, where it is not the server's.
    pub program: Option<Rc<str>>,
}

impl JobState {
    /// All of them, in the order in which a job goes through them.
    pub const ALL: [Self; 10] = [
        Self::Request,
        Self::Parked,
        Self::Waiting,
        Self::Starting,
        Self::Running,
        Self::Draining,
        Self::Stopping,
        Self::Replying,
        Self::Lingering,
        Self::Detached,
    ];

    /// Its word in the log and in `jobs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Replying => "replying",
            Self::Lingering => "lingering",
            Self::Detached => "detached",
        }
    }
}

impl JobRecord {
    /// The record of a connection at the moment of the summary.
    pub fn new(
        id: ConnectionId,
        (protocol, peer): (Protocol, Peer),
        program: Option<i32>,
        parked: bool,
        mut summary: Summary,
    ) -> Self {
        if parked && matches!(summary.state, JobState::Request | JobState::Waiting) {
            summary.state = JobState::Parked;
        }
        Self {
            id,
            protocol,
            peer,
            program,
            rule: None,
            cost: None,
            limit: None,
            names: Names::default(),
            unit: None,
            processes: None,
            summary,
        }
    }

    /// The same record of a job that this rule decided about.
    #[must_use]
    pub fn with_rule(self, rule: Option<Rc<str>>) -> Self {
        Self { rule, ..self }
    }

    /// The same record of a job that cost this, and whose cgroup has met this limit.
    #[must_use]
    pub fn with_cost(self, cost: Option<Cost>, limit: Option<&'static str>) -> Self {
        Self {
            cost,
            limit,
            ..self
        }
    }

    /// The limit that has ended the program, or that its cgroup has met, by its name in the
    /// configuration.
    pub fn limit(&self) -> Option<&'static str> {
        self.limit.or_else(|| limit_of(self.summary.exit?))
    }

    /// The same record with the names of users.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// The same record of a client that runs in this unit.
    #[must_use]
    pub fn with_unit(self, unit: Option<Rc<str>>) -> Self {
        Self { unit, ..self }
    }

    /// Whether there was a request. Without one there is no job, only a connection.
    pub fn has_request(&self) -> bool {
        !self.summary.excerpt.is_empty()
    }

    /// The line about a job that is not over.
    pub fn so_far(&self) -> SoFar<'_> {
        SoFar::of(self)
    }

    /// The process ID, as long as it is the program's.
    fn process(&self) -> Option<i32> {
        self.program.filter(|_| match self.summary.state {
            JobState::Request
            | JobState::Parked
            | JobState::Waiting
            | JobState::Starting
            | JobState::Running
            | JobState::Draining
            | JobState::Stopping => true,
            JobState::Replying | JobState::Lingering | JobState::Detached => false,
        })
    }
}

/// All limits that may have ended a program.
pub const LIMITS: [&str; 4] = ["cpu", "file-size", "memory-max", "tasks-max"];

/// The limit of setrlimit(2) that has ended a program, if the signal shows that.
fn limit_of(exit: Exit) -> Option<&'static str> {
    match exit {
        Exit::Signal { number, .. } if number == libc::SIGXCPU => Some("cpu"),
        Exit::Signal { number, .. } if number == libc::SIGXFSZ => Some("file-size"),
        Exit::Signal { .. } | Exit::Code(_) => None,
    }
}

/// How many fields a job has there.
const FIELDS: usize = 19;

/// The entry in the answer to `jobs`, which [`payload::Job`] reads.
impl Serialize for JobRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut job = serializer.serialize_struct("JobRecord", FIELDS)?;
        self.put_fields(&mut job, self.process(), self.summary.state.name())?;
        job.end()
    }
}

impl JobRecord {
    /// The fields of a job in this state, whose process is this.
    fn put_fields<S: SerializeStruct>(
        &self,
        job: &mut S,
        process: Option<i32>,
        state: &str,
    ) -> Result<(), S::Error> {
        let summary = &self.summary;
        let [out, err] = summary.bytes_out;
        job.serialize_field("id", &self.id.number())?;
        job.serialize_field("protocol", self.protocol.name())?;
        job.serialize_field("peer", &payload::Peer::from(&self.peer))?;
        job.serialize_field("user", &self.names.client.as_deref())?;
        job.serialize_field("as", &self.names.program.as_deref())?;
        job.serialize_field("pid", &process)?;
        job.serialize_field("rule", &self.rule.as_deref())?;
        job.serialize_field("argv", &List(&summary.excerpt))?;
        job.serialize_field("argv-cut", &summary.excerpt.is_cut())?;
        job.serialize_field("title", &format_args!("{}", summary.excerpt))?;
        job.serialize_field("age", &summary.duration.as_secs_f64())?;
        let deadline = summary.deadline.map(|left| left.as_secs_f64());
        job.serialize_field("deadline", &deadline)?;
        job.serialize_field("in", &summary.bytes_in)?;
        job.serialize_field("out", &out)?;
        job.serialize_field("err", &err)?;
        job.serialize_field("cost", &self.cost.map(payload::Cost::from))?;
        job.serialize_field("limit", &self.limit())?;
        job.serialize_field("processes", &self.processes)?;
        job.serialize_field("state", state)
    }
}

struct List<'a>(&'a Excerpt);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.list())
    }
}

impl From<Cost> for payload::Cost {
    fn from(cost: Cost) -> Self {
        Self {
            user: cost.user.as_secs_f64(),
            system: cost.system.as_secs_f64(),
            memory: cost.memory,
        }
    }
}

impl From<&Peer> for payload::Peer {
    fn from(peer: &Peer) -> Self {
        match peer {
            Peer::Local { uid, gid, pid } => Self {
                uid: *uid,
                gid: *gid,
                pid: Some(pid.unsigned_abs()),
                address: None,
            },
            Peer::Tcp { address, uid } => Self {
                address: Some(address.to_string()),
                uid: *uid,
                ..Self::default()
            },
            Peer::Unknown => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests;
