//! The temporary files of a program's outputs, and their charge on the shared total.

use std::io;
use std::os::fd::AsFd as _;

use nix::errno::Errno;

use super::client::ClientSocket;
use super::trouble::{errno_of, retry};
use crate::os::spool::Spool;
use crate::program::Stream;
use crate::quota::{Charge, Full};
use crate::session::Input;

/// See the module.
#[derive(Debug)]
pub(super) struct Spools {
    files: [Option<Spool>; 2],
    charge: Charge,
}

impl Spools {
    pub(super) fn new(charge: Charge) -> Self {
        Self {
            files: [None, None],
            charge,
        }
    }

    /// Appends the kept part of an output to its file. Returns the result as an input.
    pub(super) fn append(&mut self, stream: Stream, bytes: &[u8]) -> Input {
        match self.charge.grow(bytes.len() as u64) {
            Err(Full { limit }) => Input::SpoolsFull(limit),
            Ok(()) => match append(&mut self.files[stream as usize], bytes) {
                Ok(()) => Input::Spooled(stream),
                Err(error) => Input::SpoolFailed(errno_of(&error)),
            },
        }
    }

    /// Sends a part of a file to the client.
    pub(super) fn send(
        &self,
        stream: Stream,
        (offset, size): (u64, usize),
        client: &ClientSocket,
    ) -> Result<usize, Errno> {
        let (Some(file), Some(socket)) = (&self.files[stream as usize], client.socket()) else {
            return Err(Errno::EIO);
        };
        match retry(|| file.send_to(socket.as_fd(), offset, size))? {
            // A file that has become shorter is not ours any more.
            0 => Err(Errno::EIO),
            n => Ok(n),
        }
    }

    /// Drops them.
    pub(super) fn clear(&mut self) {
        self.files = [None, None];
        self.charge.set(0);
    }
}

/// Appends bytes to a temporary file, which is made if there is none.
fn append(file: &mut Option<Spool>, bytes: &[u8]) -> io::Result<()> {
    match file {
        Some(file) => file.append(bytes),
        None => file.insert(Spool::new()?).append(bytes),
    }
}
