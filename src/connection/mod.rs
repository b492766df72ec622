//! One client and its program, as descriptors: moves bytes between them as the session
//! says, and does what it asks for.
//!
//! A connection owns its descriptors. It decides nothing: what happened goes to the
//! [`Session`] as an [`Input`], and comes back as an [`Action`] or as bytes to move.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | the descriptors, and what the session asks to be done with them |
//! | `pump` | bytes: from where to where, until nothing moves |
//! | `trouble` | what an error of a system call means for a job |

mod pump;
mod trouble;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{Shutdown, shutdown};

use crate::os::job::{Job, Process};
use crate::os::peer::{self, Peer};
use crate::os::poller::{ConnectionId, Part, Poller, Ready, Token, Watched};
use crate::os::spool::Spool;
use crate::program::{Arguments, SpawnError, Stream};
use crate::quota::{Charge, Full};
use crate::session::policy::Limits;
use crate::session::{Action, Input, Interest, ProcessLeft, Session, Trouble};
use crate::wire::Protocol;
use crate::wire::buffer::Pool;

/// The size of a pipe for a program that fills what it has: a quarter more of output passes.
const LARGE_PIPE: i32 = 256 * 1024;

/// How many pipes of that size there may be. The kernel counts the memory of all pipes of
/// a user, and gives smaller ones to who has too much.
const LARGE_PIPES_MAX: usize = 32;

/// How soon to look again for the end of a program that somebody else has seen end first,
/// and how seldom at most.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// What a connection needs of the server while it works.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where to wait.
    pub poller: &'a Poller,
    /// Where buffers come from.
    pub pool: &'a mut Pool,
    /// A copy for each large pipe there is.
    pub large_pipes: &'a Rc<()>,
    /// The time of this turn of the loop.
    pub now: Instant,
    /// How much the connection has done in this turn (see `pump`).
    pub spent: usize,
    /// What could not be done for want of something, and why.
    pub shortage: Option<(&'static str, Errno)>,
}

/// A process that has not ended although it was killed.
#[derive(Debug)]
pub struct Stray {
    /// The process.
    pub process: Process,
    /// Tells when it ends.
    pub pidfd: Watched,
}

#[derive(Debug)]
struct Running {
    process: Process,
    pidfd: Watched,
    look: Option<Look>,
    stdin: Option<Watched>,
    outputs: [Option<Output>; 2],
}

/// When to look whether the program has ended, where the poller does not tell.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// How long after that once more.
    pause: Duration,
}

#[derive(Debug)]
struct Output {
    pipe: Watched,
    /// Counts it, if it is a large one.
    large: Option<Rc<()>>,
}

impl Output {
    /// Makes the pipe larger, the first time, while there are not too many of that kind.
    fn enlarge(&mut self, large_pipes: &Rc<()>) {
        if self.large.is_none() && Rc::strong_count(large_pipes) <= LARGE_PIPES_MAX {
            self.large = Some(Rc::clone(large_pipes));
            // One that stays small works as well.
            let _ = fcntl(self.pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(LARGE_PIPE));
        }
    }
}

/// What may be tried without waiting.
#[derive(Debug)]
struct Maybe {
    client_read: bool,
    client_write: bool,
    stdin_write: bool,
    output_read: [bool; 2],
}

impl Maybe {
    /// Everything.
    fn all() -> Self {
        Self {
            client_read: true,
            client_write: true,
            stdin_write: true,
            output_read: [true; 2],
        }
    }
}

/// What a connection holds of the totals that all share.
#[derive(Debug)]
pub struct Charges {
    /// Bytes of requests that are not started, without the first few of each.
    pub request: Charge,
    /// Bytes in temporary files.
    pub spools: Charge,
}

