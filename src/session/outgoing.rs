//! What is still to be sent of a reply that was made as a whole: bytes, and parts of the
//! temporary files that the caller has.

use std::collections::VecDeque;

use crate::program::Stream;

/// What the client gets next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes: whole pairs, unless a send was cut short.
    Bytes(&'a [u8]),
    /// What is in the temporary file of an output.
    Spooled {
        /// Which one.
        stream: Stream,
        /// From here on.
        offset: u64,
        /// So many bytes, at least one.
        length: u64,
    },
}

/// A piece of a reply that is complete.
#[derive(Debug)]
enum Part {
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

/// A reply that is complete, as far as it is not sent.
#[derive(Debug, Default)]
pub(super) struct Complete {
    parts: VecDeque<Part>,
}

impl Complete {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    pub(super) fn put(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.parts.push_back(Part::Bytes { bytes, sent: 0 });
        }
    }

    pub(super) fn put_spooled(&mut self, stream: Stream, length: u64) {
        self.parts.push_back(Part::Spooled {
            stream,
            sent: 0,
            length,
        });
    }

    pub(super) fn front(&self) -> Option<Piece<'_>> {
        self.parts.front().map(|part| match *part {
            Part::Bytes { ref bytes, sent } => Piece::Bytes(&bytes[sent..]),
            Part::Spooled {
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
        let over = match self.parts.front_mut() {
            Some(Part::Bytes { bytes, sent }) => {
                *sent += n;
                assert!(*sent <= bytes.len(), "more sent than there was");
                *sent == bytes.len()
            }
            Some(Part::Spooled { sent, length, .. }) => {
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
            self.parts.pop_front();
        }
    }
}
