//! Connecting to a server's socket, for clients of all its protocols, and the errors.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, socket,
};

use crate::program::without_number;

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is nothing at the path.
    NoSocket,
    /// There is not even its directory, which is this, or that is something else.
    NoDirectory(PathBuf),
    /// No server listens at the path: the file there is not a socket, or is stale.
    Refused,
    /// This user may not connect to the socket, or not look into its directory.
    Denied,
    /// The server's queue was full for this time.
    TimedOut(Duration),
    /// Another error of the system.
    System(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket => f.write_str("there is no such socket"),
            Self::NoDirectory(path) if path.exists() => {
                write!(f, "{} is not a directory", path.display())
            }
            Self::NoDirectory(path) => write!(f, "there is no directory {}", path.display()),
            Self::Refused => f.write_str("no server listens there"),
            Self::Denied => f.write_str("no permission to connect to this socket"),
            Self::TimedOut(timeout) => write!(f, "no answer within {} s", timeout.as_secs_f64()),
            Self::System(source) => f.write_str(&without_number(&source.to_string())),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(source) => Some(source),
            _ => None,
        }
    }
}

/// Connects to the server at `path`. Waits while its queue is full, at most for `timeout`, which
/// must not be zero.
pub(crate) fn connect(path: &Path, timeout: Option<Duration>) -> Result<UnixStream, ConnectError> {
    open(path, timeout).map_err(|errno| match (errno, timeout) {
        (Errno::ENOENT | Errno::ENOTDIR, _) => missing(path),
        (Errno::ECONNREFUSED, _) => ConnectError::Refused,
        (Errno::EACCES | Errno::EPERM, _) => ConnectError::Denied,
        (Errno::EAGAIN, Some(timeout)) => ConnectError::TimedOut(timeout),
        _ => ConnectError::System(errno.into()),
    })
}

/// What is missing of a path.
fn missing(path: &Path) -> ConnectError {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    match directory.filter(|directory| !directory.is_dir()) {
        Some(directory) => ConnectError::NoDirectory(directory.to_owned()),
        None => ConnectError::NoSocket,
    }
}

/// After the time-out, connect(2) fails with EAGAIN.
fn open(path: &Path, timeout: Option<Duration>) -> Result<UnixStream, Errno> {
    let address = UnixAddr::new(path)?;
    let (family, kind) = (AddressFamily::Unix, SockType::Stream);
    let stream = UnixStream::from(socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?);
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        if let Some(deadline) = deadline {
            // Zero would mean no time-out.
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_micros(1));
            stream.set_write_timeout(Some(left)).map_err(errno_of)?;
        }
        match connect_to(stream.as_raw_fd(), &address) {
            // Interrupted by a signal while the queue was full: no connection was made yet.
            Err(Errno::EINTR) => {}
            done => return done.map(|()| stream),
        }
    }
}

fn errno_of(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw)
}
