//! What one connection does next: the state machine between a client and its program.
//!
//! A session is told what happened ([`Session::handle`]), stores that one fact, and lets
//! `settle` draw all consequences. The caller then takes actions until there are none
//! ([`Session::poll_action`]), passes on what the server is asked for
//! ([`Session::poll_ask`]), watches what [`Session::interest`] names, and comes back at
//! [`Session::poll_timeout`] with [`Input::Time`]. Spurious calls do nothing. A session makes
//! no system call, reads no clock and never logs.
//!
//! # States
//!
//! Three facets, each with its own states; what happens depends on all of them.
//!
//! | client | means |
//! |---|---|
//! | `Open` | may send and receive |
//! | `Ended` | has shut down its writing side |
//! | `Gone` | has hung up, or was closed by us |
//!
//! | program | means | leaves by |
//! |---|---|---|
//! | `None` | the request is not complete | a request |
//! | `Waiting` | was asked for, and has no process yet | `Launched`, `SpawnFailed`, `Ask::Withdraw` |
//! | `Launched` | has a process, whose exec is yet to come | `Started`, `SpawnFailed` and `Exited` |
//! | `Running` | runs | `Exited` |
//! | `Exited` | is a zombie that pins its process group's number | `Action::Reap` |
//! | `Gone` | has been reaped, or never was | |
//!
//! | reply | means | leaves by |
//! |---|---|---|
//! | `Streaming` | output goes to the client, or is kept, as it comes; commands are answered | the verdict |
//! | `Ended` | all that is to be sent is there | all of it sent |
//! | `Shut` | our writing side is shut down, the client may still send | its end, or the linger timer |
//!
//! The protocols differ in what a request is, which [`Codec`] tells, and in what the reply
//! is: exec streams output, sockproc keeps it until the end (`collect`), and a control
//! connection has no program at all and may ask again (`command`).
//!
//! A program that must end (`stopping`) gets SIGTERM for its group, and SIGKILL after the
//! kill timeout. Its leader is reaped last: before that, whatever is left of the group
//! gets SIGKILL, so that a number is never signalled after it may belong to a stranger.

mod collect;
mod command;
mod event;
mod excerpt;
mod flow;
mod inbox;
mod outgoing;
pub mod policy;
mod settle;
mod summary;
pub mod timers;
pub mod verdict;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use self::collect::Kept;
pub use self::event::{Action, Ask, Input, ProcessLeft, Trouble};
pub use self::excerpt::Excerpt;
pub use self::flow::Interest;
use self::flow::REPLY_MAX;
use self::inbox::Inbox;
use self::outgoing::Complete;
pub use self::outgoing::Piece;
use self::policy::{GIVE_UP, Limits};
pub use self::summary::{JobState, Summary};
use self::timers::{Timer, Timers};
use self::verdict::Fault;
use crate::program::Exit;
use crate::wire::buffer::Buffer;
use crate::wire::exec::{self, HEADER_MAX};
use crate::wire::{Codec, Protocol, WireError, control, sockproc};

/// How much of a program's name goes into an error message.
const NAME_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Open,
    Ended,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    None,
    Waiting,
    Launched,
    Running,
    Exited,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Streaming,
    Ended,
    Shut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    No,
    Terminated,
    Killed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Output {
    ended: bool,
    /// Nothing could be read at the last attempt, and the program has exited.
    dry: bool,
    bytes: u64,
}

