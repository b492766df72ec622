//! Output that is kept until the program has ended: what sockproc replies with.
//!
//! A stream is kept in memory up to a limit, and then goes to a temporary file, which the
//! caller has. What was last comes after what is in the file. Owns bytes only.

use std::collections::VecDeque;

use super::Session;
use super::event::Action;
use super::verdict::Fault;
use crate::program::{Exit, Stream};
use crate::wire::sockproc;

/// One output.
#[derive(Debug, Default)]
pub(super) struct Kept {
    memory: Vec<u8>,
    /// How many bytes are in the file.
    spooled: u64,
    /// The file is asked for, and has not got what is in memory yet.
    spooling: bool,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> u64 {
        self.spooled + self.memory.len() as u64
    }
}

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

impl Session {
    /// Keeps `n` bytes of output that were read into the outbox, at offset `room` of it.
    pub(super) fn keep(&mut self, stream: Stream, room: usize, n: usize) {
        let kept = &mut self.kept[stream as usize];
        let free = self.limits.output_max.saturating_sub(kept.len());
        let fits = n.min(usize::try_from(free).unwrap_or(n));
        kept.memory
            .extend_from_slice(&self.reply.spare()[room..room + fits]);
        if fits < n {
            self.fault.get_or_insert(Fault::OutputMax {
                stream,
                limit: self.limits.output_max,
            });
        }
        if kept.memory.len() >= self.limits.output_memory && !kept.spooling {
            kept.spooling = true;
            self.actions.push_back(Action::Spool(stream));
        }
    }

    /// What is in memory of an output whose temporary file is to have it.
    pub fn unspooled(&self, stream: Stream) -> &[u8] {
        &self.kept[stream as usize].memory
    }

    pub(super) fn spooled(&mut self, stream: Stream) {
        let kept = &mut self.kept[stream as usize];
        kept.spooled += kept.memory.len() as u64;
        kept.memory.clear();
        kept.spooling = false;
    }

    /// Forgets what was kept: nobody will have it.
    pub(super) fn drop_kept(&mut self) {
        self.kept = Default::default();
    }

    /// Makes the reply, `reason` at the end of stderr.
    pub(super) fn complete(&mut self, exit: Exit, reason: &[u8]) {
        self.kept[Stream::Stderr as usize]
            .memory
            .extend_from_slice(reason);
        let mut bytes = sockproc::status_line(sockproc::wait_status(exit));
        for stream in Stream::BOTH {
            let kept = std::mem::take(&mut self.kept[stream as usize]);
            bytes.extend_from_slice(&sockproc::size_line(kept.len()));
            if kept.spooled > 0 {
                self.tail.put(std::mem::take(&mut bytes));
                self.tail.parts.push_back(Part::Spooled {
                    stream,
                    sent: 0,
                    length: kept.spooled,
                });
            }
            bytes.extend_from_slice(&kept.memory);
        }
        self.tail.put(bytes);
    }
}
