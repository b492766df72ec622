//! A client's bytes that are not consumed yet: standard input, ready to be written, followed by
//! bytes in the protocol's framing.
//!
//! ```text
//!   | ready          | gap            | raw                        | spare
//!   standard input   framing, dropped   not decoded yet
//! ```
//!
//! A piece of standard input moves up to the one before it, so that pieces of one byte
//! each still leave in one write. The first piece stays in place. Owns bytes only.

use crate::program::OutOfMemory;
use crate::wire::buffer::{Buffer, CAPACITY, Pool};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: Buffer,
    ready: usize,
    gap: usize,
}

impl Inbox {
    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Room for the client's next bytes.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        self.buffer.spare()
    }

    /// The first `n` bytes of [`Inbox::spare`] were received.
    pub(super) fn commit(&mut self, n: usize) {
        self.buffer.commit(n);
    }

    /// The bytes that are not decoded yet.
    #[inline]
    pub(super) fn raw(&self) -> &[u8] {
        &self.buffer.bytes()[self.ready + self.gap..]
    }

    /// Drops the first `n` raw bytes.
    #[inline]
    pub(super) fn skip(&mut self, n: usize) {
        if self.ready == 0 {
            self.buffer.consume(n);
        } else {
            assert!(n <= self.raw().len(), "{n} bytes skipped");
            self.gap += n;
        }
    }

    /// The first `n` raw bytes are standard input.
    #[inline]
    pub(super) fn take(&mut self, n: usize) {
        if self.gap > 0 {
            self.buffer.move_up(self.ready + self.gap, self.ready, n);
        }
        self.ready += n;
        debug_assert!(self.ready + self.gap <= self.buffer.len());
    }

    /// Standard input that can be written now.
    pub(super) fn ready(&self) -> &[u8] {
        &self.buffer.bytes()[..self.ready]
    }

    /// Drops the first `n` bytes of standard input, which have been written.
    pub(super) fn consume(&mut self, n: usize) {
        assert!(n <= self.ready, "{n} of {} bytes consumed", self.ready);
        self.buffer.consume(n);
        self.ready -= n;
        if self.ready == 0 {
            self.buffer.consume(std::mem::take(&mut self.gap));
        }
    }

    /// Drops all standard input that is ready.
    pub(super) fn drop_ready(&mut self) {
        self.consume(self.ready);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        (self.ready, self.gap) = (0, 0);
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
        assert!(self.buffer.len() <= CAPACITY);
        assert!(self.ready + self.gap <= self.buffer.len());
        assert!(self.ready > 0 || self.gap == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_framing_is_dropped() {
        let mut inbox = Inbox::default();
        inbox.spare()[..12].copy_from_slice(b"1:a,2:bc,0:,");
        inbox.commit(12);
        for (framing, payload) in [(2, 1), (3, 2)] {
            inbox.skip(framing);
            inbox.take(payload);
            inbox.check();
        }
        assert_eq!((inbox.ready(), inbox.raw()), (&b"abc"[..], &b",0:,"[..]));
        inbox.consume(2);
        inbox.skip(1);
        inbox.check();
        assert_eq!((inbox.ready(), inbox.raw()), (&b"c"[..], &b"0:,"[..]));
        inbox.drop_ready();
        inbox.check();
        assert_eq!((inbox.ready(), inbox.raw()), (&b""[..], &b"0:,"[..]));
        inbox.skip(3);
        assert!(inbox.is_empty());
    }
}