/// One client and its program.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    limits: Limits,
    accepted: Instant,
    client: Client,
    program: Program,
    reply_state: Reply,
    stopping: Stopping,
    codec: Codec,
    /// What the client sent and nobody has taken yet: the rest of a request, or standard
    /// input in its framing.
    inbox: Inbox,
    /// What is wrong behind the standard input that is ready, which comes first.
    malformed: Option<WireError>,
    /// The client has said all of its standard input.
    stdin_complete: bool,
    /// The program's standard input is open on our side.
    stdin_open: bool,
    stdin_bytes: u64,
    reply: Buffer,
    /// What goes out after that, where a reply is made as a whole.
    tail: Complete,
    outputs: [Output; 2],
    kept: [Kept; 2],
    /// A command is being carried out.
    commanded: bool,
    first_output: Option<Instant>,
    /// Nobody waits for the end of the outputs any more: what can be read now is all.
    released: bool,
    late: bool,
    fault: Option<Fault>,
    exit: Option<Exit>,
    disconnected: bool,
    /// The program has ended, and its exit status is somebody else's for now.
    held: bool,
    /// Nothing can be received from the client. It is closed late, as any other: its last
    /// bytes are still there, and to close at once could take the reply from it.
    deaf: bool,
    /// To send has failed at the last attempt.
    send_failed: bool,
    /// The client has not sent a byte.
    silent: bool,
    name: Vec<u8>,
    excerpt: Excerpt,
    /// What the arguments take, in bytes, from the last of them to the program's start.
    arguments: usize,
    timers: Timers,
    actions: VecDeque<Action>,
    /// What the server is asked for. There is never more than one thing.
    ask: Option<Ask>,
}

impl Session {
    /// A session for a connection that was accepted at `now`.
    pub fn new(protocol: Protocol, limits: Limits, now: Instant) -> Self {
        let mut timers = Timers::default();
        let (codec, deadline) = match protocol {
            Protocol::Exec => (
                Codec::Exec(exec::Decoder::new(limits.request_max)),
                limits.timeout,
            ),
            Protocol::Sockproc => (
                Codec::Sockproc(sockproc::Decoder::new(limits.request_max)),
                limits.timeout,
            ),
            Protocol::Control => (
                Codec::Control(control::Decoder::new(limits.control_message_max)),
                Some(limits.control_idle),
            ),
        };
        if let Some(deadline) = deadline {
            timers.set(Timer::Deadline, now + deadline);
        }
        if protocol != Protocol::Control {
            timers.set(Timer::Request, now + limits.request_timeout);
        }
        Self {
            protocol,
            codec,
            limits,
            accepted: now,
            client: Client::Open,
            program: Program::None,
            reply_state: Reply::Streaming,
            stopping: Stopping::No,
            inbox: Inbox::default(),
            malformed: None,
            stdin_complete: false,
            stdin_open: false,
            stdin_bytes: 0,
            reply: Buffer::new(),
            tail: Complete::default(),
            outputs: [Output::default(); 2],
            kept: Default::default(),
            commanded: false,
            first_output: None,
            released: false,
            late: false,
            fault: None,
            exit: None,
            disconnected: false,
            held: false,
            deaf: false,
            send_failed: false,
            silent: true,
            name: Vec::new(),
            excerpt: Excerpt::default(),
            arguments: 0,
            timers,
            actions: VecDeque::new(),
            ask: None,
        }
    }

