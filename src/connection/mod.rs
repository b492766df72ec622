//! One client and its program, as descriptors: moves bytes between them as the session
//! says, and does what it asks for.
//!
//! A connection owns its descriptors. It decides nothing: what happened goes to the
//! [`Session`] as an [`Input`], and comes back as an [`Action`](session::Action) or as bytes to move.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | the descriptors, and what happens to them |
//! | `work` | what is done then: all that can be moved, and what the session asks for |
//! | `pump` | bytes: from where to where |
//! | `process` | the program's process: its start, its end, signals |
//! | `trouble` | what an error of a system call means for a job |

mod process;
mod pump;
mod trouble;
mod work;

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use nix::errno::Errno;

use self::process::Running;
pub use self::process::Stray;
use self::pump::Maybe;
use crate::id::ConnectionId;
use crate::os::launch::Spawned;
use crate::os::peer::{self, Peer};
use crate::os::poller::{Part, Poller, Ready, Token, Watched};
use crate::os::spool::Spool;
use crate::program::{Arguments, SpawnError, Stream};
use crate::quota::Charge;
use crate::session::policy::Limits;
use crate::session::{self, Input, ProcessLeft, Session};
use crate::wire::Protocol;
use crate::wire::buffer::Pool;

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

/// What a connection holds of the totals that all share.
#[derive(Debug)]
pub struct Charges {
    /// Bytes of requests that are not started, without the first few of each.
    pub request: Charge,
    /// Bytes in temporary files.
    pub spools: Charge,
}

/// Something that is asked of the server.
#[derive(Debug)]
pub enum Ask {
    /// Start this program when its turn comes: [`Connection::adopt`], or [`Connection::refuse`].
    Program(Arguments),
    /// Do not start the program that was asked for. No answer is needed.
    Withdraw,
    /// Carry out what this message asks for, and answer with [`Input::Answered`].
    Command(Vec<u8>),
    /// Take over this process, which has been given up.
    Orphan(Stray),
    /// Close the client's socket with care.
    Discard(OwnedFd),
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
    running: Option<Running>,
    /// The number of the program's process, for the record.
    program: Option<i32>,
    /// The client's socket, which the server is to discard.
    discarded: Option<OwnedFd>,
    /// A process that the server is to take over.
    stray: Option<Stray>,
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
            running: None,
            program: None,
            discarded: None,
            stray: None,
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
        let look_at = self.running.as_ref().and_then(Running::look_at);
        let moments = [self.session.poll_timeout(), self.again, look_at];
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

    /// The number of its program's process, also after its end.
    pub fn program(&self) -> Option<i32> {
        self.program
    }

    /// The number of its program, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(Running::pid)
    }

    /// Sends a signal to the group of the program. `None`: there is no program.
    pub fn kill(&self, signal: i32) -> Option<Result<i32, Errno>> {
        let running = self.running.as_ref()?;
        Some(running.kill(signal).map(|()| running.pid()))
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

    /// What is asked of the server next. To be asked after each call that lets the connection
    /// work, until there is nothing.
    pub fn poll_ask(&mut self) -> Option<Ask> {
        if let Some(stray) = self.stray.take() {
            return Some(Ask::Orphan(stray));
        }
        if let Some(client) = self.discarded.take() {
            return Some(Ask::Discard(client));
        }
        Some(match self.session.poll_ask()? {
            session::Ask::Program(arguments) => Ask::Program(arguments),
            session::Ask::Withdraw => Ask::Withdraw,
            session::Ask::Command(message) => Ask::Command(message),
        })
    }

    /// Takes charge of the program that was asked for, or of the news that there is none.
    pub fn adopt(&mut self, spawned: Result<Spawned, Errno>, context: &mut Context<'_>) {
        let input = match spawned {
            Ok(spawned) => {
                let has_stdin = self.session.has_stdin();
                let running = Running::new(self.id, spawned, has_stdin, context);
                self.program = Some(running.pid());
                self.running = Some(running);
                Input::Launched
            }
            Err(errno) => Input::SpawnFailed(SpawnError::Start(errno), ProcessLeft::No),
        };
        self.session.handle(input, context.now);
        self.pump(context);
    }

    /// Takes the news that the program that was asked for runs, or that it does not.
    pub fn launched(&mut self, outcome: Result<(), SpawnError>, context: &mut Context<'_>) {
        let input = match outcome {
            Ok(()) => Input::Started,
            Err(error) => Input::SpawnFailed(error, ProcessLeft::Yes),
        };
        self.session.handle(input, context.now);
        self.pump(context);
    }

    /// The program that was asked for is not started.
    pub fn refuse(&mut self, error: SpawnError, context: &mut Context<'_>) {
        let failed = Input::SpawnFailed(error, ProcessLeft::No);
        self.session.handle(failed, context.now);
        self.pump(context);
    }

    /// All groups of the client, as the kernel vouches for them.
    pub fn peer_groups(&self) -> Vec<u32> {
        self.client.as_ref().map_or_else(Vec::new, peer::groups)
    }

    /// Tells the session something that concerns no descriptor.
    pub fn inform(&mut self, input: Input, context: &mut Context<'_>) {
        // What is in a pipe at the end of a wait still counts.
        self.maybe.output_read = [true; 2];
        self.session.handle(input, context.now);
        let look_at = self.running.as_ref().and_then(Running::look_at);
        if look_at.is_some_and(|at| at <= context.now) {
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

    fn process_ready(&mut self, context: &mut Context<'_>) {
        self.borrow(context);
        // What is in the pipes first: mostly they are at their end now.
        self.maybe.output_read = [true; 2];
        for stream in Stream::BOTH {
            self.read_output(stream, context);
        }
        if let Some(running) = &mut self.running {
            running.fired();
        }
        self.look(context);
    }

    /// Looks whether the program has ended.
    fn look(&mut self, context: &Context<'_>) {
        let is_stopping = self.session.is_stopping();
        let running = self.running.as_mut();
        if let Some(input) = running.and_then(|running| running.look(is_stopping, context)) {
            self.session.handle(input, context.now);
        }
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

    /// Closes everything. Whatever still runs was told to end before.
    pub fn close(mut self) {
        self.reap();
        if self.may_pass_descriptors {
            // Closed at the exit of the process, which does not wait for what was passed.
            std::mem::forget((self.client.take(), self.discarded.take()));
        }
    }
}
