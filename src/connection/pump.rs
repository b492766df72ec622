//! Moves bytes between a client and its program until nothing moves, or until other connections
//! should have their turn.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::{read, write};

use super::client::Received;
use super::process::Running;
use super::trouble::{self, Meaning, errno_of, retry};
use super::{Connection, Context};
use crate::os::memory;
use crate::program::Stream;
use crate::session::{Input, Piece, Trouble};
use crate::wire::exec::PAIR_MAX;

/// The work of a connection before the others have their turn; moving one byte costs 1. Other
/// work has its cost in bytes too: pieces of one byte each must not give a client more of the
/// server's time than large pieces.
const TURN_MAX: usize = 256 * 1024;

/// The cost of a system call, without the bytes that it moves.
const CALL: usize = 2 * 1024;

/// The cost of a step of decoding.
const STEP: usize = 16;

impl Connection {
    /// Moves bytes, carries out the session's actions, and arms the descriptors for the next
    /// event.
    ///
    /// Sending comes last in each round, and the session's actions follow it: when the last pair
    /// goes out, all other work of the job is done, and the client finds the end of the reply right
    /// after it.
    pub fn pump(&mut self, context: &mut Context<'_>) {
        self.tries.resume(context.now);
        if self.room.is_lacking() && !self.session.is_collecting() {
            // Bytes that arrive now take no room: they are discarded.
            self.room.retry(false);
            self.tries.client_read = true;
        }
        self.borrow(context);
        loop {
            let mut moved = false;
            for stream in Stream::BOTH {
                moved |= self.read_output(stream, context);
            }
            moved |= self.write_stdin(context);
            moved |= self.read_client(context);
            moved |= self.act(context);
            if self.send_reply(context) {
                moved = true;
                self.act(context);
            }
            context.spent += self.session.take_steps() * STEP;
            if !moved || context.spent >= TURN_MAX {
                break;
            }
        }
        self.room.hold(&self.session);
        self.session.take_back(context.pool);
        if let Err(error) = self.arm(context.poller) {
            self.cannot_wait(errno_of(&error), context);
        }
    }

    /// A descriptor could not be put into the poller. Until it can be, the clock takes the
    /// poller's place.
    fn cannot_wait(&mut self, errno: Errno, context: &mut Context<'_>) {
        self.fall_short("wait for a connection", errno, context);
        if trouble::of_poller(errno) == Meaning::Fault {
            self.session
                .handle(Input::Failed(Trouble::Wait, errno), context.now);
            self.act(context);
        }
    }

    /// Gets buffers. If there is no memory for them, reading waits.
    fn borrow(&mut self, context: &mut Context<'_>) {
        let starved = self.session.lend(context.pool).is_err();
        self.tries.set_starved(starved, context.now);
    }

    /// A shortage: the operation is tried again later.
    fn fall_short(&mut self, what: &'static str, errno: Errno, context: &mut Context<'_>) {
        context.shortage = Some((what, errno));
        self.tries.put_off(context.now);
    }

    /// The session's input for an error of this meaning: none, if the poller or the clock reports
    /// when to try `what` again.
    fn weigh(
        &mut self,
        (meaning, errno): (Meaning, Errno),
        what: &'static str,
        (gone, fault): (Input, Trouble),
        context: &mut Context<'_>,
    ) -> Option<Input> {
        match meaning {
            Meaning::NotNow => None,
            Meaning::Shortage => {
                self.fall_short(what, errno, context);
                None
            }
            Meaning::Gone => Some(gone),
            Meaning::Fault => Some(Input::Failed(fault, errno)),
        }
    }

    /// Hands the session a fact, if there is one. Returns whether there was.
    fn handle(&mut self, input: Option<Input>, now: Instant) -> bool {
        match input {
            Some(input) => {
                self.session.handle(input, now);
                true
            }
            None => false,
        }
    }

    /// Whether there is no memory for reading now. A request that would grow, and output that is
    /// kept, fail then.
    fn lacks_memory(&mut self, now: Instant) -> bool {
        if self.session.grows() && memory::is_short() {
            self.session.handle(Input::NoMemory, now);
        }
        self.tries.is_starved()
    }

    /// Reads the pipes of the program.
    pub(super) fn read_outputs(&mut self, context: &mut Context<'_>) {
        self.borrow(context);
        self.tries.output_read = [true; 2];
        for stream in Stream::BOTH {
            self.read_output(stream, context);
        }
    }