/// What the system said; an error that is not the system's says nothing better.
fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// One client and its program.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: Peer,
    session: Session,
    client: Option<Watched>,
    /// What it holds of the totals that all share.
    charges: Charges,
    /// Nothing is read from the client until there is room for its request.
    unread: bool,
    /// Its request needs no room any more.
    beyond: bool,
    /// What the client sends is looked at before it is received.
    may_pass_descriptors: bool,
    /// The client's socket, closed for us, which the server must discard.
    discarded: Option<OwnedFd>,
    running: Option<Running>,
    stray: Option<Stray>,
    request: Option<Arguments>,
    command: Option<Vec<u8>>,
    /// Temporary files of outputs that have become too large for memory.
    spools: [Option<Spool>; 2],
    maybe: Maybe,
    /// There is no memory for buffers.
    starved: bool,
    /// When to try again what was refused for want of something. Until then nothing is
    /// waited for but a hang-up.
    again: Option<Instant>,
}

impl Connection {
    /// Takes over a client that was accepted at `now`.
    pub fn new(
        id: ConnectionId,
        (client, may_pass_descriptors): (OwnedFd, bool),
        peer: Peer,
        protocol: Protocol,
        (limits, charges): (Limits, Charges),
        now: Instant,
    ) -> Self {
        Self {
            id,
            peer,
            session: Session::new(protocol, limits, now),
            client: Some(Watched::new(client, Token::Connection(id, Part::Client))),
            charges,
            unread: false,
            beyond: false,
            may_pass_descriptors,
            discarded: None,
            running: None,
            stray: None,
            request: None,
            command: None,
            spools: [None, None],
            // Who connects has mostly sent its request already.
            maybe: Maybe {
                output_read: [false; 2],
                ..Maybe::all()
            },
            starved: false,
            again: None,
        }
    }

