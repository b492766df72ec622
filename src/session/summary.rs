//! What a session tells of itself to those who look on.

use std::time::{Duration, Instant};

use super::{Client, Program, Reply, Session, Stopping};
use crate::program::{Arguments, Exit};
use crate::session::timers::Timer;
use crate::session::verdict::Fault;
use crate::wire::Protocol;

/// How much of an argument list goes into the log.
const TITLE_MAX: usize = 256;

/// What there is to tell of a request.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The arguments, escaped and cut; empty when no request was complete.
    pub title: String,
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

    /// A word for the state, for those who look on.
    pub fn state(&self) -> &'static str {
        match (self.program, self.stopping, self.reply_state) {
            (Program::None, _, Reply::Streaming) => "request",
            (Program::Waiting, Stopping::No, _) => "waiting",
            (Program::Launched, Stopping::No, _) => "starting",
            (Program::Running, Stopping::No, _) => "running",
            (Program::Exited, Stopping::No, _) => "draining",
            (_, _, _) if self.lives() => "stopping",
            (_, _, Reply::Shut) => "lingering",
            _ => "replying",
        }
    }

    /// What there is to tell.
    pub fn summary(&self, now: Instant) -> Summary {
        Summary {
            title: self.title.clone(),
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

/// The arguments as one line, escaped and cut.
pub(super) fn title(arguments: &Arguments) -> String {
    let mut title = String::new();
    for argument in arguments.iter() {
        if !title.is_empty() {
            title.push(' ');
        }
        let cut = &argument[..argument.len().min(TITLE_MAX + 1)];
        let plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\".contains(b);
        if !cut.is_empty() && cut.iter().all(plain) {
            title.extend(cut.iter().map(|&b| char::from(b)));
        } else {
            title.push('"');
            title.extend(cut.escape_ascii().map(char::from));
            title.push('"');
        }
        if title.len() > TITLE_MAX {
            title.truncate(TITLE_MAX);
            title.push_str("...");
            break;
        }
    }
    title
}
