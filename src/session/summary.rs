//! What a session reports of itself, for the log and for operators.

use std::time::{Duration, Instant};

use super::{Client, Excerpt, Program, Reply, Session, Stopping};
use crate::program::Exit;
use crate::session::timers::Timer;
use crate::session::verdict::Fault;
use crate::wire::Protocol;

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobState {
    /// The request is not complete.
    #[default]
    Request,
    /// Its user has its share of the connections. Only the server knows that.
    Parked,
    /// The program is asked for; its turn has not come.
    Waiting,
    /// The program has a process and does not run yet.
    Starting,
    /// The program runs.
    Running,
    /// The program has ended, and something holds its outputs.
    Draining,
    /// The program must end.
    Stopping,
    /// There is no program any more, and the reply is not sent.
    Replying,
    /// The reply is sent, and the client has not closed.
    Lingering,
}

/// What there is to report of a request.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How far it has come.
    pub state: JobState,
    /// The beginning of the arguments; empty when no request was complete.
    pub excerpt: Excerpt,
    /// How the program itself ended.
    pub exit: Option<Exit>,
    /// Why the reply did not end with that.
    pub fault: Option<Fault>,
    /// The client went away before its reply was complete.
    pub disconnected: bool,
    /// The client left without a word, as those do that only look whether a server is there.
    pub silent: bool,
    /// The connection met its deadline.
    pub late: bool,
    /// Bytes of output: of stdout, of stderr.
    pub bytes_out: [u64; 2],
    /// Bytes of standard input that the program has taken.
    pub bytes_in: u64,
    /// From acceptance to now.
    pub duration: Duration,
    /// From acceptance to the first byte of output, if there was one.
    pub first_byte: Option<Duration>,
    /// From now to the deadline, if there is one.
    pub deadline: Option<Duration>,
}

impl Session {
    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the session counts against the limit of connections: it has a client that
    /// waits for a reply, or a process.
    pub fn is_active(&self) -> bool {
        self.lives() || (self.client != Client::Gone && self.reply_state != Reply::Shut)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.client == Client::Gone && !self.lives()
    }

    /// Whether the program was told to end, and its process group is still to be dealt with.
    pub fn is_stopping(&self) -> bool {
        self.stopping > Stopping::No
    }

    fn state(&self) -> JobState {
        match (self.program, self.stopping, self.reply_state) {
            (Program::None, _, Reply::Streaming) => JobState::Request,
            (Program::Waiting, Stopping::No, _) => JobState::Waiting,
            (Program::Launched, Stopping::No, _) => JobState::Starting,
            (Program::Running, Stopping::No, _) => JobState::Running,
            (Program::Exited, Stopping::No, _) => JobState::Draining,
            (_, _, _) if self.lives() => JobState::Stopping,
            (_, _, Reply::Shut) => JobState::Lingering,
            _ => JobState::Replying,
        }
    }

    /// What there is to report.
    pub fn summary(&self, now: Instant) -> Summary {
        Summary {
            state: self.state(),
            excerpt: self.excerpt.clone(),
            exit: self.exit,
            fault: self.fault.clone(),
            disconnected: self.disconnected,
            silent: self.silent
                && !self.late
                // Answered before anybody looked whether it has said something.
                && !matches!(self.fault, Some(Fault::Crowded(_))),
            late: self.late,
            bytes_out: self.outputs.map(|output| output.bytes),
            bytes_in: self.stdin_bytes,
            duration: now.saturating_duration_since(self.accepted),
            first_byte: self
                .first_output
                .map(|at| at.saturating_duration_since(self.accepted)),
            deadline: self
                .timers
                .at(Timer::Deadline)
                .map(|at| at.saturating_duration_since(now)),
        }
    }
}
