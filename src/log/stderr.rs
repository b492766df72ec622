//! Standard error, which is shared with other processes and may be anything.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::fstat;

use super::written::{LATER, SOON, Written};

/// See the module.
#[derive(Debug)]
pub(super) struct Stderr {
    prefix: String,
    kind: Kind,
    /// It is the journal, which reads a priority at the beginning of each line.
    journal: bool,
}

/// The kind of stderr, as far as it matters for waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Socket,
    /// Never blocks.
    File,
    /// A pipe or a terminal.
    Other,
}

impl Kind {
    fn of_stderr() -> Self {
        match fstat(io::stderr()).map(|s| s.st_mode & libc::S_IFMT) {
            Ok(libc::S_IFSOCK) => Self::Socket,
            Ok(libc::S_IFREG) => Self::File,
            _ => Self::Other,
        }
    }
}

impl Stderr {
    pub(super) fn new() -> Self {
        Self {
            prefix: format!("sockexec[{}]: ", std::process::id()),
            kind: Kind::of_stderr(),
            journal: is_the_journal(),
        }
    }

    /// The bytes of a line, cut to this length.
    pub(super) fn line(&self, severity: u8, label: &str, text: &str, most: usize) -> Vec<u8> {
        let mut line = match self.journal {
            true => format!("<{severity}>").into_bytes(),
            false => self.prefix.clone().into_bytes(),
        };
        line.extend_from_slice(label.as_bytes());
        line.extend_from_slice(text.as_bytes());
        line.truncate(most - 1);
        line.push(b'\n');
        line
    }

    /// Writes a line, or the rest of one.
    ///
    /// Other processes share the flags of stderr, so it stays in blocking mode: a socket gets each
    /// line with a non-blocking flag, and anything else is polled for room first.
    pub(super) fn write(&self, line: &[u8]) -> Written {
        let stderr = io::stderr();
        let result = if self.kind == Kind::Socket {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            send(libc::STDERR_FILENO, line, flags)
        } else {
            let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
            if self.kind != Kind::File && poll(&mut room, PollTimeout::ZERO) != Ok(1) {
                return Written::Nothing(SOON);
            }
            nix::unistd::write(stderr.as_fd(), line)
        };
        match result {
            Ok(n) if n == line.len() => Written::All,
            Ok(0) => Written::Nothing(LATER),
            Ok(n) => Written::Some(n),
            Err(Errno::EAGAIN | Errno::EINTR) => Written::Nothing(SOON),
            Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN | Errno::EBADF) => {
                Written::Never
            }
            // A full disk, for instance.
            Err(_) => Written::Nothing(LATER),
        }
    }
}

/// Whether standard error is the journal.
pub(super) fn is_the_journal() -> bool {
    is_journal(io::stderr(), std::env::var_os("JOURNAL_STREAM").as_deref())
}

/// Whether `stream` is the one that `JOURNAL_STREAM` names, as `DEVICE:INODE`. The variable alone
/// proves nothing: all processes of a service inherit it, with their standard error elsewhere.
fn is_journal(stream: impl AsFd, named: Option<&OsStr>) -> bool {
    let identity = fstat(stream).map(|s| format!("{}:{}", s.st_dev, s.st_ino));
    identity.is_ok_and(|identity| named == Some(OsStr::new(&identity)))
}
