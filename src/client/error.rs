//! Why there is no reply, or not a whole one, in words for the user of a program.
//!
//! Plain values, made by the two halves of a connection and by connecting.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{ARGUMENT_MAX, ConnectError};
use crate::wire::netstring::Malformed;

/// Why there is no reply, or not a whole one.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no connection.
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// Why not.
        reason: ConnectError,
    },
    /// An argument is longer than [`ARGUMENT_MAX`]. Nothing has been sent.
    ArgumentTooLong {
        /// The bytes of the argument.
        length: usize,
    },
    /// Sending failed, for another reason than a server that has closed its side; among them
    /// a time-out that was set on the stream.
    Send(io::Error),
    /// Receiving failed, for another reason than a server that has closed its side; among
    /// them a time-out that was set on the stream.
    Receive(io::Error),
    /// The reply ended before it said how the program ended, or inside a netstring.
    CutShort,
    /// The reply is not made of netstrings.
    Malformed(Malformed),
    /// The reply has a type that the protocol does not know. Of a long one the beginning.
    UnknownType(Vec<u8>),
    /// What should be an exit code from 0 to 255 is something else. Of a long one the beginning.
    BadExitCode(Vec<u8>),
    /// What should be a signal's number from 1 to 127, or its name, is something else. Of a
    /// long one the beginning.
    BadSignal(Vec<u8>),
    /// The reply says twice how the program ended.
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
            Self::Send(source) => write!(f, "cannot send to the server: {source}"),
            Self::Receive(source) => write!(f, "cannot receive from the server: {source}"),
            Self::CutShort => {
                f.write_str("the server's reply was cut short, how the program ended is unknown")
            }
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
            Self::EndedTwice => f.write_str("the server's reply says twice how the program ended"),
        }
    }
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
