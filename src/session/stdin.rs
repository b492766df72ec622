//! Our end of a program's standard input: whether it is open, and its end.

/// See the module.
#[derive(Debug)]
pub(super) struct Stdin {
    open: bool,
    /// The client has sent all of it.
    complete: bool,
    /// It has no reader.
    refused: bool,
    /// The number of bytes written to the program.
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

    /// The client has sent all of it.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// It has no reader.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Closes it, if it is open. Returns whether it was.
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
