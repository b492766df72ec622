//! What is found in a request and what a reply is made of, in terms that all protocols share.

use crate::program::{Arguments, Exit, Stream};

/// Room for the longest header of a piece of output: `6:stdout,5:32768:`.
pub const HEADER_MAX: usize = 15;

/// What a piece of what a client sent is.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Nothing can be said before more bytes come.
    More,
    /// The request for a program is complete.
    Request(Arguments),
    /// The next so many bytes are standard input. They stay where they are: the caller
    /// takes as many as it likes and says so with [`advance`](super::Codec::advance).
    Stdin(usize),
    /// Standard input is at its end. Whatever follows is consumed unseen.
    End,
    /// A message to the server itself is complete.
    Message(Vec<u8>),
}

/// What becomes of a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It is sent as it comes, with a header in front of it and a byte behind it.
    Sent {
        /// What goes in front.
        header: Header,
        /// What goes behind.
        end: u8,
    },
    /// It is kept until the program has ended.
    Kept,
    /// There is none.
    None,
}

/// The few bytes in front of a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) bytes: [u8; HEADER_MAX],
    pub(super) length: usize,
}

impl Header {
    /// What is to be sent.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// How a reply tells the signal that ended a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Termsig {
    /// `15`, which the known clients parse.
    #[default]
    Number,
    /// `TERM`, as the original server has it.
    Name,
}

/// What the end of a reply has to say.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// How the program has ended, or what is said in the place of that.
    pub exit: Exit,
    /// Why it is not how the program itself has ended.
    pub fault: Option<&'a str>,
    /// The program's name, once it is known.
    pub program: Option<&'a [u8]>,
    /// How much was kept of each output.
    pub kept: [u64; 2],
    /// How a signal is named.
    pub termsig: Termsig,
}

impl Ending<'_> {
    /// What stderr says about the fault: a line, or nothing.
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
    /// What was kept of this output.
    Kept(Stream),
}
