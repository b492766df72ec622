//! What an error of a system call means for a job: nothing, a pause, a client that has gone,
//! or a fault. Nothing that is not expected may look like an end of file or a hang-up: a job
//! would end well with half of its bytes.

use std::io;

use nix::errno::Errno;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing can be moved until the poller says so.
    NotNow,
    /// The system is short of something, and may not be a little later.
    Shortage,
    /// The other side has gone.
    Gone,
    /// Something that should not be.
    Fault,
}

/// What an error means of a pipe that is read from or written to.
pub(super) fn of_pipe(errno: Errno) -> Meaning {
    match errno {
        Errno::EAGAIN => Meaning::NotNow,
        Errno::ENOMEM | Errno::ENOBUFS => Meaning::Shortage,
        Errno::EPIPE => Meaning::Gone,
        _ => Meaning::Fault,
    }
}

/// What an error means of the client's socket, UNIX or TCP.
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

/// What an error means of a descriptor that is to be waited for.
pub(super) fn of_poller(errno: Errno) -> Meaning {
    match errno {
        // The user has as many watches as the system allows.
        Errno::ENOSPC | Errno::ENOMEM | Errno::ENOBUFS => Meaning::Shortage,
        _ => Meaning::Fault,
    }
}

/// What the system said; an error that is not the system's says nothing better.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Calls again what a signal has interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
