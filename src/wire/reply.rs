//! What a reply is made of, in the terms that all protocols share.

use super::exec::{HEADER_MAX, Termsig};
use crate::program::{Exit, Stream};

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
