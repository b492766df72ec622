//! What is still to be sent to the client: bytes as they come, and behind them, where a reply is
//! made as a whole, its pieces.

use super::outgoing::{Complete, Piece, SMALL_MAX};
use super::output::Kept;
use crate::program::{OutOfMemory, Stream};
use crate::wire::buffer::{Buffer, Pool};
use crate::wire::exec::PAIR_MAX;
use crate::wire::{HEADER_MAX, Header};

/// A reply holds no more than one pair of this size, so that it leaves in one send.
const REPLY_MAX: usize = PAIR_MAX;

/// Below this much room no further output is read into a reply that waits.
const ROOM_MIN: usize = 4096;

/// How far a reply has come. See the table of the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Streaming,
    Ended,
    Shut,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    progress: Progress,
    buffer: Buffer,
    /// What goes out after that.
    tail: Complete,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            progress: Progress::Streaming,
            buffer: Buffer::new(),
            tail: Complete::default(),
        }
    }

    /// Whether more is to come.
    #[inline]
    pub(super) fn is_streaming(&self) -> bool {
        self.progress == Progress::Streaming
    }

    /// Whether nothing more is to come, and the client does not know yet.
    pub(super) fn has_ended(&self) -> bool {
        self.progress == Progress::Ended
    }

    /// Whether the client has everything, and the writing side is shut down.
    pub(super) fn is_shut(&self) -> bool {
        self.progress == Progress::Shut
    }

    /// Nothing more is to come.
    pub(super) fn end(&mut self) {
        self.progress = Progress::Ended;
    }

    /// The writing side is shut down.
    pub(super) fn shut(&mut self) {
        self.progress = Progress::Shut;
    }

    /// Whether nothing is left to be sent at the moment.
    #[inline]
    pub(super) fn is_sent(&self) -> bool {
        self.buffer.is_empty() && self.tail.is_empty()
    }

    /// How many bytes of output may be read next.
    #[inline]
    pub(super) fn room(&self) -> usize {
        match REPLY_MAX.saturating_sub(self.buffer.len()) {
            room if room < ROOM_MIN => 0,
            room if self.buffer.is_empty() => room,
            // What is held plus this pair, header and all, still leaves in one send.
            room => room - HEADER_MAX - 1,
        }
    }

    /// Where bytes from the program go. With `discards` they will be thrown away.
    pub(super) fn spare(&mut self, discards: bool) -> &mut [u8] {
        let room = if discards { ROOM_MIN } else { self.room() };
        // What is thrown away is never committed, so it disturbs nothing that waits here.
        &mut self.buffer.spare()[HEADER_MAX..HEADER_MAX + room]
    }

    /// The first `n` bytes of [`Outbox::spare`], which stay there only until the next call.
    pub(super) fn uncommitted(&mut self, n: usize) -> &[u8] {
        &self.buffer.spare()[HEADER_MAX..HEADER_MAX + n]
    }

    /// Puts the first `n` bytes of [`Outbox::spare`] behind what is to be sent, with their header
    /// in front of them.
    #[inline]
    pub(super) fn frame(&mut self, header: &Header, n: usize, end: u8) {
        self.buffer
            .commit_framed(HEADER_MAX, header.bytes(), n, end);
    }

    /// Puts `bytes` behind what is to be sent: into the same send, if there is not much of it.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        // A buffer without storage was lent none: there may be no memory for that much.
        let has_storage = self.buffer.footprint() > 0;
        if has_storage && self.tail.is_empty() && bytes.len() <= SMALL_MAX {
            self.buffer.append(&bytes);
        } else {
            self.tail.put(bytes);
        }
    }

    /// Puts what was kept of an output behind what is to be sent.
    pub(super) fn put_kept(&mut self, stream: Stream, kept: Kept) {
        let (spooled, memory) = kept.into_parts();
        if spooled > 0 {
            self.tail.put_spooled(stream, spooled);
        }
        self.put(memory);
    }

    /// What the client gets next.
    pub(super) fn front(&self) -> Piece<'_> {
        match self.tail.front() {
            Some(piece) if self.buffer.is_empty() => piece,
            _ => Piece::Bytes(self.buffer.bytes()),
        }
    }

    /// The first `n` bytes of that were sent.
    pub(super) fn consume(&mut self, n: usize) {
        if self.buffer.is_empty() {
            self.tail.consume(n);
        } else {
            self.buffer.consume(n);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.tail.clear();
    }

    /// Gets storage for what is about to come, if there is memory for it.
    pub(super) fn lend(&mut self, pool: &mut Pool) -> Result<(), OutOfMemory> {
        pool.lend(&mut self.buffer)
    }

    /// Gives its storage back, if it holds nothing.
    pub(super) fn take_back(&mut self, pool: &mut Pool) {
        pool.take_back(&mut self.buffer);
    }

    /// What always holds.
    pub(super) fn check(&self) {
        assert!(self.buffer.len() <= REPLY_MAX + HEADER_MAX + 1 + SMALL_MAX);
    }
}
