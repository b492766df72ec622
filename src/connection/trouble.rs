//! The meaning of a system call's error for a job: nothing, a pause, a client that has gone,
//! or a fault. No unexpected error may look like end-of-file or a hang-up: a job would then
//! succeed with half of its bytes.

use std::io;

use nix::errno::Errno;

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing can be moved until the poller reports an event.
    NotNow,
    /// A shortage, which may be over a little later.
    Shortage,
    /// The other side has gone.
    Gone,
    /// An unexpected error.
    Fault,
}

/// The meaning of an error of a pipe.
pub(super) fn of_pipe(errno: Errno) -> Meaning {
    match errno {
        Errno::EAGAIN => Meaning::NotNow,
        Errno::ENOMEM | Errno::ENOBUFS => Meaning::Shortage,
        Errno::EPIPE => Meaning::Gone,
        _ => Meaning::Fault,
    }
}

/// The meaning of an error of the client's socket, UNIX or TCP.
pub(super) fn of_socket(errno: Errno) -> Meaning {
    match errno {
        Errno::ECONNRESET
        | Errno::ECONNABORTED
        | Errno::ENOTCONN
        | Errno::ESHUTDOWN
        | Errno::ETIMEDOUT
        | Errno::ENETDOWN
        | Errno::ENETRESET
        | Errno::ENETUNREACH
        | Errno::EHOSTDOWN
        | Errno::EHOSTUNREACH => Meaning::Gone,
        errno => of_pipe(errno),
    }
}

/// The meaning of an error of the poller.
pub(super) fn of_poller(errno: Errno) -> Meaning {
    match errno {
        // The user has reached the system's limit of watches.
        Errno::ENOSPC | Errno::ENOMEM | Errno::ENOBUFS => Meaning::Shortage,
        _ => Meaning::Fault,
    }
}

/// The system's errno; another error is reported as EIO.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Repeats a call that a signal has interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
