//! How bytes pass through a session: what may move now, where from and where to.

use super::{Client, Piece, Program, Session};
use crate::program::{OutOfMemory, Stream};
use crate::wire::Protocol;
use crate::wire::buffer::Pool;
use crate::wire::exec::{HEADER_MAX, PAIR_MAX, output_header};

/// A reply holds no more than one pair of this size, so that it leaves in one send.
pub(super) const REPLY_MAX: usize = PAIR_MAX;

/// Below this much room no further output is read into a reply that waits.
const ROOM_MIN: usize = 4096;

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Bytes from the client.
    pub client_read: bool,
    /// Room towards the client.
    pub client_write: bool,
    /// Room in the program's standard input.
    pub stdin_write: bool,
    /// Bytes from the program, by [`Stream`].
    pub output_read: [bool; 2],
}

impl Session {
    /// What to wait for.
    pub fn interest(&self) -> Interest {
        let room = self.discards() || self.room() > 0;
        Interest {
            client_read: self.client == Client::Open && !self.deaf && self.inbox.is_empty(),
            client_write: self.client != Client::Gone && !self.is_sent(),
            stdin_write: self.stdin_open && !self.inbox.ready().is_empty(),
            output_read: self
                .outputs
                .map(|output| !output.ended && room && self.lives()),
        }
    }

    /// How many bytes of output may be read next.
    pub(super) fn room(&self) -> usize {
        match REPLY_MAX.saturating_sub(self.reply.len()) {
            room if room < ROOM_MIN => 0,
            room if self.reply.is_empty() => room,
            // What is held plus this pair, header and all, still leaves in one send.
            room => room - HEADER_MAX - 1,
        }
    }

    /// Whether nothing is left to be sent at the moment.
    pub(super) fn is_sent(&self) -> bool {
        self.reply.is_empty() && self.tail.is_empty()
    }

    /// Whether the program's standard input is still to be had.
    pub fn has_stdin(&self) -> bool {
        self.stdin_open
    }

    /// Where bytes from the client go.
    pub fn inbox(&mut self) -> &mut [u8] {
        self.inbox.spare()
    }

    /// Where bytes from the program go, as many as may come.
    pub fn outbox(&mut self) -> &mut [u8] {
        let room = if self.discards() {
            ROOM_MIN
        } else {
            self.room()
        };
        // What is thrown away is never committed, so it disturbs nothing that waits here.
        &mut self.reply.spare()[HEADER_MAX..HEADER_MAX + room]
    }

    /// The bytes that the program's standard input takes next.
    pub fn stdin(&self) -> &[u8] {
        self.inbox.ready()
    }

    /// What the client gets next.
    pub fn reply(&self) -> Piece<'_> {
        match self.tail.front() {
            Some(piece) if self.reply.is_empty() => piece,
            _ => Piece::Bytes(self.reply.bytes()),
        }
    }

    pub(super) fn consume_reply(&mut self, n: usize) {
        if self.reply.is_empty() {
            self.tail.consume(n);
        } else {
            self.reply.consume(n);
        }
    }

    /// Whether what the client sends next makes the request larger. Of a control connection
    /// it does not: those are few, and of clients who may do anything.
    pub fn is_collecting(&self) -> bool {
        self.program == Program::None && self.protocol != Protocol::Control && self.listens()
    }

    /// How many bytes of memory the request takes: until the program is started, or is not.
    pub fn request_bytes(&self) -> usize {
        match self.program {
            Program::None => self.codec.request_bytes(),
            Program::Waiting | Program::Launched => self.arguments,
            Program::Running | Program::Exited | Program::Gone => 0,
        }
    }

    /// How many steps decoding has taken since the last call, as a measure of its work.
    pub fn take_steps(&mut self) -> usize {
        self.codec.take_steps()
    }

    /// Gives the buffers storage for what is about to come.
    ///
    /// # Errors
    ///
    /// When there is no memory: neither [`Session::inbox`] nor [`Session::outbox`] may be asked
    /// for then.
    pub fn lend(&mut self, pool: &mut Pool) -> Result<(), OutOfMemory> {
        self.inbox.lend(pool)?;
        pool.lend(&mut self.reply)
    }

    /// Gives back the storage of empty buffers.
    pub fn take_back(&mut self, pool: &mut Pool) {
        self.inbox.take_back(pool);
        pool.take_back(&mut self.reply);
    }

    /// Takes `n` bytes of output that were read into the outbox: puts the header before
    /// them, or keeps them.
    pub(super) fn take_output(&mut self, stream: Stream, n: usize) {
        let output = &mut self.outputs[stream as usize];
        output.bytes += n as u64;
        output.dry = false;
        if self.discards() {
            return;
        }
        if self.protocol == Protocol::Sockproc {
            return self.keep(stream, HEADER_MAX, n);
        }
        let (header, length) = output_header(stream, n);
        self.reply
            .commit_framed(HEADER_MAX, &header[..length], n, b',');
    }
}
