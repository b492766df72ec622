//! The one place where connections come in, and where those that linger give way.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::{Entry, Phase, Server};
use crate::connection::Connection;
use crate::os::listen::{self, AcceptError};
use crate::os::peer::Peer;
use crate::session::Input;

/// How long no connection is accepted after the system was short of something.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Connections accepted in one turn at most, so that the others have theirs.
const ACCEPT_MAX: usize = 64;

impl Server {
    /// Connections are looked for only while there is room for one.
    pub(super) fn arm_listeners(&mut self) -> io::Result<()> {
        let open = self.phase == Phase::Serving
            && self.active < self.settings.budget.connections_max
            && self.accept_again.is_none();
        if open {
            for (listener, _) in &mut self.listeners {
                listener.arm(&self.poller, true, false)?;
            }
        }
        Ok(())
    }

    pub(super) fn accept_from(&mut self, index: usize) -> io::Result<()> {
        let Some((listener, _)) = self.listeners.get_mut(index) else {
            return Ok(());
        };
        listener.fired();
        for _ in 0..ACCEPT_MAX {
            let full = self.active >= self.settings.budget.connections_max;
            let Some((listener, _)) = self.listeners.get(index).filter(|_| !full) else {
                return Ok(());
            };
            match listen::accept(listener.as_fd()) {
                Ok(client) => match Peer::of(&client) {
                    Ok(peer) => self.admit(client, peer),
                    Err(errno) => log::warn!("a client that the kernel does not know: {errno}"),
                },
                Err(AcceptError::Lost) => {}
                Err(AcceptError::Empty) => return Ok(()),
                Err(AcceptError::Shortage(errno)) => {
                    self.accept_again = Some(self.now + BACK_OFF);
                    self.tell_shortage("accept a connection", errno.desc());
                    return Ok(());
                }
                Err(AcceptError::Broken(errno)) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The one place where connections come in.
    pub(super) fn admit(&mut self, client: OwnedFd, peer: Peer) {
        if matches!(peer, Peer::Tcp(_)) {
            listen::set_nodelay(&client);
        }
        let id = self.next_id;
        self.next_id = id.next();
        self.totals.accepted += 1;
        self.active += 1;
        self.idle_since = None;
        log::debug!("connection {id}: accepted, {peer}");
        let limits = self.settings.limits.clone();
        let connection = Connection::new(id, client, peer, limits, self.now);
        let entry = Entry {
            connection,
            timer: None,
            active: true,
            program: false,
            queued: false,
        };
        self.connections.insert(id, Box::new(entry));
        let serving = self.phase == Phase::Serving;
        self.with(id, |connection, context| {
            if serving {
                connection.pump(context);
            } else {
                connection.inform(Input::Stop, context);
            }
        });
        self.limit_lingering();
    }

    /// Who lingers longest gives way, when too many do.
    pub(super) fn limit_lingering(&mut self) {
        while self.lingering.len() > self.settings.budget.lingering_max {
            if let Some(id) = self.lingering.pop_front()
                && self.connections.get(&id).is_some_and(|entry| !entry.active)
            {
                self.with(id, |connection, context| {
                    connection.inform(Input::ClientGone, context);
                });
            }
        }
    }

    /// Closes the listening sockets. Who waits in the queue of one that was handed over is
    /// left to the next server; who waits in one of ours hears that there will be none.
    pub(super) fn close_listeners(&mut self) {
        for (listener, bound) in std::mem::take(&mut self.listeners) {
            if let Some(bound) = bound {
                bound.remove();
                while let Ok(client) = listen::accept(listener.as_fd()) {
                    if let Ok(peer) = Peer::of(&client) {
                        self.admit(client, peer);
                    }
                }
            }
            listener.close(&self.poller);
        }
    }
}
