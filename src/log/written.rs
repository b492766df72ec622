//! The progress of writing a line, and the pauses between attempts.

use std::time::Duration;

/// When to try again while the other side is busy.
pub(super) const SOON: Duration = Duration::from_millis(50);

/// When to try again after a failure, such as a full disk, and to look for the log's socket.
pub(super) const LATER: Duration = Duration::from_secs(1);

/// The progress of writing a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// This number of bytes; the rest must follow.
    Some(usize),
    /// Nothing: there may be room after this time.
    Nothing(Duration),
    /// Nothing, and the line will never be read.
    Never,
}
