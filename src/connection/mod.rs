//! One client and its program, as descriptors: moves bytes between them as the session decides,
//! and carries out its actions.
//!
//! A connection owns its descriptors. It decides nothing: an event goes to the [`Session`] as an
//! [`Input`], and the result is an [`Action`](session::Action) or bytes to move.
//!
//! | file | content |
//! |---|---|
//! | `mod` | the interface between the server and a connection |
//! | `pump` | moving bytes until nothing moves |
//! | `actions` | the session's actions |
//! | `client`, `process`, `spools` | the descriptors: the socket; the program and its pipes; files |
//! | `room`, `tries` | the room for a request; the operations that may be tried |
//! | `trouble` | the meaning of a system call's error for a job |
//!
//! Calls go down this list only.

mod actions;
mod client;
mod process;
mod pump;
mod room;
mod spools;
mod tries;
mod trouble;

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use nix::errno::Errno;

use self::client::ClientSocket;
pub use self::process::{Containment, Orphan};
use self::process::{Left, Running};
use self::room::Room;
use self::spools::Spools;
use self::tries::Tries;
use self::trouble::errno_of;
use crate::id::ConnectionId;
use crate::os::launch::Spawned;
use crate::os::peer::{self, Peer};
use crate::os::poller::{Part, Poller, Ready, Token, Watched};
use crate::program::{Arguments, Cost, SpawnError, Stream};
use crate::quota::Charge;
use crate::session::{self, Input, ProcessLeft, Session};
use crate::settings::Settings;
use crate::wire::Protocol;
use crate::wire::buffer::Pool;

/// The server's part that a connection needs while it works.
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
    /// The work of the connection in this turn (see `pump`).
    pub spent: usize,
    /// An operation that failed because of a shortage, and the error.
    pub shortage: Option<(&'static str, Errno)>,
}

/// The charges of a connection on the shared totals.
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
    Orphan(Orphan),
    /// Take over the cgroup of a job that is over.
    Contained(Box<Containment>),
    /// Close the client's socket with care.
    Discard(OwnedFd),
}

/// One client and its program.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    peer: Peer,
    session: Session,
    client: ClientSocket,
    /// Boxed, since an idle connection has room for it too.
    running: Option<Box<Running>>,
    /// The number of the program's process, for the record.
    program: Option<i32>,
    /// What that cost, for the record.
    cost: Option<Cost>,
    /// The limit of its cgroup that it has met.
    limit: Option<&'static str>,
    /// What the server has to take over.
    left: Left,
    /// Outputs that have become too large for memory.
    spools: Spools,
    room: Room,
    tries: Tries,
}

impl Connection {
    /// Takes over a client that was accepted at `now`.
    pub fn new(
        id: ConnectionId,
        (client, may_pass_descriptors): (OwnedFd, bool),
        peer: Peer,
        protocol: Protocol,
        (settings, charges): (Rc<Settings>, Charges),
        now: Instant,
    ) -> Self {
        let socket = Watched::new(client, Token::Connection(id, Part::Client));
        Self {
            id,
            peer,
            session: Session::new(protocol, settings, now),
            client: ClientSocket::new(socket, may_pass_descriptors),
            running: None,
            program: None,
            cost: None,
            limit: None,
            left: Left::default(),
            spools: Spools::new(charges.spools),
            room: Room::new(charges.request),
            tries: Tries::new(),
        }
    }

