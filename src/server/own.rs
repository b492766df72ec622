//! A listening socket that this server makes itself, as often as it must.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::config::Address;
use crate::os::listen::{Bound, listen_at};
use crate::os::tcp::listen_tcp;
use crate::wire::Protocol;

/// Where it listens, and how.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its address.
    pub address: Address,
    /// The protocol of its clients.
    pub protocol: Protocol,
    /// Permissions of its file.
    pub mode: u32,
    /// The user and the group of its file, if they are not those of this process.
    pub owner: Option<(u32, u32)>,
    /// Connections that may wait to be accepted.
    pub queue: usize,
}

impl Own {
    /// Opens it. Another server that starts in the same directory may delay that for `patience`.
    pub(super) fn open(&self, patience: Duration) -> io::Result<(OwnedFd, Option<Bound>)> {
        match &self.address {
            Address::Tcp(address) => Ok((listen_tcp(*address, self.queue)?, None)),
            Address::Path(path) => {
                let (socket, bound) = listen_at(path, self.mode, self.queue, patience)?;
                if let Some((uid, gid)) = self.owner {
                    bound.give_to(uid, gid)?;
                }
                Ok((socket, Some(bound)))
            }
        }
    }

    /// The same at this path.
    pub(super) fn at(self, path: &Path) -> Self {
        Self {
            address: Address::Path(path.to_owned()),
            ..self
        }
    }
}
