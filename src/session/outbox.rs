//! The bytes to send to the client: streamed bytes, followed by the pieces of a reply that is made
//! as a whole.

use super::outgoing::{Complete, Piece, SMALL_MAX};
use super::output::Kept;
use crate::program::{OutOfMemory, Stream};
use crate::wire::buffer::{Buffer, Pool};
use crate::wire::exec::PAIR_MAX;
use crate::wire::{HEADER_MAX, Header};

/// The outbox holds no more than one pair of this size, so that it leaves in one send.
const REPLY_MAX: usize = PAIR_MAX;

/// With less room than this no further output is read into a waiting reply.
const ROOM_MIN: usize = 4096;

/// The state of a reply. See the table of the module above.
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
    /// The pieces that follow.
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

    /// Whether more may be appended.
    #[inline]
    pub(super) fn is_streaming(&self) -> bool {
        self.progress == Progress::Streaming
    }

    /// Whether the reply is complete, and the writing side is not shut down yet.
    pub(super) fn has_ended(&self) -> bool {
        self.progress == Progress::Ended
    }

    /// Whether the client has everything, and the writing side is shut down.
    pub(super) fn is_shut(&self) -> bool {
        self.progress == Progress::Shut
    }

    /// The reply is complete.
    pub(super) fn end(&mut self) {
        self.progress = Progress::Ended;
    }

    /// The writing side is shut down.
    pub(super) fn shut(&mut self) {
        self.progress = Progress::Shut;
    }

    /// Whether nothing is left to send at the moment.
    #[inline]
    pub(super) fn is_sent(&self) -> bool {
        self.buffer.is_empty() && self.tail.is_empty()
    }

    /// The number of bytes of output that may be read next.
    #[inline]
    pub(super) fn room(&self) -> usize {
        match REPLY_MAX.saturating_sub(self.buffer.len()) {
            room if room < ROOM_MIN => 0,
            room if self.buffer.is_empty() => room,
            // The held bytes and this pair, with its header, still leave in one send.
            room => room - HEADER_MAX - 1,
        }
    }

    /// The buffer for bytes from the program. With `discards` they will be discarded.
    pub(super) fn spare(&mut self, discards: bool) -> &mut [u8] {
        let room = if discards { ROOM_MIN } else { self.room() };
        // Discarded bytes are never committed, so they do not affect waiting bytes.
        &mut self.buffer.spare()[HEADER_MAX..HEADER_MAX + room]
    }

    /// The first `n` bytes of [`Outbox::spare`], which stay there only until the next call.
    pub(super) fn uncommitted(&mut self, n: usize) -> &[u8] {
        &self.buffer.spare()[HEADER_MAX..HEADER_MAX + n]
    }

    /// Appends the first `n` bytes of [`Outbox::spare`], with their header before them.
    #[inline]
    pub(super) fn frame(&mut self, header: &Header, n: usize, end: u8) {
        self.buffer
            .commit_framed(HEADER_MAX, header.bytes(), n, end);
    }

    /// Appends `bytes`: into the same send, if they are few.
    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        // A buffer without storage was lent none: there may be no memory for that much.
        let has_storage = self.buffer.footprint() > 0;
        if has_storage && self.tail.is_empty() && bytes.len() <= SMALL_MAX {
            self.buffer.append(&bytes);
        } else {
            self.tail.put(bytes);
        }
    }

    /// Appends the kept part of an output.
    pub(super) fn put_kept(&mut self, stream: Stream, kept: Kept) {
        let (spooled, memory) = kept.into_parts();
        if spooled > 0 {
            self.tail.put_spooled(stream, spooled);
        }
        self.put(memory);
    }

    /// The next piece for the client.
    pub(super) fn front(&self) -> Piece<'_> {
        match self.tail.front() {
            Some(piece) if self.buffer.is_empty() => piece,
            _ => Piece::Bytes(self.buffer.bytes()),
        }
    }

    /// The first `n` bytes of it were sent.
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

    /// Gets storage for the next bytes, if there is memory for it.
    pub(super) fn lend(&mut self, pool: &mut Pool) -> Result<(), OutOfMemory> {
        pool.lend(&mut self.buffer)
    }

    /// Returns its storage, if it is empty.
    pub(super) fn take_back(&mut self, pool: &mut Pool) {
        pool.take_back(&mut self.buffer);
    }

    /// The invariants.
    pub(super) fn check(&self) {
        assert!(self.buffer.len() <= REPLY_MAX + HEADER_MAX + 1 + SMALL_MAX);
    }
}
