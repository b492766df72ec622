//! Moves bytes between a client and its program, in each direction as many as can be moved at
//! once.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{read, write};

use super::trouble::{self, Meaning};
use super::{Connection, Context};
use crate::os::memory;
use crate::os::rights::{self, Ahead};
use crate::program::Stream;
use crate::session::{Input, Piece, Trouble};
use crate::wire::exec::PAIR_MAX;

/// How much a connection does before the others have their turn, in the price of one byte
/// that is moved. What else there is has its price in bytes: pieces of one byte each must
/// not buy a client more of the server's time than large ones.
pub(super) const TURN_MAX: usize = 256 * 1024;

/// The price of a system call, without the bytes that it moves.
const CALL: usize = 2 * 1024;

/// The price of a step of decoding.
pub(super) const STEP: usize = 16;

/// The first bytes of a request, which wait for no room: a small request is never kept
/// waiting by large ones.
const REQUEST_FREE: usize = 4096;

/// How long what was refused for want of something waits before it is tried again.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What may be tried without waiting.
#[derive(Debug)]
pub(super) struct Maybe {
    pub(super) client_read: bool,
    pub(super) client_write: bool,
    pub(super) stdin_write: bool,
    pub(super) output_read: [bool; 2],
}

impl Maybe {
    /// Everything.
    pub(super) fn all() -> Self {
        Self {
            client_read: true,
            client_write: true,
            stdin_write: true,
            output_read: [true; 2],
        }
    }
}

impl Connection {
    /// Gets buffers. Where there is no memory for them, what is to be read waits.
    pub(super) fn borrow(&mut self, context: &mut Context<'_>) {
        self.starved = self.session.lend(context.pool).is_err();
        if self.starved {
            self.try_again(context.now);
        }
    }

    /// The system was short of something: what it refused is tried again.
    pub(super) fn fall_short(
        &mut self,
        what: &'static str,
        errno: Errno,
        context: &mut Context<'_>,
    ) {
        context.shortage = Some((what, errno));
        self.try_again(context.now);
    }

