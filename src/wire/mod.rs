//! What goes over the socket, without the socket: no system call, no clock, no log.
//!
//! The framing and the protocols speak of bytes only; the types here are what they
//! say to the rest of the program.

use std::fmt;

use crate::program::{Arguments, OutOfMemory};

pub mod buffer;
pub mod control;
pub mod exec;
pub mod http;
pub mod netstring;
pub mod sockproc;

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Netstrings: an argument list, and output as it comes.
    Exec,
    /// One shell command, and its output when it has ended.
    Sockproc,
    /// JSON messages to the server itself.
    Control,
}

impl Protocol {
    /// Its name, which a socket that is handed over has too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Sockproc => "sockproc",
            Self::Control => "control",
        }
    }

    /// What is spoken on a socket of this name: a name that is not known means exec.
    pub fn of_socket(name: Option<&str>) -> Self {
        match name {
            Some("sockproc") => Self::Sockproc,
            Some("control") => Self::Control,
            _ => Self::Exec,
        }
    }
}

/// What a piece of what a client sent is.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Nothing can be said before more bytes come.
    More,
    /// The request for a program is complete.
    Request(Arguments),
    /// The next so many bytes are standard input. They stay where they are: the caller
    /// takes as many as it likes and says so with [`Codec::advance`].
    Stdin(usize),
    /// Standard input is at its end. Whatever follows is consumed unseen.
    End,
    /// A message to the server itself is complete.
    Message(Vec<u8>),
}

/// Reads what a client sends, whatever it speaks.
#[derive(Debug)]
pub enum Codec {
    /// See [`exec`].
    Exec(exec::Decoder),
    /// See [`sockproc`].
    Sockproc(sockproc::Decoder),
    /// See [`control`].
    Control(control::Decoder),
}

impl Codec {
    /// Looks at `input`, the bytes not yet consumed. Returns how many were consumed, and
    /// what was found.
    ///
    /// # Errors
    ///
    /// When this is not what the protocol asks for, within its limits. The codec is of no
    /// use afterwards.
    #[inline]
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Decoded), WireError> {
        match self {
            Self::Exec(decoder) => decoder.poll(input),
            Self::Sockproc(decoder) => decoder.poll(input),
            Self::Control(decoder) => {
                let (used, found) = decoder.poll(input)?;
                Ok((
                    used,
                    match found {
                        control::Found::More => Decoded::More,
                        control::Found::Message(message) => Decoded::Message(message),
                    },
                ))
            }
        }
    }

    /// How many bytes of memory the request takes that is not complete.
    pub fn request_bytes(&self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.request_bytes(),
            Self::Sockproc(decoder) => decoder.request_bytes(),
            Self::Control(_) => 0,
        }
    }

    /// How many steps decoding has taken since the last call, as a measure of its work.
    pub fn take_steps(&mut self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.take_steps(),
            Self::Sockproc(decoder) => decoder.take_steps(),
            // A message is one piece, whatever its size.
            Self::Control(_) => 0,
        }
    }

    /// Says that `n` bytes of standard input have been taken.
    ///
    /// # Panics
    ///
    /// When [`Decoded::Stdin`] offered fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        match self {
            Self::Exec(decoder) => decoder.advance(n),
            Self::Sockproc(decoder) => decoder.advance(n),
            Self::Control(_) => assert_eq!(n, 0, "a message is no standard input"),
        }
    }

    /// Gives up what was collected of a request or a message: nobody will ask for it.
    pub fn forget(&mut self) {
        match self {
            Self::Exec(decoder) => decoder.forget(),
            Self::Sockproc(decoder) => decoder.forget(),
            Self::Control(decoder) => decoder.forget(),
        }
    }

    /// The client will send no more.
    ///
    /// # Errors
    ///
    /// When something has begun and is not complete.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self {
            Self::Exec(decoder) => decoder.finish(),
            Self::Sockproc(decoder) => decoder.finish(),
            Self::Control(decoder) => Ok(decoder.finish()?),
        }
    }
}

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
    /// The command is the first line of an HTTP request.
    Http,
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
    /// The client passed descriptors along with its bytes.
    Descriptors,
    /// The bytes are no message to the server.
    Message(control::Malformed),
    /// There is no memory for the request. That is not the peer's fault.
    NoMemory,
}

impl From<control::Malformed> for WireError {
    fn from(malformed: control::Malformed) -> Self {
        match malformed {
            control::Malformed::NoMemory => Self::NoMemory,
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
