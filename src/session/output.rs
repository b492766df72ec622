//! The two outputs of a program: their progress, and their kept parts.
//!
//! If the reply is made as a whole, a stream is kept in memory up to a limit, and then goes to a
//! temporary file, which the caller owns. The bytes in memory follow those in the file. Owns bytes
//! only.

use std::time::Instant;

use crate::program::{OutOfMemory, Stream, try_append};

/// The kept part of an output.
#[derive(Debug, Default)]
pub(super) struct Kept {
    memory: Vec<u8>,
    /// The number of bytes in the file.
    spooled: u64,
}

impl Kept {
    pub(super) fn len(&self) -> u64 {
        self.spooled + self.memory.len() as u64
    }

    /// The number of bytes in the file, and the bytes that follow them.
    pub(super) fn into_parts(self) -> (u64, Vec<u8>) {
        (self.spooled, self.memory)
    }
}

/// One output.
#[derive(Debug, Default)]
struct Output {
    ended: bool,
    /// The last read found nothing.
    dry: bool,
    /// The number of bytes read.
    bytes: u64,
    kept: Kept,
    /// The file is asked for, and does not have the bytes in memory yet.
    spooling: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    each: [Output; 2],
    /// When the first byte of any of them was read.
    first: Option<Instant>,
    /// The session does not wait for their end any more: only available bytes are read.
    released: bool,
    /// There is no room for more kept output: the program must end, and its further output is
    /// lost.
    refused: bool,
}

impl Outputs {
    /// This number of bytes was read.
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

    /// An output is at end-of-file.
    pub(super) fn end(&mut self, stream: Stream) {
        self.each[stream as usize].ended = true;
    }

    /// Both are at end-of-file.
    pub(super) fn end_all(&mut self) {
        for stream in Stream::BOTH {
            self.end(stream);
        }
    }

    /// The session does not wait any longer for an open output. Available bytes still count.
    pub(super) fn release(&mut self) {
        self.released = true;
        for output in &mut self.each {
            output.dry = false;
        }
    }

    /// Keeps `bytes`, as many as `most` permits. Returns whether all were kept.
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

    /// The bytes in memory are in the file.
    pub(super) fn spooled(&mut self, stream: Stream) {
        let output = &mut self.each[stream as usize];
        output.kept.spooled += output.kept.memory.len() as u64;
        output.kept.memory.clear();
        output.spooling = false;
    }

    /// Takes the kept output.
    pub(super) fn take_kept(&mut self) -> [Kept; 2] {
        self.each
            .each_mut()
            .map(|output| std::mem::take(&mut output.kept))
    }

    /// The outputs that may still have bytes.
    #[inline]
    pub(super) fn open(&self) -> [bool; 2] {
        self.each.each_ref().map(|output| !output.ended)
    }

    /// Whether both are at their end.
    pub(super) fn have_ended(&self) -> bool {
        self.open() == [false; 2]
    }

    /// Whether the session waits for neither any more.
    pub(super) fn are_done(&self) -> bool {
        self.each
            .iter()
            .all(|output| output.ended || (self.released && output.dry))
    }

    /// Whether output is kept.
    pub(super) fn keep_more(&self) -> bool {
        !self.refused
    }

    /// The kept bytes in memory.
    pub(super) fn memory(&self, stream: Stream) -> &[u8] {
        &self.each[stream as usize].kept.memory
    }

    /// The number of bytes read.
    pub(super) fn bytes(&self) -> [u64; 2] {
        self.each.each_ref().map(|output| output.bytes)
    }

    /// When the first byte was read.
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
