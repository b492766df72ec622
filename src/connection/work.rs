//! What a connection does when something has happened: moves bytes and does what its session asks
//! for, until nothing moves or until others should have their turn.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{Shutdown, shutdown};

use super::pump::{STEP, TURN_MAX};
use super::trouble::{self, Meaning, errno_of};
use super::{Connection, Context};
use crate::os::poller::Poller;
use crate::os::spool::Spool;
use crate::program::Stream;
use crate::quota::Full;
use crate::session::{Action, Input, Interest, Trouble};

impl Connection {
    /// Moves what can be moved, does what is to be done, and sees to it that the next
    /// event comes.
    ///
    /// What is sent comes last in each round, and what the session asks for comes right
    /// behind it: when the last pair goes out, all else of the job is done, and the client
    /// finds the end of the reply behind it at once.
    pub fn pump(&mut self, context: &mut Context<'_>) {
        self.resume(context.now);
        if self.unread && !self.session.is_collecting() {
            // What comes now takes no room: it is thrown away.
            self.unread = false;
            self.maybe.client_read = true;
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
        self.charge_request();
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

    /// Does what the session asks for. Returns whether there was anything.
    fn act(&mut self, context: &Context<'_>) -> bool {
        let mut acted = false;
        while let Some(action) = self.session.poll_action() {
            acted = true;
            match action {
                Action::Spool(stream) => self.spool(stream, context.now),
                Action::CloseStdin => {
                    if let Some(running) = &mut self.running {
                        running.stdin = None;
                    }
                }
                Action::Terminate => self.signal(Signal::SIGTERM),
                Action::Kill => self.signal(Signal::SIGKILL),
                Action::Reap => self.reap(),
                Action::Abandon => self.abandon(),
                Action::ShutdownReply => {
                    if let Some(client) = &self.client {
                        let _ = shutdown(client.as_raw_fd(), Shutdown::Write);
                    }
                }
                Action::CloseClient => self.close_client(context.poller),
            }
        }
        acted
    }

    fn close_client(&mut self, poller: &Poller) {
        let client = self.client.take();
        if self.may_pass_descriptors {
            self.discarded = client.map(|client| client.release(poller));
        }
        self.spools = [None, None];
        self.charges.spools.set(0);
    }

    /// Puts what was kept of an output into its temporary file.
    fn spool(&mut self, stream: Stream, now: Instant) {
        let bytes = self.session.unspooled(stream);
        let input = match self.charges.spools.grow(bytes.len() as u64) {
            Err(Full { limit }) => Input::SpoolsFull(limit),
            Ok(()) => match append(&mut self.spools[stream as usize], bytes) {
                Ok(()) => Input::Spooled(stream),
                Err(error) => Input::SpoolFailed(errno_of(&error)),
            },
        };
        self.session.handle(input, now);
    }

    fn arm(&mut self, poller: &Poller) -> io::Result<()> {
        let interest = match self.again {
            None => self.session.interest(),
            Some(_) => Interest::default(),
        };
        if let Some(client) = &mut self.client {
            client.arm(
                poller,
                interest.client_read && !self.unread,
                interest.client_write,
            )?;
        }
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        if let Some(stdin) = running.stdin.as_mut().filter(|_| interest.stdin_write) {
            stdin.arm(poller, false, true)?;
        }
        for (output, wanted) in running.outputs.iter_mut().zip(interest.output_read) {
            if let Some(output) = output.as_mut().filter(|_| wanted) {
                output.pipe.arm(poller, true, false)?;
            }
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let Some(running) = &self.running else { return };
        let (id, pid) = (self.id, running.pid());
        log::debug!("connection {id}: {signal} to group {pid}");
        if let Err(errno) = running.kill(signal as i32) {
            log::warn!("connection {id}: {signal} to group {pid}: {}", errno.desc());
        }
    }

    /// Closes all pipes and takes the zombie; if there is none, keeps the process.
    pub(super) fn reap(&mut self) {
        if let Some(running) = self.running.take() {
            self.stray = running.reap();
        }
    }

    fn abandon(&mut self) {
        self.reap();
        if let Some(stray) = &self.stray {
            log::warn!(
                "connection {}: process {} does not end, its end is no longer waited for",
                self.id,
                stray.process.pid()
            );
        }
    }
}

/// Adds bytes to a temporary file, which is made if there is none.
fn append(spool: &mut Option<Spool>, bytes: &[u8]) -> io::Result<()> {
    match spool {
        Some(spool) => spool.append(bytes),
        None => spool.insert(Spool::new()?).append(bytes),
    }
}