    /// Reads a program's output. Returns whether that changed anything, as the other functions
    /// do.
    fn read_output(&mut self, stream: Stream, context: &mut Context<'_>) -> bool {
        let which = stream as usize;
        if !self.tries.output_read[which]
            || !self.session.interest().output_read[which]
            || self.lacks_memory(context.now)
        {
            return false;
        }
        let Some(output) = self.running.as_mut().and_then(|r| r.output(stream)) else {
            return false;
        };
        let room = self.session.outbox();
        let size = room.len();
        context.spent += CALL;
        let input = match retry(|| read(output.as_fd(), room)) {
            Ok(0) => Some(Input::OutputEnded(stream)),
            Ok(n) => {
                // A pipe gives all it has: there is no need to ask it again.
                self.tries.output_read[which] = n == size;
                if n == PAIR_MAX {
                    output.enlarge(context.large_pipes);
                }
                context.spent += n;
                self.session.handle(Input::Output(stream, n), context.now);
                return true;
            }
            Err(errno) => match trouble::of_pipe(errno) {
                Meaning::NotNow => Some(Input::OutputDry(stream)),
                meaning => {
                    let trouble = Trouble::Output(stream);
                    let gone = Input::Failed(trouble, errno);
                    let what = "read a program's output";
                    self.weigh((meaning, errno), what, (gone, trouble), context)
                }
            },
        };
        self.tries.output_read[which] = false;
        if let Some(Input::OutputEnded(_) | Input::Failed(..)) = input {
            if let Some(running) = &mut self.running {
                running.close_output(stream);
            }
        }
        self.handle(input, context.now)
    }

    fn send_reply(&mut self, context: &mut Context<'_>) -> bool {
        if !self.tries.client_write || !self.session.interest().client_write {
            return false;
        }
        let Some(socket) = self.client.socket() else {
            return false;
        };
        context.spent += CALL;
        let (sent, size, trouble) = match self.session.reply() {
            Piece::Bytes(bytes) => (
                retry(|| send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)),
                bytes.len(),
                Trouble::Send,
            ),
            Piece::Spooled {
                stream,
                offset,
                length,
            } => {
                let size = usize::try_from(length).unwrap_or(TURN_MAX).min(TURN_MAX);
                let sent = self.spools.send(stream, (offset, size), &self.client);
                (sent, size, Trouble::Spooled)
            }
        };
        let input = match sent {
            Ok(n) => {
                self.tries.client_write = n == size;
                context.spent += n;
                Some(Input::ReplySent(n))
            }
            Err(errno) => {
                self.tries.client_write = false;
                let meaning = trouble::of_socket(errno);
                if (meaning, trouble) == (Meaning::Fault, Trouble::Send) {
                    // Once more, since there is no other way to report the fault.
                    self.tries.put_off(context.now);
                }
                let outcomes = (Input::ClientGone, trouble);
                self.weigh((meaning, errno), "send to a client", outcomes, context)
            }
        };
        self.handle(input, context.now)
    }

    fn write_stdin(&mut self, context: &mut Context<'_>) -> bool {
        if !self.tries.stdin_write || !self.session.interest().stdin_write {
            return false;
        }
        let Some(stdin) = self.running.as_deref().and_then(Running::stdin) else {
            return false;
        };
        context.spent += CALL;
        let bytes = self.session.stdin();
        let size = bytes.len();
        let input = match retry(|| write(stdin, bytes)) {
            Ok(n) => {
                self.tries.stdin_write = n == size;
                context.spent += n;
                Some(Input::StdinTaken(n))
            }
            Err(errno) => {
                self.tries.stdin_write = false;
                let meaning = (trouble::of_pipe(errno), errno);
                let outcomes = (Input::StdinClosed, Trouble::Stdin);
                self.weigh(meaning, "write to a program", outcomes, context)
            }
        };
        self.handle(input, context.now)
    }

    fn read_client(&mut self, context: &mut Context<'_>) -> bool {
        if !self.tries.client_read
            || !self.session.interest().client_read
            || self.lacks_memory(context.now)
            || self.client.socket().is_none()
        {
            return false;
        }
        let Some(allowed) = self.room.ask(&self.session) else {
            self.tries.client_read = false;
            return false;
        };
        let room = self.session.inbox();
        let size = room.len().min(allowed);
        context.spent += CALL * self.client.calls();
        let received = self.client.receive(&mut room[..size]);
        self.tries.client_read = received == Ok(Received::Bytes(size));
        let input = match received {
            Ok(Received::Bytes(n)) => {
                context.spent += n;
                Some(Input::ClientSent(n))
            }
            Ok(Received::End) => Some(Input::ClientEnded),
            Ok(Received::Descriptors) => Some(Input::ClientPassedDescriptors),
            Err(errno) => {
                let meaning = (trouble::of_socket(errno), errno);
                let outcomes = (Input::ClientGone, Trouble::Receive);
                self.weigh(meaning, "receive from a client", outcomes, context)
            }
        };
        let came = self.handle(input, context.now);
        self.room.hold(&self.session);
        came
    }
}