    /// Takes a fact and draws the consequences.
    ///
    /// # Panics
    ///
    /// When the fact cannot be, such as more bytes than there was room for.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.store(input, now);
        self.settle(now);
        if cfg!(debug_assertions) {
            self.check();
        }
    }

    fn store(&mut self, input: Input, now: Instant) {
        match input {
            Input::ClientSent(n) => {
                self.silent = false;
                self.inbox.commit(n);
                if !self.listens() {
                    self.inbox.clear();
                }
            }
            Input::ClientPassedDescriptors => {
                if self.listens() {
                    self.fault = Some(Fault::Wire(WireError::Descriptors));
                }
                if self.client == Client::Open {
                    self.client = Client::Ended;
                }
            }
            Input::ClientEnded => {
                if self.client == Client::Open {
                    self.client = Client::Ended;
                    if self.listens() {
                        self.finish_input();
                    }
                }
            }
            Input::ClientGone => self.lose_client(),
            Input::Launched => {
                if self.program == Program::Waiting {
                    self.program = Program::Launched;
                }
            }
            Input::Started => {
                if self.program == Program::Launched {
                    self.program = Program::Running;
                }
            }
            Input::SpawnFailed(error, left) => {
                self.fault.get_or_insert(Fault::Spawn(error));
                if left == ProcessLeft::No {
                    self.program = Program::Gone;
                    self.close_outputs();
                }
            }
            Input::Exited(exit) => {
                self.program = Program::Exited;
                if !matches!(self.fault, Some(Fault::Spawn(_))) {
                    self.exit = Some(exit);
                }
            }
            Input::Held => self.held = true,
            Input::Output(stream, n) => {
                self.first_output.get_or_insert(now);
                self.take_output(stream, n);
            }
            Input::OutputDry(stream) => self.outputs[stream as usize].dry = true,
            Input::OutputEnded(stream) => self.outputs[stream as usize].ended = true,
            Input::StdinTaken(n) => {
                self.inbox.consume(n);
                self.stdin_bytes += n as u64;
            }
            Input::StdinClosed => self.close_stdin(),
            Input::ReplySent(n) => {
                self.send_failed = false;
                self.consume_reply(n);
            }
            Input::Spooled(stream) => self.spooled(stream),
            Input::SpoolFailed(errno) => self.spool_failed(Fault::Spool(errno)),
            Input::SpoolsFull(limit) => self.spool_failed(Fault::SpoolTotal(limit)),
            Input::Answered { answer, close } => self.answered(answer, close),
            Input::NoMemory => self.lack_memory(),
            Input::Failed(trouble, errno) => self.fail(trouble, errno),
            Input::Stranger => {
                self.fault.get_or_insert(Fault::Stranger);
            }
            Input::Crowded(limit) => {
                self.fault.get_or_insert(Fault::Crowded(limit));
            }
            Input::Timeout(timeout) => self.limit_time(timeout),
            Input::Time => {
                while let Some(timer) = self.timers.take_due(now) {
                    self.expire(timer, now);
                }
            }
            Input::Stop | Input::StopNow if self.protocol == Protocol::Control => self.dismiss(),
            Input::Stop => {
                self.stop(now);
                self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
            }
            Input::StopNow => {
                self.stop(now);
                self.expire(Timer::Kill, now);
                if self.reply_state == Reply::Shut {
                    self.lose_client();
                }
            }
        }
    }

    fn expire(&mut self, timer: Timer, now: Instant) {
        self.timers.stop(timer);
        match timer {
            Timer::Deadline if self.protocol == Protocol::Control => self.silent_too_long(),
            Timer::Deadline => {
                self.late = true;
                match self.program {
                    Program::None => {
                        let limit = self.limits.timeout.unwrap_or_default();
                        self.fault.get_or_insert(Fault::RequestLate(limit));
                    }
                    // What holds an output has held the reply long enough.
                    Program::Exited => self.release(),
                    Program::Waiting | Program::Launched | Program::Running | Program::Gone => {}
                }
                self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
            }
            Timer::Request => {
                if self.program == Program::None {
                    self.late = true;
                    let limit = self.limits.request_timeout;
                    self.fault.get_or_insert(Fault::RequestTimeout(limit));
                    self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
                }
            }
            Timer::Kill => {
                if self.lives() && self.stopping < Stopping::Killed {
                    self.actions.push_back(Action::Kill);
                    self.stopping = Stopping::Killed;
                }
                self.release();
                self.timers.set(Timer::GiveUp, now + GIVE_UP);
            }
            Timer::GiveUp if matches!(self.program, Program::Launched | Program::Running) => {
                self.fault.get_or_insert(match self.held {
                    true => Fault::Held,
                    false => Fault::Stuck(GIVE_UP),
                });
                self.program = Program::Gone;
                self.actions.push_back(Action::Abandon);
                self.close_outputs();
                // Once more the same time for the client to take the rest of its reply.
                self.timers.set(Timer::GiveUp, now + GIVE_UP);
            }
            Timer::GiveUp => {
                // The client takes nothing.
                self.close_outputs();
                if self.reply_state != Reply::Shut {
                    self.lose_client();
                }
            }
            Timer::Linger => self.lose_client(),
        }
    }

    /// Something does not work any more: the program is to end, and the client to hear why,
    /// as far as there is a way.
    fn fail(&mut self, trouble: Trouble, errno: Errno) {
        let told = self.reply_state != Reply::Streaming;
        if !told {
            self.fault.get_or_insert(Fault::System(trouble, errno));
        }
        match trouble {
            Trouble::Receive if self.reply_state == Reply::Shut => self.lose_client(),
            Trouble::Receive => self.deaf = true,
            Trouble::Send if std::mem::replace(&mut self.send_failed, true) => self.lose_client(),
            Trouble::Output(stream) => self.outputs[stream as usize].ended = true,
            Trouble::Stdin => self.close_stdin(),
            Trouble::Spooled => {
                // What it has been told cannot be taken back: it finds that bytes are missing.
                self.fault.get_or_insert(Fault::System(trouble, errno));
                self.lose_client();
            }
            Trouble::Exit => self.program = Program::Exited,
            Trouble::Send | Trouble::Wait | Trouble::Peer => {}
        }
    }

    /// Nothing more can come from the program.
    fn close_outputs(&mut self) {
        for output in &mut self.outputs {
            output.ended = true;
        }
    }

    /// From now on the reply waits for no output that stays open; what can be read, it gets.
    fn release(&mut self) {
        self.released = true;
        for output in &mut self.outputs {
            output.dry = false;
        }
    }

    /// Whether what the client sends still means something.
    fn listens(&self) -> bool {
        self.fault.is_none()
            && self.reply_state == Reply::Streaming
            && self.client != Client::Gone
            && self.exit.is_none()
    }

    /// Whether there is, or may soon be, a process.
    fn lives(&self) -> bool {
        matches!(
            self.program,
            Program::Waiting | Program::Launched | Program::Running | Program::Exited
        )
    }

    fn close_stdin(&mut self) {
        if std::mem::take(&mut self.stdin_open) {
            self.actions.push_back(Action::CloseStdin);
            self.inbox.drop_ready();
        }
    }

    /// The client has gone, or goes now.
    fn lose_client(&mut self) {
        if self.client != Client::Gone {
            self.client = Client::Gone;
            self.disconnected = self.reply_state != Reply::Shut;
            self.reply.clear();
            self.tail.clear();
            self.drop_kept();
            self.timers.stop(Timer::Linger);
            self.actions.push_back(Action::CloseClient);
        }
    }

    /// Output is read only to be thrown away.
    fn discards(&self) -> bool {
        self.client == Client::Gone || self.reply_state != Reply::Streaming
    }

    /// The connection may last so long.
    fn limit_time(&mut self, timeout: Option<Duration>) {
        self.limits.timeout = timeout;
        if self.stopping == Stopping::No && self.is_active() {
            match timeout {
                Some(timeout) => self.timers.set(Timer::Deadline, self.accepted + timeout),
                None => self.timers.stop(Timer::Deadline),
            }
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is asked of the server next.
    pub fn poll_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    /// The moment at which [`Input::Time`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What always holds.
    fn check(&self) {
        self.inbox.check();
        assert!(self.reply.len() <= REPLY_MAX + HEADER_MAX + 1 + NAME_MAX + 512);
        assert!(self.actions.len() <= 8, "{:?}", self.actions);
        assert!(self.exit.is_none() || matches!(self.program, Program::Exited | Program::Gone));
        assert!(self.client != Client::Gone || (self.reply.is_empty() && self.tail.is_empty()));
        assert!(self.protocol == Protocol::Sockproc || self.kept.iter().all(Kept::is_empty));
        assert!(self.protocol != Protocol::Control || self.program == Program::None);
        assert!(self.stopping == Stopping::No || self.program != Program::None);
        if self.is_active() && self.stopping > Stopping::No && self.lives() {
            assert!(self.timers.next().is_some(), "every wait is bounded");
        }
    }
}
