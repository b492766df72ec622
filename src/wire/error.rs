//! Faults in a client's input, in any of the protocols, with their texts.

use std::fmt;

use super::{Protocol, control, foreign, netstring};
use crate::program::OutOfMemory;

/// A fault of the peer: its input is no request. It ends the session with exit code 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes are no netstring.
    Netstring(netstring::Malformed),
    /// The first byte is no netstring's, but that of a request in another protocol.
    Foreign {
        /// The fault.
        malformed: netstring::Malformed,
        /// The other protocol.
        spoken: Protocol,
    },
    /// The client ended its input inside the command, which begins as a netstring does.
    EndInNetstring,
    /// The first netstring is not a decimal number.
    ArgcNotANumber,
    /// The first netstring is the number 0.
    ArgcZero,
    /// The request is larger than this many bytes before its standard input begins.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An argument has a NUL byte, which no argument of a program can have.
    Nul {
        /// The argument's number, counted from 0.
        argument: usize,
    },
    /// The client ended its input before the request was complete.
    EndBeforeRequest,
    /// The command is the first line of an HTTP request.
    Http,
    /// The line before standard input is not a decimal number that ends with CRLF.
    CountNotANumber,
    /// The number of bytes of standard input has too many digits.
    CountTooLong {
        /// The limit.
        limit: u8,
    },
    /// The client ended its input before it had sent all of the standard input it announced.
    StdinTruncated {
        /// The number of missing bytes.
        missing: u64,
    },
    /// The client passed descriptors along with its bytes.
    Descriptors,
    /// The bytes are no message to the server.
    Message(control::BadMessage),
    /// There is no memory for the request. That is not the peer's fault.
    NoMemory,
}

impl From<control::BadMessage> for WireError {
    fn from(malformed: control::BadMessage) -> Self {
        match malformed {
            control::BadMessage::NoMemory => Self::NoMemory,
            malformed => Self::Message(malformed),
        }
    }
}

impl From<OutOfMemory> for WireError {
    fn from(_: OutOfMemory) -> Self {
        Self::NoMemory
    }
}

impl From<netstring::Malformed> for WireError {
    fn from(malformed: netstring::Malformed) -> Self {
        Self::Netstring(malformed)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netstring(malformed) => malformed.fmt(f),
            Self::Foreign { malformed, spoken } => {
                let cause = foreign::explain(Protocol::Exec, *spoken);
                write!(f, "{malformed}; {cause}")
            }
            Self::EndInNetstring => {
                let cause = foreign::explain(Protocol::Sockproc, Protocol::Exec);
                write!(f, "{}; {cause}", Self::EndBeforeRequest)
            }
            Self::ArgcNotANumber => f.write_str(
                "the first netstring is not the number of arguments, decimal without leading zeros",
            ),
            Self::ArgcZero => f.write_str("the number of arguments is 0, it must be at least 1"),
            Self::TooLarge { limit } => write!(
                f,
                "the request is larger than {limit} bytes before its standard input"
            ),
            Self::Nul { argument } => write!(f, "there is a NUL byte in argument {argument}"),
            Self::EndBeforeRequest => f.write_str("the input ends before the request is complete"),
            Self::Http => f.write_str(
                "the first line is that of an HTTP request, which is spoken nowhere here",
            ),
            Self::CountNotANumber => f.write_str(
                "the second line is not the number of bytes of standard input, \
                 in decimal and ended by CRLF",
            ),
            Self::CountTooLong { limit } => write!(
                f,
                "the number of bytes of standard input has more than {limit} digits"
            ),
            Self::StdinTruncated { missing } => write!(
                f,
                "the input ends {missing} bytes before the end of standard input"
            ),
            Self::Descriptors => {
                f.write_str("descriptors were passed with the request, and none is accepted")
            }
            Self::Message(malformed) => malformed.fmt(f),
            Self::NoMemory => f.write_str("there is no memory for the request"),
        }
    }
}

impl std::error::Error for WireError {}
