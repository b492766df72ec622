//! Faults, which replace the program's own status at the end of a reply, and their status.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::program::{Exit, SpawnError, Stream, reason};
use crate::session::event::Trouble;
use crate::wire::WireError;

/// The reason why a reply does not end with the program's own status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's bytes are no request.
    Wire(WireError),
    /// The request was not complete at the deadline, after this time.
    RequestLate(Duration),
    /// The request was not complete within the time for requests.
    RequestTimeout(Duration),
    /// All places for connections over quota are taken, for this user or in total.
    Crowded(u64),
    /// The program could not be started.
    Spawn(SpawnError),
    /// The server stops, and the program was not started.
    Stopping,
    /// The program has not ended this long after SIGKILL.
    Stuck(Duration),
    /// The program has ended, and its tracer withholds the exit status.
    Held,
    /// An output that is kept until the end has become too large.
    OutputMax {
        /// Which one.
        stream: Stream,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The client may not control the server.
    Stranger,
    /// A message was not complete this long after the last one.
    MessageLate(Duration),
    /// The temporary files of all programs, or of those of one user, would be larger than
    /// this many bytes.
    SpoolTotal(u64),
    /// Output could not be put into a temporary file.
    Spool(Errno),
    /// There is no memory for the request, or for the output that is kept.
    NoMemory,
    /// A necessary system call has failed.
    System(Trouble, Errno),
}

/// The assumed exit of a program whose end is unknown.
pub(super) const KILLED: Exit = Exit::Signal {
    number: Signal::SIGKILL as i32,
    dumped: false,
};

impl Fault {
    /// The status of the reply; `None`: the program's own.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Wire(_)
            | Self::RequestLate(_)
            | Self::RequestTimeout(_)
            | Self::MessageLate(_)
            | Self::Stranger => Some(Exit::Code(100)),
            Self::Spawn(error) => Some(Exit::Code(error.exit_code())),
            Self::Stopping
            | Self::Crowded(_)
            | Self::Held
            | Self::SpoolTotal(_)
            | Self::Spool(_)
            | Self::NoMemory
            | Self::System(..) => Some(Exit::Code(111)),
            Self::Stuck(_) => Some(KILLED),
            Self::OutputMax { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::RequestLate(limit) => write!(
                f,
                "the request was not complete within the timeout of {} s",
                limit.as_secs_f64()
            ),
            Self::RequestTimeout(limit) => write!(
                f,
                "the request was not complete within the request-timeout of {} s",
                limit.as_secs_f64()
            ),
            Self::Crowded(limit) => write!(
                f,
                "this user has its share of the connections, and the limit of {limit} more that \
                 may wait is reached"
            ),
            Self::Spawn(error) => error.fmt(f),
            Self::Stopping => f.write_str("the server is stopping"),
            Self::Stuck(waited) => write!(
                f,
                "the program has not ended {} s after SIGKILL, no longer waiting for it",
                waited.as_secs_f64()
            ),
            Self::Held => {
                f.write_str("the program has ended, and its tracer withholds the exit status")
            }
            Self::OutputMax { stream, limit } => write!(
                f,
                "the program was ended: its {stream} is larger than the limit of {limit} bytes"
            ),
            Self::SpoolTotal(limit) => write!(
                f,
                "the program was ended: the output that is kept in temporary files for all \
                 programs has reached the limit of {limit} bytes"
            ),
            Self::Stranger => f.write_str("only root and the server's own user may control it"),
            Self::MessageLate(limit) => write!(
                f,
                "the message was not complete within {} s",
                limit.as_secs_f64()
            ),
            Self::NoMemory => f.write_str("the server has no memory for it"),
            Self::System(trouble, errno) => write!(f, "{trouble}: {}", reason(*errno)),
            Self::Spool(errno) => write!(
                f,
                "the program was ended: its output cannot be kept in a temporary file: {}",
                errno.desc()
            ),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receive => f.write_str("nothing can be received from the client"),
            Self::Send => f.write_str("nothing could be sent to the client"),
            Self::Stdin => f.write_str("its standard input cannot be written to"),
            Self::Output(stream) => write!(f, "its {stream} cannot be read"),
            Self::Spooled => f.write_str("its temporary file cannot be sent"),
            Self::Exit => f.write_str("it has ended, with an unknown exit status"),
            Self::Peer => f.write_str("the server cannot identify the client"),
            Self::Wait => f.write_str("the server cannot wait for it"),
        }
    }
}
