//! The two outputs of a program: how far they have come, and what is kept of them.
//!
//! Where a reply is made as a whole, a stream is kept in memory up to a limit, and then goes to
//! a temporary file, which the caller has. What was last comes after what is in the file. Owns
//! bytes only.

use std::time::Instant;

use crate::program::{OutOfMemory, Stream, try_append};

/// What is kept of an output.
#[derive(Debug, Default)]
pub(super) struct Kept {
    memory: Vec<u8>,
    /// How many bytes are in the file.
    spooled: u64,
}

impl Kept {
    pub(super) fn len(&self) -> u64 {
        self.spooled + self.memory.len() as u64
    }

    /// How many bytes are in the file, and what comes behind them.
    pub(super) fn into_parts(self) -> (u64, Vec<u8>) {
        (self.spooled, self.memory)
    }
}

/// One of them.
#[derive(Debug, Default)]
struct Output {
    ended: bool,
    /// Nothing could be read at the last attempt.
    dry: bool,
    /// How many bytes have come.
    bytes: u64,
    kept: Kept,
    /// The file is asked for, and has not got what is in memory yet.
    spooling: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    each: [Output; 2],
    /// When the first byte of any of them came.
    first: Option<Instant>,
    /// Nobody waits for their end any more: what can be read now is all.
    released: bool,
    /// There is no place for more of what is kept: the program must end, and what it still
    /// writes is lost.
    refused: bool,
}

impl Outputs {
    /// This many bytes have come.
    #[inline]
    pub(super) fn count(&mut self, stream: Stream, n: usize, now: Instant) {
        self.first.get_or_insert(now);
        let output = &mut self.each[stream as usize];
        output.bytes += n as u64;
        output.dry = false;
    }

    /// Nothing more can be read at the moment.
    pub(super) fn run_dry(&mut self, stream: Stream) {
        self.each[stream as usize].dry = true;
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, stream: Stream) {
        self.each[stream as usize].ended = true;
    }

    /// Nothing more comes of either.
    pub(super) fn end_all(&mut self) {
        for stream in Stream::BOTH {
            self.end(stream);
        }
    }

    /// Nobody waits any longer for one that stays open. What can be read still counts.
    pub(super) fn release(&mut self) {
        self.released = true;
        for output in &mut self.each {
            output.dry = false;
        }
    }

    /// Keeps `bytes`, as many as may be kept of `most`. Returns whether all were.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub(super) fn keep(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        most: u64,
    ) -> Result<bool, OutOfMemory> {
        if self.refused {
            return Ok(true);
        }
        let kept = &mut self.each[stream as usize].kept;
        let free = most.saturating_sub(kept.len());
        let fits = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
        try_append(&mut kept.memory, &bytes[..fits])?;
        Ok(fits == bytes.len())
    }

    /// Nothing more is kept.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether what is in memory is to go to the file now, because it has reached `most` bytes.
    pub(super) fn spool(&mut self, stream: Stream, most: usize) -> bool {
        let output = &mut self.each[stream as usize];
        let memory = output.kept.memory.len();
        let now = memory > 0 && memory >= most && !output.spooling && !self.refused;
        output.spooling |= now;
        now
    }

    /// What was in memory is in the file.
    pub(super) fn spooled(&mut self, stream: Stream) {
        let output = &mut self.each[stream as usize];
        output.kept.spooled += output.kept.memory.len() as u64;
        output.kept.memory.clear();
        output.spooling = false;
    }

    /// Takes what was kept.
    pub(super) fn take_kept(&mut self) -> [Kept; 2] {
        self.each
            .each_mut()
            .map(|output| std::mem::take(&mut output.kept))
    }

    /// Which may still give something.
    #[inline]
    pub(super) fn open(&self) -> [bool; 2] {
        self.each.each_ref().map(|output| !output.ended)
    }

    /// Whether both are at their end.
    pub(super) fn have_ended(&self) -> bool {
        self.open() == [false; 2]
    }

    /// Whether nothing more is waited for of either.
    pub(super) fn are_done(&self) -> bool {
        self.each
            .iter()
            .all(|output| output.ended || (self.released && output.dry))
    }

    /// Whether what comes is kept, where it is.
    pub(super) fn keep_more(&self) -> bool {
        !self.refused
    }

    /// What is in memory of what is kept.
    pub(super) fn memory(&self, stream: Stream) -> &[u8] {
        &self.each[stream as usize].kept.memory
    }

    /// How many bytes have come.
    pub(super) fn bytes(&self) -> [u64; 2] {
        self.each.each_ref().map(|output| output.bytes)
    }

    /// When the first of them came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Whether nothing is kept of either.
    pub(super) fn keep_nothing(&self) -> bool {
        self.each.iter().all(|output| output.kept.len() == 0)
    }
}

#[cfg(test)]
mod tests;
