//! A program's standard input, on our side: whether it is open, and how it comes to its end.

/// See the module.
#[derive(Debug)]
pub(super) struct Stdin {
    open: bool,
    /// The client has said all of it.
    complete: bool,
    /// Nobody reads it.
    refused: bool,
    /// How many bytes the program has taken.
    bytes: u64,
}

impl Stdin {
    pub(super) fn new() -> Self {
        Self {
            open: true,
            complete: false,
            refused: false,
            bytes: 0,
        }
    }

    /// The program has taken this many bytes.
    pub(super) fn take(&mut self, n: usize) {
        self.bytes += n as u64;
    }

    /// The client has said all of it.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// Nobody reads it.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Closes it, if that was not done yet. Returns whether it was open.
    pub(super) fn close(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