    /// Something was refused for want of something that may be there a little later.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.again.get_or_insert(now + BACK_OFF);
    }

    /// Tries everything again, if it is time.
    pub(super) fn resume(&mut self, now: Instant) {
        if self.again.is_some_and(|at| at <= now) {
            self.again = None;
            self.maybe = Maybe::all();
        }
    }

    /// How much of a request may be read now.
    fn request_room(&self) -> usize {
        if self.beyond || !self.session.is_collecting() {
            return usize::MAX;
        }
        let free = REQUEST_FREE.saturating_sub(self.session.request_bytes());
        let room = usize::try_from(self.charges.request.room()).unwrap_or(usize::MAX);
        room.saturating_add(free)
    }

    /// Holds what the request takes, no more and no less.
    pub(super) fn charge_request(&mut self) {
        let charged = self.session.request_bytes().saturating_sub(REQUEST_FREE);
        self.charges.request.set(charged as u64);
    }

    /// Whether nothing can be read now that goes into memory. A request that would grow, or
    /// output that is kept, ends there.
    fn lacks_memory(&mut self, now: Instant) -> bool {
        if self.session.grows() && memory::is_short() {
            self.session.handle(Input::NoMemory, now);
        }
        self.starved
    }

    /// Reads what a program has written. Returns whether that changed anything, as the
    /// others do.
    pub(super) fn read_output(&mut self, stream: Stream, context: &mut Context<'_>) -> bool {
        let which = stream as usize;
        if !self.maybe.output_read[which]
            || !self.session.interest().output_read[which]
            || self.lacks_memory(context.now)
        {
            return false;
        }
        let Some(running) = &mut self.running else {
            return false;
        };
        let Some(output) = &mut running.outputs[which] else {
            return false;
        };
        let room = self.session.outbox();
        let size = room.len();
        context.spent += CALL;
        let input = match retry(|| read(output.pipe.as_fd(), room)) {
            Ok(0) => Input::OutputEnded(stream),
            Ok(n) => {
                // A pipe gives all it has: there is no need to ask it again.
                self.maybe.output_read[which] = n == size;
                if n == PAIR_MAX {
                    output.enlarge(context.large_pipes);
                }
                context.spent += n;
                Input::Output(stream, n)
            }
            Err(errno) => match trouble::of_pipe(errno) {
                Meaning::NotNow => {
                    self.maybe.output_read[which] = false;
                    Input::OutputDry(stream)
                }
                Meaning::Shortage => {
                    self.maybe.output_read[which] = false;
                    self.fall_short("read a program's output", errno, context);
                    return false;
                }
                Meaning::Gone | Meaning::Fault => Input::Failed(Trouble::Output(stream), errno),
            },
        };
        if matches!(input, Input::OutputEnded(_) | Input::Failed(..)) {
            self.maybe.output_read[which] = false;
            running.outputs[which] = None;
        }
        self.session.handle(input, context.now);
        true
    }

    pub(super) fn send_reply(&mut self, context: &mut Context<'_>) -> bool {
        if !self.maybe.client_write || !self.session.interest().client_write {
            return false;
        }
        let Some(client) = &self.client else {
            return false;
        };
        context.spent += CALL;
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
                context.spent += n;
                self.session.handle(Input::ReplySent(n), context.now);
                true
            }
            Err(errno) => {
                self.maybe.client_write = false;
                let spooled = matches!(self.session.reply(), Piece::Spooled { .. });
                let input = match trouble::of_socket(errno) {
                    Meaning::NotNow => return false,
                    Meaning::Shortage => {
                        self.fall_short("send to a client", errno, context);
                        return false;
                    }
                    Meaning::Gone => Input::ClientGone,
                    Meaning::Fault if spooled => Input::Failed(Trouble::Spooled, errno),
                    Meaning::Fault => {
                        // Once more, since there is no other way to tell it.
                        self.try_again(context.now);
                        Input::Failed(Trouble::Send, errno)
                    }
                };
                self.session.handle(input, context.now);
                true
            }
        }
    }

    pub(super) fn write_stdin(&mut self, context: &mut Context<'_>) -> bool {
        if !self.maybe.stdin_write || !self.session.interest().stdin_write {
            return false;
        }
        let Some(stdin) = self.running.as_ref().and_then(|r| r.stdin.as_ref()) else {
            return false;
        };
        context.spent += CALL;
        let bytes = self.session.stdin();
        let size = bytes.len();
        match retry(|| write(stdin, bytes)) {
            Ok(n) => {
                self.maybe.stdin_write = n == size;
                context.spent += n;
                self.session.handle(Input::StdinTaken(n), context.now);
                true
            }
            Err(errno) => {
                self.maybe.stdin_write = false;
                let input = match trouble::of_pipe(errno) {
                    Meaning::NotNow => return false,
                    Meaning::Shortage => {
                        self.fall_short("write to a program", errno, context);
                        return false;
                    }
                    Meaning::Gone => Input::StdinClosed,
                    Meaning::Fault => Input::Failed(Trouble::Stdin, errno),
                };
                self.session.handle(input, context.now);
                true
            }
        }
    }

    pub(super) fn read_client(&mut self, context: &mut Context<'_>) -> bool {
        if !self.maybe.client_read
            || !self.session.interest().client_read
            || self.lacks_memory(context.now)
        {
            return false;
        }
        let Some(client) = &self.client else {
            return false;
        };
        let allowed = self.request_room();
        if allowed == 0 {
            self.maybe.client_read = false;
            self.unread = true;
            return false;
        }
        let room = self.session.inbox();
        let full = room.len().min(allowed);
        let room = &mut room[..full];
        let mut size = full;
        if self.may_pass_descriptors {
            context.spent += CALL;
            match retry(|| rights::peek(client.as_fd(), room)) {
                Ok(Ahead::Descriptors) => {
                    self.maybe.client_read = false;
                    self.session
                        .handle(Input::ClientPassedDescriptors, context.now);
                    return true;
                }
                // Not a byte more: what comes behind them was not looked at.
                Ok(Ahead::Bytes(n)) => size = n,
                Err(errno) => return self.cannot_receive(errno, context),
                // recv has the same to say.
                Ok(Ahead::End) => {}
            }
        }
        let room = &mut self.session.inbox()[..size];
        context.spent += CALL;
        let input = match retry(|| recv(client.as_raw_fd(), room, MsgFlags::empty())) {
            Ok(0) => {
                self.maybe.client_read = false;
                Input::ClientEnded
            }
            Ok(n) => {
                self.maybe.client_read = n == full;
                context.spent += n;
                Input::ClientSent(n)
            }
            Err(errno) => return self.cannot_receive(errno, context),
        };
        self.session.handle(input, context.now);
        self.charge_request();
        true
    }

    fn cannot_receive(&mut self, errno: Errno, context: &mut Context<'_>) -> bool {
        self.maybe.client_read = false;
        let input = match trouble::of_socket(errno) {
            Meaning::NotNow => return false,
            Meaning::Shortage => {
                self.fall_short("receive from a client", errno, context);
                return false;
            }
            Meaning::Gone => Input::ClientGone,
            Meaning::Fault => Input::Failed(Trouble::Receive, errno),
        };
        self.session.handle(input, context.now);
        true
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
