//! The unsent part of a reply that was made as a whole: bytes, and parts of the temporary files
//! that the caller owns.

use std::collections::VecDeque;

use crate::program::Stream;

/// Larger bytes are sent from their place, so that a reply takes no more memory.
pub(super) const SMALL_MAX: usize = 4096;

/// The next piece for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes: whole pairs, unless a send was cut short.
    Bytes(&'a [u8]),
    /// A part of the temporary file of an output.
    Spooled {
        /// Which one.
        stream: Stream,
        /// Its offset.
        offset: u64,
        /// How many bytes, at least one.
        length: u64,
    },
}

/// The unsent part of a piece of a complete reply.
#[derive(Debug)]
enum Stretch {
    Bytes {
        bytes: Vec<u8>,
        sent: usize,
    },
    Spooled {
        stream: Stream,
        sent: u64,
        length: u64,
    },
}

/// The unsent part of a complete reply.
#[derive(Debug, Default)]
pub(super) struct Complete {
    stretches: VecDeque<Stretch>,
}

impl Complete {
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.stretches.clear();
    }

    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        match self.stretches.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Stretch::Bytes { bytes: before, .. })
                if before.len() <= SMALL_MAX && bytes.len() <= SMALL_MAX =>
            {
                before.extend_from_slice(&bytes);
            }
            _ => self.stretches.push_back(Stretch::Bytes { bytes, sent: 0 }),
        }
    }

    pub(super) fn put_spooled(&mut self, stream: Stream, length: u64) {
        self.stretches.push_back(Stretch::Spooled {
            stream,
            sent: 0,
            length,
        });
    }

    pub(super) fn front(&self) -> Option<Piece<'_>> {
        self.stretches.front().map(|stretch| match *stretch {
            Stretch::Bytes { ref bytes, sent } => Piece::Bytes(&bytes[sent..]),
            Stretch::Spooled {
                stream,
                sent,
                length,
            } => Piece::Spooled {
                stream,
                offset: sent,
                length: length - sent,
            },
        })
    }

    pub(super) fn consume(&mut self, n: usize) {
        let over = match self.stretches.front_mut() {
            Some(Stretch::Bytes { bytes, sent }) => {
                *sent += n;
                assert!(*sent <= bytes.len(), "more sent than there was");
                *sent == bytes.len()
            }
            Some(Stretch::Spooled { sent, length, .. }) => {
                *sent += n as u64;
                assert!(*sent <= *length, "more sent than there was");
                *sent == *length
            }
            None => {
                assert_eq!(n, 0, "more sent than there was");
                false
            }
        };
        if over {
            self.stretches.pop_front();
        }
    }
}
