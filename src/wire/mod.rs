//! What goes over the socket, without the socket: no system call, no clock, no log.
//!
//! The framing and the protocols speak of bytes only; the types here are what they
//! say to the rest of the program.

use std::fmt;

pub mod buffer;
pub mod control;
pub mod exec;
pub mod netstring;
pub mod sockproc;

/// The peer's fault: what it sent is no request. It ends the session with exit code 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes are no netstring.
    Netstring(netstring::Malformed),
    /// The first netstring is not a decimal number.
    ArgcNotANumber,
    /// The first netstring is the number 0.
    ArgcZero,
    /// The request is larger than this many bytes before its standard input begins.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An argument holds a NUL, which no argument of a program can.
    Nul {
        /// Which one, counted from 0.
        argument: usize,
    },
    /// The client ended its input before the request was complete.
    EndBeforeRequest,
    /// The line before standard input is not a decimal number that ends with CRLF.
    CountNotANumber,
    /// The number of bytes of standard input has too many digits.
    CountTooLong {
        /// How many it may have.
        limit: u8,
    },
    /// The client ended its input before it had sent all of the standard input it announced.
    StdinTruncated {
        /// How many bytes are missing.
        missing: u64,
    },
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
        }
    }
}

impl std::error::Error for WireError {}
