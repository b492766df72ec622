//! What goes over the socket, without the socket: no system call, no clock, no log.
//!
//! The framing and the protocols speak of bytes only; the types here are what they
//! say to the rest of the program.

use std::fmt;

pub mod buffer;
pub mod exec;
pub mod netstring;

/// One of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1 of the program.
    Stdout = 0,
    /// Descriptor 2 of the program.
    Stderr = 1,
}

impl Stream {
    /// Both, in the order in which they are served.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// A program's arguments, `argv[0]` first: each ends with a NUL, as execve(2) wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    bytes: Vec<u8>,
    count: usize,
}

impl Arguments {
    /// Adds bytes, none of them NUL, to the argument that is being built.
    fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the argument that is being built.
    fn end(&mut self) {
        self.bytes.push(0);
        self.count += 1;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take, the NULs included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The arguments without their NULs.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split_inclusive(|&b| b == 0)
            .map(|argument| &argument[..argument.len() - 1])
    }

    /// The name of the program, `argv[0]`.
    pub fn program(&self) -> &[u8] {
        self.iter().next().unwrap_or_default()
    }

    /// The arguments with their NULs, one after the other.
    pub fn as_bytes_with_nul(&self) -> &[u8] {
        &self.bytes
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Arguments {
    /// # Panics
    ///
    /// When an argument holds a NUL.
    fn from_iter<I: IntoIterator<Item = S>>(arguments: I) -> Self {
        let mut all = Self::default();
        for argument in arguments {
            assert!(!argument.as_ref().contains(&0), "a NUL in an argument");
            all.extend(argument.as_ref());
            all.end();
        }
        all
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
    /// The request is larger than this many bytes before its last argument is complete.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// An argument holds a NUL, which no argument of a program can.
    Nul {
        /// Which one, counted from 0.
        argument: usize,
    },
    /// The client ended its input before the last argument.
    EndBeforeRequest,
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
                "the request is larger than {limit} bytes before its last argument"
            ),
            Self::Nul { argument } => write!(f, "there is a NUL byte in argument {argument}"),
            Self::EndBeforeRequest => f.write_str("the input ends before the last argument"),
        }
    }
}

impl std::error::Error for WireError {}
