//! Moves bytes between a client and its program until nothing moves, or until others
//! should have their turn.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{read, write};

use super::{Connection, Context};
use crate::program::Stream;
use crate::session::{Input, Piece};
use crate::wire::exec::PAIR_MAX;

/// How many bytes a connection moves before the others have their turn.
const TURN_MAX: usize = 256 * 1024;

impl Connection {
    /// Moves what can be moved, does what is to be done, and sees to it that the next
    /// event comes.
    pub fn pump(&mut self, context: &mut Context<'_>) {
        self.session.lend(context.pool);
        let mut moved = 0;
        loop {
            let before = moved;
            for stream in Stream::BOTH {
                moved += self.read_output(stream, context);
            }
            moved += self.send_reply(context.now);
            moved += self.write_stdin(context.now);
            moved += self.read_client(context.now);
            // After the bytes: the client need not wait until its program is reaped.
            let acted = self.act(context);
            if (moved == before && !acted) || moved >= TURN_MAX {
                break;
            }
        }
        self.session.take_back(context.pool);
        if let Err(error) = self.arm(context.poller) {
            log::warn!("connection {}: cannot wait for it: {error}", self.id);
            self.session.handle(Input::StopNow, context.now);
            self.session.handle(Input::ClientGone, context.now);
            self.act(context);
        }
    }

    pub(super) fn read_output(&mut self, stream: Stream, context: &Context<'_>) -> usize {
        let which = stream as usize;
        if !self.maybe.output_read[which] || !self.session.interest().output_read[which] {
            return 0;
        }
        let Some(running) = &mut self.running else {
            return 0;
        };
        let Some(output) = &mut running.outputs[which] else {
            return 0;
        };
        let room = self.session.outbox();
        let size = room.len();
        let (input, moved) = match retry(|| read(output.pipe.as_fd(), room)) {
            Ok(0) => (Input::OutputEnded(stream), 1),
            Ok(n) => {
                // A pipe gives all it has: there is no need to ask it again.
                self.maybe.output_read[which] = n == size;
                if n == PAIR_MAX {
                    output.enlarge(context.large_pipes);
                }
                (Input::Output(stream, n), n)
            }
            Err(Errno::EAGAIN) => {
                self.maybe.output_read[which] = false;
                (Input::OutputDry(stream), 1)
            }
            Err(_) => (Input::OutputEnded(stream), 1),
        };
        if matches!(input, Input::OutputEnded(_)) {
            self.maybe.output_read[which] = false;
            running.outputs[which] = None;
        }
        self.session.handle(input, context.now);
        moved
    }

    fn send_reply(&mut self, now: Instant) -> usize {
        if !self.maybe.client_write || !self.session.interest().client_write {
            return 0;
        }
        let Some(client) = &self.client else { return 0 };
        let (sent, size) = match self.session.reply() {
            Piece::Bytes(bytes) => (
                retry(|| send(client.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)),
                bytes.len(),
            ),
            Piece::Spooled {
                stream,
                offset,
                length,
            } => {
                let Some(spool) = &self.spools[stream as usize] else {
                    unreachable!("what is in a file has one");
                };
                let size = usize::try_from(length).unwrap_or(TURN_MAX).min(TURN_MAX);
                let sent = retry(|| spool.send_to(client.as_fd(), offset, size));
                // A file that has become shorter is not ours any more.
                (
                    sent.and_then(|n| if n == 0 { Err(Errno::EIO) } else { Ok(n) }),
                    size,
                )
            }
        };
        match sent {
            Ok(n) => {
                self.maybe.client_write = n == size;
                self.session.handle(Input::ReplySent(n), now);
                n.max(1)
            }
            Err(Errno::EAGAIN) => {
                self.maybe.client_write = false;
                0
            }
            Err(_) => {
                self.session.handle(Input::ClientGone, now);
                1
            }
        }
    }

    fn write_stdin(&mut self, now: Instant) -> usize {
        if !self.maybe.stdin_write || !self.session.interest().stdin_write {
            return 0;
        }
        let Some(stdin) = self.running.as_ref().and_then(|r| r.stdin.as_ref()) else {
            return 0;
        };
        let bytes = self.session.stdin();
        let size = bytes.len();
        match retry(|| write(stdin, bytes)) {
            Ok(n) => {
                self.maybe.stdin_write = n == size;
                self.session.handle(Input::StdinTaken(n), now);
                n
            }
            Err(Errno::EAGAIN) => {
                self.maybe.stdin_write = false;
                0
            }
            Err(_) => {
                self.session.handle(Input::StdinClosed, now);
                1
            }
        }
    }

    fn read_client(&mut self, now: Instant) -> usize {
        if !self.maybe.client_read || !self.session.interest().client_read {
            return 0;
        }
        let Some(client) = &self.client else { return 0 };
        let room = self.session.inbox();
        let size = room.len();
        let (input, moved) = match retry(|| recv(client.as_raw_fd(), room, MsgFlags::empty())) {
            Ok(0) => {
                self.maybe.client_read = false;
                (Input::ClientEnded, 1)
            }
            Ok(n) => {
                self.maybe.client_read = n == size;
                (Input::ClientSent(n), n)
            }
            Err(Errno::EAGAIN) => {
                self.maybe.client_read = false;
                return 0;
            }
            Err(_) => (Input::ClientGone, 1),
        };
        self.session.handle(input, now);
        moved
    }
}

/// Calls again what a signal has interrupted.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