    /// The moment at which [`Input::Time`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let look = self.running.as_deref().and_then(Running::poll_timeout);
        let moments = [self.session.poll_timeout(), self.tries.poll_timeout(), look];
        moments.into_iter().flatten().min()
    }

    /// The client's peer credentials.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the connection is about.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// All groups of the client, from the kernel.
    pub fn peer_groups(&self) -> Vec<u32> {
        self.client.socket().map_or_else(Vec::new, peer::groups)
    }

    /// The security label of the client, from the kernel, if it has one.
    pub fn peer_label(&self) -> Option<Vec<u8>> {
        self.client.socket().and_then(peer::label)
    }

    /// Whether the client is not read because there is no room for its request.
    pub fn is_unread(&self) -> bool {
        self.room.is_lacking()
    }

    /// The charge of its request on the shared memory.
    pub fn request_charge(&self) -> u64 {
        self.room.held()
    }

    /// Whether its request may go beyond the limit of that, and still may need to.
    pub fn goes_beyond(&self) -> bool {
        self.room.goes_beyond(&self.session)
    }

    /// There may be room for the client's request now; or it is read all the same, with
    /// `beyond`.
    pub fn read_again(&mut self, beyond: bool, context: &mut Context<'_>) {
        self.room.retry(beyond);
        self.tries.client_read = true;
        self.pump(context);
    }

    /// The next request to the server. To be polled after each call that lets the connection
    /// work, until there is nothing.
    pub fn poll_ask(&mut self) -> Option<Ask> {
        if let Some(orphan) = self.left.orphan.take() {
            return Some(Ask::Orphan(*orphan));
        }
        if let Some(containment) = self.left.containment.take() {
            return Some(Ask::Contained(containment));
        }
        if let Some(socket) = self.client.take_discarded() {
            return Some(Ask::Discard(socket));
        }
        Some(match self.session.poll_ask()? {
            session::Ask::Program(arguments) => Ask::Program(arguments),
            session::Ask::Withdraw => Ask::Withdraw,
            session::Ask::Command(message) => Ask::Command(message),
        })
    }

    /// The program that was asked for is not started.
    pub fn refuse(&mut self, error: SpawnError, context: &mut Context<'_>) {
        let failed = Input::SpawnFailed(error, ProcessLeft::No);
        self.session.handle(failed, context.now);
        self.pump(context);
    }

    /// Takes charge of the started program, and of its cgroup if it has one, or of the error.
    pub fn adopt(
        &mut self,
        spawned: Result<(Spawned, Option<Box<Containment>>), SpawnError>,
        context: &mut Context<'_>,
    ) {
        match spawned {
            Ok((spawned, containment)) => {
                let mut running = Running::new(spawned, containment, self.id);
                if let Err(error) = running.watch(context.poller, context.now) {
                    context.shortage = Some(("wait for a program", errno_of(&error)));
                }
                if !self.session.has_stdin() {
                    running.close_stdin();
                }
                self.program = Some(running.pid());
                let reads = running.stdin().is_some();
                self.running = Some(Box::new(running));
                self.session.handle(Input::Launched, context.now);
                if !reads {
                    // As if the program had closed it. If it was at its end already, nothing changes.
                    self.session.handle(Input::StdinClosed, context.now);
                }
                self.pump(context);
            }
            Err(error) => self.refuse(error, context),
        }
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

    /// The number of its program's process, also after its end.
    pub fn program(&self) -> Option<i32> {
        self.program
    }

    /// What its program cost, once that has ended.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }

    /// The number of its program, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.running.as_deref().map(Running::pid)
    }

    /// Sends a signal to the group of the program. `None`: there is no program.
    pub fn kill(&self, signal: i32) -> Option<Result<i32, Errno>> {
        let running = self.running.as_ref()?;
        Some(running.kill(signal).map(|()| running.pid()))
    }

    /// Hands the session a fact that concerns no descriptor.
    pub fn inform(&mut self, input: Input, context: &mut Context<'_>) {
        // Bytes in a pipe at the end of a wait still count.
        self.tries.output_read = [true; 2];
        self.session.handle(input, context.now);
        let look_at = self.running.as_deref().and_then(Running::poll_timeout);
        if look_at.is_some_and(|at| at <= context.now) {
            self.look(context);
        }
        self.pump(context);
    }

    /// One of the descriptors is ready.
    pub fn ready(&mut self, ready: Ready, part: Part, context: &mut Context<'_>) {
        if let Some(running) = &mut self.running {
            running.fired(part);
        }
        match part {
            Part::Client => self.client_ready(ready, context.now),
            Part::Process => self.process_ready(context),
            Part::Stdin => self.tries.stdin_write = true,
            Part::Stdout => self.tries.output_read[Stream::Stdout as usize] = true,
            Part::Stderr => self.tries.output_read[Stream::Stderr as usize] = true,
        }
        self.pump(context);
    }

    fn client_ready(&mut self, ready: Ready, now: Instant) {
        self.client.fired();
        // After the reply the rest is read to its end, or the client would see a reset.
        if ready.hangup && self.session.is_active() {
            self.session.handle(Input::ClientGone, now);
        }
        self.tries.client_read |= ready.readable;
        self.tries.client_write |= ready.writable;
    }

    fn process_ready(&mut self, context: &mut Context<'_>) {
        // The pipes first: mostly they are at end-of-file now.
        self.read_outputs(context);
        self.look(context);
    }

    /// Looks whether the program has ended.
    fn look(&mut self, context: &Context<'_>) {
        let is_stopping = self.session.is_stopping();
        let Some(running) = &mut self.running else {
            return;
        };
        if let Some(input) = running.look(is_stopping, context.poller, context.now) {
            self.cost = running.cost();
            self.session.handle(input, context.now);
        }
    }

    /// The limit of its cgroup that its program has met.
    pub fn limit(&self) -> Option<&'static str> {
        self.limit
    }

    /// Closes everything. The program must have ended before. Returns the cgroup, if it had one.
    pub fn close(mut self) -> Option<Box<Containment>> {
        self.reap();
        self.left.containment
    }
}
