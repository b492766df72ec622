//! The operations that may be tried without waiting, and those that were put off because of a
//! shortage.

use std::time::{Duration, Instant};

/// The pause before an operation is tried again after a shortage.
const BACK_OFF: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Tries {
    /// To receive from the client.
    pub(super) client_read: bool,
    /// To send to it.
    pub(super) client_write: bool,
    /// To write to the program's standard input.
    pub(super) stdin_write: bool,
    /// To read its outputs.
    pub(super) output_read: [bool; 2],
    /// There is no memory for buffers.
    starved: bool,
    /// When to try again. Until then the connection waits only for a hang-up.
    again: Option<Instant>,
}

impl Tries {
    /// The tries of a connection without a program. A new client has mostly sent its request
    /// already.
    pub(super) fn new() -> Self {
        Self {
            client_read: true,
            client_write: true,
            stdin_write: true,
            output_read: [false; 2],
            starved: false,
            again: None,
        }
    }

    /// When to try again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again
    }

    /// Something was refused for want of something that may be there a little later.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.again.get_or_insert(now + BACK_OFF);
    }

    /// Whether something is put off.
    pub(super) fn has_put_off(&self) -> bool {
        self.again.is_some()
    }

    /// Tries everything again, if it is time.
    pub(super) fn resume(&mut self, now: Instant) {
        if self.again.is_some_and(|at| at <= now) {
            *self = Self {
                output_read: [true; 2],
                starved: self.starved,
                ..Self::new()
            };
        }
    }

    /// Whether there is memory for buffers.
    pub(super) fn set_starved(&mut self, starved: bool, now: Instant) {
        self.starved = starved;
        if starved {
            self.put_off(now);
        }
    }

    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }
}
