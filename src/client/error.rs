//! Why there is no reply, or not a whole one, in words for the user of a program.
//!
//! Plain values, made by the two halves of a connection and by connecting.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::ARGUMENT_MAX;
use crate::wire::netstring::Malformed;

/// Why there is no reply, or not a whole one.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// There is nothing at the path.
    NoSocket(PathBuf),
    /// No server listens at the path: what is there is not a socket, or is left over from a
    /// server that is gone.
    Refused(PathBuf),
    /// This user may not connect to the socket, or not look into its directory.
    Denied(PathBuf),
    /// Connecting failed in some other way.
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
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
            Self::NoSocket(path) => write!(f, "{}: there is no such socket", path.display()),
            Self::Refused(path) => write!(f, "{}: no server listens there", path.display()),
            Self::Denied(path) => write!(
                f,
                "{}: no permission to connect to this socket",
                path.display()
            ),
            Self::Connect { path, source } => write!(f, "{}: {source}", path.display()),
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
            Self::Connect { source, .. } | Self::Send(source) | Self::Receive(source) => {
                Some(source)
            }
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
