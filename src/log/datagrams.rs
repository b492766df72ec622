//! A connected socket of datagrams that never blocks, and is connected again when its other end
//! has gone.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::written::{LATER, SOON, Written};

/// See the module.
#[derive(Debug)]
pub(super) struct Datagrams {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    retry_at: Option<Instant>,
}

impl Datagrams {
    /// To the socket at this path, which need not be there yet.
    pub(super) fn to(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            socket: connect(path).ok(),
            retry_at: None,
        }
    }

    /// Lets `send` write to the socket. An error other than a full queue means a new socket.
    pub(super) fn write(&mut self, send: impl Fn(&UnixDatagram) -> io::Result<Written>) -> Written {
        // Twice: after a restart the other end has another socket at the same path.
        for _ in 0..2 {
            if self.socket.is_none() {
                let now = Instant::now();
                if self.retry_at.is_some_and(|at| now < at) {
                    return Written::Nothing(LATER);
                }
                self.socket = connect(&self.path).ok();
                self.retry_at = self.socket.is_none().then(|| now + LATER);
            }
            let Some(connected) = &self.socket else {
                return Written::Nothing(LATER);
            };
            match send(connected) {
                Ok(written) => return written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Written::Nothing(SOON);
                }
                Err(_) => self.socket = None,
            }
        }
        Written::Nothing(LATER)
    }
}

/// A socket that is connected to this path.
pub(super) fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}
