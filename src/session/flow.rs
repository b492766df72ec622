//! The bytes that pass through a session: the moves that are possible now.

use super::Session;
use super::job::Job;
use super::outgoing::Piece;
use crate::program::{OutOfMemory, Stream};
use crate::wire::buffer::Pool;

/// The events to wait for.
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
    /// The events to wait for.
    pub fn interest(&self) -> Interest {
        let facts = &self.facts;
        let room = facts.discards() || facts.outbox.room() > 0;
        let outputs = facts.job.as_ref().map_or([false; 2], Job::open_outputs);
        Interest {
            client_read: facts.client.may_send() && facts.inbox.is_empty(),
            client_write: !facts.client.is_gone() && !facts.outbox.is_sent(),
            stdin_write: self.has_stdin() && !facts.inbox.ready().is_empty(),
            output_read: outputs.map(|open| open && room),
        }
    }

    /// Whether the program's standard input is open on our side.
    pub fn has_stdin(&self) -> bool {
        self.facts
            .job
            .as_ref()
            .is_some_and(|job| job.stdin.is_open())
    }

    /// The buffer for bytes from the client.
    pub fn inbox(&mut self) -> &mut [u8] {
        self.facts.inbox.spare()
    }

    /// The buffer for bytes from the program, with its room.
    pub fn outbox(&mut self) -> &mut [u8] {
        let discards = self.facts.discards();
        self.facts.outbox.spare(discards)
    }

    /// The next bytes for the program's standard input.
    pub fn stdin(&self) -> &[u8] {
        self.facts.inbox.ready()
    }

    /// The next piece for the client.
    pub fn reply(&self) -> Piece<'_> {
        self.facts.outbox.front()
    }

    /// The bytes in memory of an output, for its temporary file.
    pub fn unspooled(&self, stream: Stream) -> &[u8] {
        match &self.facts.job {
            Some(job) => job.outputs.memory(stream),
            None => &[],
        }
    }

    /// Whether the client's next bytes make the request larger. On a control connection they do
    /// not: those are few, and their clients may do anything.
    pub fn is_collecting(&self) -> bool {
        self.facts.is_collecting()
    }

    /// Whether the next bytes take more memory: those of an incomplete request, or of kept
    /// output.
    pub fn grows(&self) -> bool {
        self.facts.grows()
    }

    /// The number of bytes of memory of the request, until the program runs or has failed.
    pub fn request_bytes(&self) -> usize {
        match &self.facts.job {
            Some(job) => job.footprint(),
            None => self.facts.codec.request_bytes(),
        }
    }

    /// The number of decoding steps since the last call, as a measure of the work.
    pub fn take_steps(&mut self) -> usize {
        self.facts.codec.take_steps()
    }

    /// Gives the buffers storage for the next bytes.
    ///
    /// # Errors
    ///
    /// When there is no memory: neither [`Session::inbox`] nor [`Session::outbox`] may be asked
    /// for then.
    pub fn lend(&mut self, pool: &mut Pool) -> Result<(), OutOfMemory> {
        self.facts.inbox.lend(pool)?;
        self.facts.outbox.lend(pool)
    }

    /// Gives back the storage of empty buffers.
    pub fn take_back(&mut self, pool: &mut Pool) {
        self.facts.inbox.take_back(pool);
        self.facts.outbox.take_back(pool);
    }
}
