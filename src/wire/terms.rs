//! The parts of requests and replies, in terms that all protocols share.

use crate::program::{Arguments, Exit, Stream};

/// Room for the longest header of a piece of output: `6:stdout,5:32768:`.
pub const HEADER_MAX: usize = 15;

/// A decoded part of a client's input.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// More bytes are needed.
    More,
    /// The request for a program is complete.
    Request(Arguments),
    /// The next bytes, this number, are standard input. They stay in place: the caller takes
    /// any number of them and calls [`advance`](super::Codec::advance).
    Stdin(usize),
    /// Standard input is at its end. Any bytes after it are discarded.
    End,
    /// A message to the server itself is complete.
    Message(Vec<u8>),
}

/// The handling of a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It is sent at once, with a header before it and a byte after it.
    Sent {
        /// The header.
        header: Header,
        /// The byte after it.
        end: u8,
    },
    /// It is kept until the program has ended.
    Kept,
    /// There is no output.
    None,
}

/// The few bytes in front of a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) bytes: [u8; HEADER_MAX],
    pub(super) length: usize,
}

impl Header {
    /// The bytes to send.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The form of a signal in a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Termsig {
    /// `15`, which the known clients parse.
    #[default]
    Number,
    /// `TERM`, as in the original server.
    Name,
}

/// The content of the end of a reply.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The program's exit, or the status that replaces it.
    pub exit: Exit,
    /// The fault, if the status is not the program's own.
    pub fault: Option<&'a str>,
    /// The program's name, once it is known.
    pub program: Option<&'a [u8]>,
    /// The size of each kept output.
    pub kept: [u64; 2],
    /// The form of a signal.
    pub termsig: Termsig,
}

impl Ending<'_> {
    /// The text about the fault for stderr: a line, or nothing.
    pub(super) fn reason(&self) -> Vec<u8> {
        let mut reason = Vec::new();
        if let Some(fault) = self.fault {
            reason.extend_from_slice(b"sockexec: ");
            if let Some(program) = self.program {
                reason.extend_from_slice(program);
                reason.extend_from_slice(b": ");
            }
            reason.extend_from_slice(fault.as_bytes());
            reason.push(b'\n');
        }
        reason
    }
}

/// A part of the end of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyPart {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The kept part of this output.
    Kept(Stream),
}