    /// The moment at which [`Input::Time`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let look = self.running.as_ref().and_then(|r| r.look.as_ref());
        let moments = [
            self.session.poll_timeout(),
            self.again,
            look.map(|look| look.at),
        ];
        moments.into_iter().flatten().min()
    }

    /// Who the client is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the connection is about.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The number of its program, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|r| r.process.pid().as_raw())
    }

    /// Whether the client is not read because there is no room for its request.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// What its request holds of the memory that all share.
    pub fn request_charge(&self) -> u64 {
        self.charges.request.amount()
    }

    /// Whether its request may go beyond the limit of that, and still may need to.
    pub fn goes_beyond(&self) -> bool {
        self.beyond && (self.session.is_collecting() || self.request_charge() > 0)
    }

    /// There may be room for the client's request now; or it is read all the same, with
    /// `beyond`.
    pub fn read_again(&mut self, beyond: bool, context: &mut Context<'_>) {
        self.beyond |= beyond;
        self.unread = false;
        self.maybe.client_read = true;
        self.pump(context);
    }

    /// Whether a message waits to be carried out.
    pub fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// Whether a program waits for its turn to be started.
    pub fn wants_program(&self) -> bool {
        self.request.is_some()
    }

    /// The request of a program that waits for its turn.
    pub fn request(&self) -> Option<&Arguments> {
        self.request.as_ref()
    }

    /// Takes the request of a program that waits for its turn.
    pub fn take_request(&mut self) -> Option<Arguments> {
        self.request.take()
    }

    /// Takes a message to the server that is to be carried out.
    pub fn take_command(&mut self) -> Option<Vec<u8>> {
        self.command.take()
    }

    /// Takes the client's socket, if it must be discarded with care.
    pub fn take_discarded(&mut self) -> Option<OwnedFd> {
        self.discarded.take()
    }

    /// Takes a process that has been given up.
    pub fn take_stray(&mut self) -> Option<Stray> {
        self.stray.take()
    }

    /// The program that was asked for is not started.
    pub fn refuse(&mut self, error: SpawnError, context: &mut Context<'_>) {
        if self.request.take().is_some() {
            let failed = Input::SpawnFailed(error, ProcessLeft::No);
            self.session.handle(failed, context.now);
        }
        self.pump(context);
    }

    /// All groups of the client, as the kernel vouches for them.
    pub fn peer_groups(&self) -> Vec<u32> {
        self.client.as_ref().map_or_else(Vec::new, peer::groups)
    }

    /// Sends a signal to the group of the program. `None`: there is no program.
    pub fn kill(&self, signal: i32) -> Option<Result<i32, Errno>> {
        let process = &self.running.as_ref()?.process;
        Some(
            process
                .signal_group(signal)
                .map(|()| process.pid().as_raw()),
        )
    }

    /// Takes charge of the program that was asked for, or of the news that there is none.
    pub fn adopt(&mut self, job: Result<Job, Errno>, context: &mut Context<'_>) {
        let job = job.map(|job| {
            let id = self.id;
            let mut pidfd = Watched::new(job.pidfd, Token::Connection(id, Part::Process));
            let look = pidfd.arm(context.poller, true, false).err().map(|error| {
                context.shortage = Some(("wait for a program", errno_of(&error)));
                Look {
                    at: context.now + LOOK_MAX,
                    pause: LOOK_MAX,
                }
            });
            let watch = |fd, part| Some(Watched::new(fd, Token::Connection(id, part)));
            let stdin = Some(job.stdin).filter(|_| self.session.has_stdin());
            let [stdout, stderr] = job.outputs;
            Running {
                process: job.process,
                pidfd,
                look,
                stdin: stdin.and_then(|stdin| watch(stdin, Part::Stdin)),
                outputs: [
                    watch(stdout, Part::Stdout).map(|pipe| Output { pipe, large: None }),
                    watch(stderr, Part::Stderr).map(|pipe| Output { pipe, large: None }),
                ],
            }
        });
        match job {
            Ok(running) => self.running = Some(running),
            Err(errno) => {
                let failed = Input::SpawnFailed(SpawnError::Start(errno), ProcessLeft::No);
                self.session.handle(failed, context.now);
            }
        }
        self.pump(context);
    }

    /// Whether the program that was asked for has come to run.
    pub fn launched(&mut self, outcome: Result<(), SpawnError>, context: &mut Context<'_>) {
        let input = match outcome {
            Ok(()) => Input::Started,
            Err(error) => Input::SpawnFailed(error, ProcessLeft::Yes),
        };
        self.session.handle(input, context.now);
        self.pump(context);
    }

    /// Tells the session something that concerns no descriptor.
    pub fn inform(&mut self, input: Input, context: &mut Context<'_>) {
        // What is in a pipe at the end of a wait still counts.
        self.maybe.output_read = [true; 2];
        self.session.handle(input, context.now);
        let look = self.running.as_ref().and_then(|r| r.look.as_ref());
        if look.is_some_and(|look| look.at <= context.now) {
            self.look(context);
        }
        self.pump(context);
    }

    /// One of the descriptors is ready.
    pub fn ready(&mut self, ready: Ready, part: Part, context: &mut Context<'_>) {
        match part {
            Part::Client => self.client_ready(ready, context.now),
            Part::Process => self.process_ready(context),
            Part::Stdin => {
                self.maybe.stdin_write = true;
                if let Some(stdin) = self.running.as_mut().and_then(|r| r.stdin.as_mut()) {
                    stdin.fired();
                }
            }
            Part::Stdout => self.output_ready(Stream::Stdout),
            Part::Stderr => self.output_ready(Stream::Stderr),
        }
        self.pump(context);
    }

    fn client_ready(&mut self, ready: Ready, now: Instant) {
        if let Some(client) = &mut self.client {
            client.fired();
        }
        // After the reply the rest is read to its end, or the client would see a reset.
        if ready.hangup && self.session.is_active() {
            self.session.handle(Input::ClientGone, now);
        }
        self.maybe.client_read |= ready.readable;
        self.maybe.client_write |= ready.writable;
    }

    fn process_ready(&mut self, context: &mut Context<'_>) {
        self.borrow(context);
        // What is in the pipes first: mostly they are at their end now.
        self.maybe.output_read = [true; 2];
        for stream in Stream::BOTH {
            self.read_output(stream, context);
        }
        let Some(running) = &mut self.running else {
            return;
        };
        running.pidfd.fired();
        self.look(context);
    }

    /// Looks whether the program has ended.
    ///
    /// Mostly the poller has just said so. If it has and there is no exit status, a tracer has
    /// taken the end of it first, and will let go of it without a further word: so the clock
    /// says when to look again.
    fn look(&mut self, context: &Context<'_>) {
        let Some(running) = &mut self.running else {
            return;
        };
        // Then nobody will ask for its group any more, and it can be reaped at once.
        let over = running.outputs.iter().all(Option::is_none) && !self.session.is_stopping();
        let input = match running.process.exit(over) {
            Ok(Some(exit)) => {
                running.look = None;
                Input::Exited(exit)
            }
            Err(errno) if running.process.is_gone() => {
                running.look = None;
                Input::Failed(Trouble::Exit, errno)
            }
            unknown => {
                let held = running.pidfd.is_readable();
                if !held && running.pidfd.arm(context.poller, true, false).is_ok() {
                    running.look = None;
                    return;
                }
                let before = running.look.take().map(|look| look.pause * 2);
                let pause = before.unwrap_or(LOOK_MIN).min(LOOK_MAX);
                let at = context.now + pause;
                running.look = Some(Look { at, pause });
                if !held || unknown.is_err() {
                    return;
                }
                Input::Held
            }
        };
        self.session.handle(input, context.now);
    }

    fn output_ready(&mut self, stream: Stream) {
        self.maybe.output_read[stream as usize] = true;
        let output = self
            .running
            .as_mut()
            .and_then(|r| r.outputs[stream as usize].as_mut());
        if let Some(output) = output {
            output.pipe.fired();
        }
    }

    /// Does what the session asks for. Returns whether there was anything.
    fn act(&mut self, context: &Context<'_>) -> bool {
        let mut acted = false;
        while let Some(action) = self.session.poll_action() {
            acted = true;
            match action {
                Action::Spawn(arguments) => self.request = Some(arguments),
                Action::Command(message) => self.command = Some(message),
                Action::Spool(stream) => self.spool(stream, context.now),
                Action::CloseStdin => {
                    if let Some(running) = &mut self.running {
                        running.stdin = None;
                    }
                }
                Action::Terminate => self.signal(Signal::SIGTERM, context.now),
                Action::Kill => self.signal(Signal::SIGKILL, context.now),
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

    fn signal(&mut self, signal: Signal, now: Instant) {
        if self.request.take().is_some() {
            let cancelled = Input::SpawnFailed(SpawnError::Cancelled, ProcessLeft::No);
            self.session.handle(cancelled, now);
        } else if let Some(running) = &self.running {
            log::debug!(
                "connection {}: {signal} to group {}",
                self.id,
                running.process.pid()
            );
            if let Err(errno) = running.process.signal_group(signal as i32) {
                log::warn!(
                    "connection {}: {signal} to group {}: {}",
                    self.id,
                    running.process.pid(),
                    errno.desc()
                );
            }
        }
    }

    /// Closes all pipes and takes the zombie; if there is none, keeps the process.
    fn reap(&mut self) {
        if let Some(Running { process, pidfd, .. }) = self.running.take() {
            self.stray = process.reap().err().map(|process| Stray { process, pidfd });
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

    /// Closes everything. Whatever still runs was told to end before.
    pub fn close(mut self) -> Option<Stray> {
        self.reap();
        if self.may_pass_descriptors {
            // Closed at the exit of the process, which does not wait for what was passed.
            std::mem::forget((self.client.take(), self.discarded.take()));
        }
        self.stray
    }
}

/// Adds bytes to a temporary file, which is made if there is none.
fn append(spool: &mut Option<Spool>, bytes: &[u8]) -> io::Result<()> {
    match spool {
        Some(spool) => spool.append(bytes),
        None => spool.insert(Spool::new()?).append(bytes),
    }
}
