//! A supervisor's end of the notify socket: READY=1 and the rest as events.

use super::PATIENCE;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Receives a daemon's notifications to its supervisor.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Notify {
    pub fn new(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        // The daemon may write, whatever its user is.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        Self { socket, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The lines of the next message, or nothing within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(count) => {
                let text = String::from_utf8_lossy(&message[..count]).into_owned();
                Some(text.lines().map(str::to_owned).collect())
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            Err(e) => panic!("the notify socket: {e}"),
        }
    }

    /// Waits for a line that `wanted` accepts; what comes before it is dropped.
    pub fn wait_for(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|d| !d.is_zero())
        {
            for line in self.next(left).unwrap_or_default() {
                if wanted(&line) {
                    return line;
                }
                seen.push(line);
            }
        }
        panic!("not told of {what}; there were {seen:?}");
    }

    /// Fills the queue, as a supervisor that hangs lets it fill.
    pub fn fill(&self) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        sender.connect(&self.path).unwrap();
        while sender.send(b"FILLED=1").is_ok() {}
    }
}
