//! Errors of a missing or incomplete reply, with texts for users.
//!
//! Plain values, made by connecting and by the two halves of a connection.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{ARGUMENT_MAX, ConnectError};
use crate::program::without_number;
use crate::wire::foreign::WrongSocket;
use crate::wire::netstring::Malformed;

/// Why there is no reply, or no complete one.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no connection.
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// The reason.
        reason: ConnectError,
    },
    /// An argument is longer than [`ARGUMENT_MAX`]. Nothing has been sent.
    ArgumentTooLong {
        /// The size of the argument.
        length: usize,
    },
    /// Sending failed, for another reason than that the server has closed its side; for instance
    /// by a time-out that was set on the stream.
    Send(io::Error),
    /// Receiving failed, for another reason than that the server has closed its side; for
    /// instance by a time-out that was set on the stream.
    Receive(io::Error),
    /// The reply ended before its last pair, or inside a netstring.
    CutShort,
    /// The reply is one of another protocol: this is another socket.
    OtherProtocol(WrongSocket),
    /// The reply is not made of netstrings.
    Malformed(Malformed),
    /// The reply has a type that the protocol does not know; only the beginning of a long one.
    UnknownType(Vec<u8>),
    /// The exit code is not a number from 0 to 255; only the beginning of a long one.
    BadExitCode(Vec<u8>),
    /// The signal is neither a number from 1 to 127 nor a name; only the beginning of a long one.
    BadSignal(Vec<u8>),
    /// The reply has two exit statuses.
    EndedTwice,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::ArgumentTooLong { length } => write!(
                f,
                "an argument of {length} bytes, the protocol carries at most {ARGUMENT_MAX}"
            ),
            Self::Send(source) => write!(f, "cannot send to the server: {}", plain(source)),
            Self::Receive(source) => write!(f, "cannot receive from the server: {}", plain(source)),
            Self::CutShort => {
                f.write_str("the server's reply was cut short, without an exit status")
            }
            Self::OtherProtocol(socket) => socket.fmt(f),
            Self::Malformed(source) => write!(f, "the server's reply is malformed: {source}"),
            Self::UnknownType(word) => write!(
                f,
                "the server's reply has the unknown type '{}'",
                word.escape_ascii()
            ),
            Self::BadExitCode(word) => write!(
                f,
                "the server's reply has '{}' for an exit code",
                word.escape_ascii()
            ),
            Self::BadSignal(word) => write!(
                f,
                "the server's reply has '{}' for a signal",
                word.escape_ascii()
            ),
            Self::EndedTwice => f.write_str("the server's reply has two exit statuses"),
        }
    }
}

/// The text of an error of the system, without its number.
fn plain(error: &io::Error) -> String {
    without_number(&error.to_string())
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { reason, .. } => Some(reason),
            Self::Send(source) | Self::Receive(source) => Some(source),
            Self::Malformed(source) => Some(source),
            _ => None,
        }
    }
}

impl From<Malformed> for ClientError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
