//! What one connection does next: the state machine between a client and its program.
//!
//! A session is told what happened ([`Session::handle`]), stores that one fact, and lets
//! `settle` draw all consequences. The caller then takes actions until there are none
//! ([`Session::poll_action`]), watches what [`Session::interest`] names, and comes back at
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
//! | `Waiting` | its turn, its clone or its exec is yet to come | `Started`, `SpawnFailed` |
//! | `Running` | runs | `Exited` |
//! | `Exited` | is a zombie that pins its process group's number | `Action::Reap` |
//! | `Gone` | has been reaped, or never was | |
//!
//! | reply | means | leaves by |
//! |---|---|---|
//! | `Streaming` | output goes to the client as it comes | the verdict |
//! | `Ended` | the last pair is in the buffer | all of it sent |
//! | `Shut` | our writing side is shut down, the client may still send | its end, or the linger timer |
//!
//! A program that must end (`stopping`) gets SIGTERM for its group, and SIGKILL after the
//! kill timeout. Its leader is reaped last: before that, whatever is left of the group
//! gets SIGKILL, so that a number is never signalled after it may belong to a stranger.

pub mod policy;
pub mod timers;
pub mod verdict;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::policy::{GIVE_UP, Limits};
use self::timers::{Timer, Timers};
use self::verdict::{Fault, exit_pair};
use crate::program::{Arguments, Exit, SpawnError, Stream};
use crate::wire::buffer::{Buffer, CAPACITY, Pool};
use crate::wire::exec::{Decoded, Decoder, HEADER_MAX, PAIR_MAX, output_header, pair};

/// A reply holds no more than one pair of this size, so that it leaves in one send.
const REPLY_MAX: usize = PAIR_MAX;

/// Below this much room no further output is read into a reply that waits.
const ROOM_MIN: usize = 4096;

/// How much of a program's name goes into an error message.
const NAME_MAX: usize = 1024;

/// How much of an argument list goes into the log.
const TITLE_MAX: usize = 256;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// So many bytes came into [`Session::inbox`].
    ClientSent(usize),
    /// The client has shut down its writing side.
    ClientEnded,
    /// The client has hung up, or its socket failed.
    ClientGone,
    /// The program executes.
    Started,
    /// The program was not started. After a failed exec its process is still to exit.
    SpawnFailed(SpawnError, ProcessLeft),
    /// The program has ended; its process is a zombie.
    Exited(Exit),
    /// So many bytes came into [`Session::outbox`].
    Output(Stream, usize),
    /// Nothing more can be read from an output at the moment.
    OutputDry(Stream),
    /// An output is at its end.
    OutputEnded(Stream),
    /// The program has taken so many bytes of [`Session::stdin`].
    StdinTaken(usize),
    /// Nobody reads the program's standard input any more.
    StdinClosed,
    /// So many bytes of [`Session::reply`] were sent.
    ReplySent(usize),
    /// Time has passed.
    Time,
    /// The server stops: whatever runs must end.
    Stop,
    /// The server stops, and does not wait for anything that can be had without.
    StopNow,
}

/// Whether a program that was not started leaves a process behind that must be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessLeft {
    /// There is one, which will exit at once.
    Yes,
    /// There never was one.
    No,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the program.
    Spawn(Arguments),
    /// Close the program's standard input.
    CloseStdin,
    /// Send SIGTERM to the program's process group. Where no process has been made yet,
    /// answer with [`SpawnError::Cancelled`].
    Terminate,
    /// Send SIGKILL to the program's process group.
    Kill,
    /// Take the zombie, and close what is left of its outputs.
    Reap,
    /// Leave the process, which does not end, to whoever reaps strays.
    Abandon,
    /// Shut down the writing side of the client's socket.
    ShutdownReply,
    /// Close the client's socket.
    CloseClient,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Bytes from the client.
    pub client_read: bool,
    /// Room towards the client.
    pub client_write: bool,
    /// Room in the program's standard input.
    pub stdin_write: bool,
    /// Bytes from the program, by [`Stream`].
    pub output_read: [bool; 2],
}

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

/// What there is to tell of a request.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The arguments, escaped and cut; empty when no request was complete.
    pub title: String,
    /// How the program itself ended.
    pub exit: Option<Exit>,
    /// Why the reply did not end with that.
    pub fault: Option<Fault>,
    /// The client went away before its reply was complete.
    pub disconnected: bool,
    /// The client left without a word, as those do that only look whether a server is there.
    pub silent: bool,
    /// The connection met its deadline.
    pub late: bool,
    /// Bytes of output, by [`Stream`].
    pub bytes_out: [u64; 2],
    /// Bytes of standard input that the program has taken.
    pub bytes_in: u64,
    /// From acceptance to now.
    pub duration: Duration,
}

/// One client and its program.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    accepted: Instant,
    client: Client,
    program: Program,
    reply_state: Reply,
    stopping: Stopping,
    decoder: Decoder,
    /// What the client sent and nobody has taken yet: the rest of a request, or standard
    /// input in its framing.
    inbox: Buffer,
    /// How many bytes at the front of the inbox are standard input.
    stdin_ready: usize,
    /// The client has said all of its standard input.
    stdin_complete: bool,
    /// The program's standard input is open on our side.
    stdin_open: bool,
    stdin_bytes: u64,
    reply: Buffer,
    outputs: [Output; 2],
    /// Nobody waits for the end of the outputs any more: what can be read now is all.
    released: bool,
    late: bool,
    fault: Option<Fault>,
    exit: Option<Exit>,
    disconnected: bool,
    /// The client has not sent a byte.
    silent: bool,
    name: Vec<u8>,
    title: String,
    timers: Timers,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session for a connection that was accepted at `now`.
    pub fn new(limits: Limits, now: Instant) -> Self {
        let mut timers = Timers::default();
        if let Some(timeout) = limits.timeout {
            timers.set(Timer::Deadline, now + timeout);
        }
        Self {
            decoder: Decoder::new(limits.request_max),
            limits,
            accepted: now,
            client: Client::Open,
            program: Program::None,
            reply_state: Reply::Streaming,
            stopping: Stopping::No,
            inbox: Buffer::new(),
            stdin_ready: 0,
            stdin_complete: false,
            stdin_open: false,
            stdin_bytes: 0,
            reply: Buffer::new(),
            outputs: [Output::default(); 2],
            released: false,
            late: false,
            fault: None,
            exit: None,
            disconnected: false,
            silent: true,
            name: Vec::new(),
            title: String::new(),
            timers,
            actions: VecDeque::new(),
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
            Input::ClientEnded => {
                if self.client == Client::Open {
                    self.client = Client::Ended;
                    if self.listens() {
                        self.finish_input();
                    }
                }
            }
            Input::ClientGone => self.lose_client(),
            Input::Started => {
                if self.program == Program::Waiting {
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
            Input::Output(stream, n) => self.frame(stream, n),
            Input::OutputDry(stream) => self.outputs[stream as usize].dry = true,
            Input::OutputEnded(stream) => self.outputs[stream as usize].ended = true,
            Input::StdinTaken(n) => {
                self.take_stdin(n);
                self.stdin_bytes += n as u64;
            }
            Input::StdinClosed => self.close_stdin(),
            Input::ReplySent(n) => self.reply.consume(n),
            Input::Time => {
                while let Some(timer) = self.timers.take_due(now) {
                    self.expire(timer, now);
                }
            }
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
            Timer::Deadline => {
                self.late = true;
                match self.program {
                    Program::None => {
                        let limit = self.limits.timeout.unwrap_or_default();
                        self.fault.get_or_insert(Fault::RequestLate(limit));
                    }
                    // What holds an output has held the reply long enough.
                    Program::Exited => self.release(),
                    Program::Waiting | Program::Running | Program::Gone => {}
                }
                self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
            }
            Timer::Kill => {
                if self.lives() && self.stopping < Stopping::Killed {
                    self.actions.push_back(Action::Kill);
                    self.stopping = Stopping::Killed;
                }
                self.release();
                self.timers.set(Timer::GiveUp, now + GIVE_UP);
            }
            Timer::GiveUp if matches!(self.program, Program::Waiting | Program::Running) => {
                self.fault.get_or_insert(Fault::Stuck(GIVE_UP));
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
            Program::Waiting | Program::Running | Program::Exited
        )
    }

    fn settle(&mut self, now: Instant) {
        self.decode();
        let unwanted = self.client == Client::Gone || self.late || self.faulty();
        if unwanted && self.program != Program::None {
            self.stop(now);
        }
        if self.stdin_open
            && self.stdin_ready == 0
            && (self.stdin_complete || self.exit.is_some() || self.stopping > Stopping::No)
        {
            self.close_stdin();
        }
        if self.reply_state == Reply::Streaming {
            self.conclude();
        }
        self.settle_process();
        self.settle_reply(now);
        if !self.is_active() {
            for timer in [Timer::Deadline, Timer::Kill, Timer::GiveUp] {
                self.timers.stop(timer);
            }
        }
    }

    /// Whether something other than a failed start is wrong: that one ends by itself.
    fn faulty(&self) -> bool {
        !matches!(self.fault, None | Some(Fault::Spawn(_)))
    }

    /// Takes what can be taken from the inbox.
    fn decode(&mut self) {
        while self.listens() && self.stdin_ready == 0 && !self.inbox.is_empty() {
            match self.decoder.poll(self.inbox.bytes()) {
                Err(error) => self.fault = Some(Fault::Wire(error)),
                Ok((used, found)) => {
                    self.inbox.consume(used);
                    match found {
                        Decoded::More => {}
                        Decoded::Request(arguments) => self.begin(arguments),
                        Decoded::Stdin(n) => {
                            self.stdin_ready = n;
                            if !self.stdin_open {
                                self.take_stdin(n);
                            }
                        }
                        Decoded::End => self.stdin_complete = true,
                    }
                }
            }
        }
        if !self.listens() {
            self.inbox.clear();
            self.stdin_ready = 0;
        }
    }

    fn begin(&mut self, arguments: Arguments) {
        let program = arguments.program();
        self.name = program[..program.len().min(NAME_MAX)].to_vec();
        self.title = title(&arguments);
        self.program = Program::Waiting;
        self.stdin_open = true;
        self.actions.push_back(Action::Spawn(arguments));
    }

    /// The client will send nothing more.
    fn finish_input(&mut self) {
        debug_assert!(self.inbox.is_empty(), "read only into an empty inbox");
        match self.decoder.finish() {
            Ok(()) => self.stdin_complete = true,
            Err(error) => self.fault = Some(Fault::Wire(error)),
        }
    }

    fn take_stdin(&mut self, n: usize) {
        self.decoder.advance(n);
        self.inbox.consume(n);
        self.stdin_ready -= n;
    }

    fn close_stdin(&mut self) {
        if std::mem::take(&mut self.stdin_open) {
            self.actions.push_back(Action::CloseStdin);
            let ready = self.stdin_ready;
            if ready > 0 {
                self.take_stdin(ready);
            }
        }
    }

    /// Puts the header before `n` bytes of output that were read into the outbox.
    fn frame(&mut self, stream: Stream, n: usize) {
        let output = &mut self.outputs[stream as usize];
        output.bytes += n as u64;
        output.dry = false;
        if self.discards() {
            return;
        }
        let (header, length) = output_header(stream, n);
        self.reply
            .commit_framed(HEADER_MAX, &header[..length], n, b',');
    }

    /// Makes the program end, if there is one: politely.
    fn stop(&mut self, now: Instant) {
        if self.program == Program::None {
            self.fault.get_or_insert(Fault::Stopping);
        }
        if !self.lives() || self.stopping > Stopping::No {
            return;
        }
        self.stopping = Stopping::Terminated;
        self.actions.push_back(Action::Terminate);
        self.timers.stop(Timer::Deadline);
        self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
    }

    /// Ends the reply, when there is no more to wait for.
    fn conclude(&mut self) {
        let Some(exit) = self.verdict() else { return };
        if self.client == Client::Gone {
            return;
        }
        if let Some(fault) = self.fault {
            let mut reason = b"sockexec: ".to_vec();
            if self.program != Program::None {
                reason.extend_from_slice(&self.name);
                reason.extend_from_slice(b": ");
            }
            reason.extend_from_slice(format!("{fault}\n").as_bytes());
            self.reply.append(&pair("stderr", &reason));
        }
        self.reply.append(&exit_pair(exit, self.limits.termsig));
        self.reply_state = Reply::Ended;
    }

    /// What the last pair is to say, once that is certain.
    fn verdict(&self) -> Option<Exit> {
        let outputs_done = self
            .outputs
            .iter()
            .all(|output| output.ended || (self.released && output.dry));
        match (self.fault, self.program) {
            (Some(fault @ Fault::Spawn(_)), _) => Some(fault.exit()),
            (Some(fault), Program::None) => Some(fault.exit()),
            (fault, Program::Exited | Program::Gone) if outputs_done => {
                fault.map(Fault::exit).or(self.exit)
            }
            _ => None,
        }
    }

    /// Reaps a program that has ended, as soon as nothing more hangs on its number.
    fn settle_process(&mut self) {
        if self.program != Program::Exited {
            return;
        }
        let spawn_failed = matches!(self.fault, Some(Fault::Spawn(_)));
        let outputs_ended = self.outputs.iter().all(|output| output.ended);
        let killed = self.stopping == Stopping::Killed
            && (self.reply_state != Reply::Streaming || self.client == Client::Gone);
        if !(spawn_failed || outputs_ended || killed) {
            return;
        }
        // The last moment at which the number is certainly ours.
        if self.stopping == Stopping::Terminated {
            self.actions.push_back(Action::Kill);
        }
        self.program = Program::Gone;
        self.actions.push_back(Action::Reap);
    }

    fn settle_reply(&mut self, now: Instant) {
        if self.client == Client::Gone {
            self.reply.clear();
            return;
        }
        if self.reply_state == Reply::Ended && self.reply.is_empty() {
            self.reply_state = Reply::Shut;
            self.actions.push_back(Action::ShutdownReply);
            self.timers.set(Timer::Linger, now + self.limits.linger);
        }
        if self.reply_state == Reply::Shut && self.client == Client::Ended {
            self.lose_client();
        }
    }

    /// The client has gone, or goes now.
    fn lose_client(&mut self) {
        if self.client != Client::Gone {
            self.client = Client::Gone;
            self.disconnected = self.reply_state != Reply::Shut;
            self.reply.clear();
            self.timers.stop(Timer::Linger);
            self.actions.push_back(Action::CloseClient);
        }
    }

    /// Output is read only to be thrown away.
    fn discards(&self) -> bool {
        self.client == Client::Gone || self.reply_state != Reply::Streaming
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The moment at which [`Input::Time`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What to wait for.
    pub fn interest(&self) -> Interest {
        let room = self.discards() || self.room() > 0;
        Interest {
            client_read: self.client == Client::Open && self.inbox.is_empty(),
            client_write: self.client != Client::Gone && !self.reply.is_empty(),
            stdin_write: self.stdin_open && self.stdin_ready > 0,
            output_read: self
                .outputs
                .map(|output| !output.ended && room && self.lives()),
        }
    }

    /// How many bytes of output may be read next.
    fn room(&self) -> usize {
        match REPLY_MAX.saturating_sub(self.reply.len()) {
            room if room < ROOM_MIN => 0,
            room if self.reply.is_empty() => room,
            // What is held plus this pair, header and all, still leaves in one send.
            room => room - HEADER_MAX - 1,
        }
    }

    /// Whether the program's standard input is still to be had.
    pub fn has_stdin(&self) -> bool {
        self.stdin_open
    }

    /// Whether the program was told to end, and its process group is still to be dealt with.
    pub fn is_stopping(&self) -> bool {
        self.stopping > Stopping::No
    }

    /// Where bytes from the client go.
    pub fn inbox(&mut self) -> &mut [u8] {
        self.inbox.spare()
    }

    /// Where bytes from the program go, as many as may come.
    pub fn outbox(&mut self) -> &mut [u8] {
        let room = if self.discards() {
            ROOM_MIN
        } else {
            self.room()
        };
        // What is thrown away is never committed, so it disturbs nothing that waits here.
        &mut self.reply.spare()[HEADER_MAX..HEADER_MAX + room]
    }

    /// The bytes that the program's standard input takes next.
    pub fn stdin(&self) -> &[u8] {
        &self.inbox.bytes()[..self.stdin_ready]
    }

    /// The bytes that the client gets next: whole pairs, unless a send was cut short.
    pub fn reply(&self) -> &[u8] {
        self.reply.bytes()
    }

    /// Gives the buffers storage for what is about to come.
    pub fn lend(&mut self, pool: &mut Pool) {
        pool.lend(&mut self.inbox);
        pool.lend(&mut self.reply);
    }

    /// Gives back the storage of empty buffers.
    pub fn take_back(&mut self, pool: &mut Pool) {
        pool.take_back(&mut self.inbox);
        pool.take_back(&mut self.reply);
    }

    /// Whether the session counts against the limit of connections: it has a client that
    /// waits for a reply, or a process.
    pub fn is_active(&self) -> bool {
        self.lives() || (self.client != Client::Gone && self.reply_state != Reply::Shut)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.client == Client::Gone && !self.lives()
    }

    /// A word for the state, for those who look on.
    pub fn state(&self) -> &'static str {
        match (self.program, self.stopping, self.reply_state) {
            (Program::None, _, Reply::Streaming) => "request",
            (Program::Waiting, Stopping::No, _) => "starting",
            (Program::Running, Stopping::No, _) => "running",
            (Program::Exited, Stopping::No, _) => "draining",
            (Program::Waiting | Program::Running | Program::Exited, _, _) => "stopping",
            (_, _, Reply::Shut) => "lingering",
            _ => "replying",
        }
    }

    /// What there is to tell.
    pub fn summary(&self, now: Instant) -> Summary {
        Summary {
            title: self.title.clone(),
            exit: self.exit,
            fault: self.fault,
            disconnected: self.disconnected,
            silent: self.silent && !self.late,
            late: self.late,
            bytes_out: self.outputs.map(|output| output.bytes),
            bytes_in: self.stdin_bytes,
            duration: now.saturating_duration_since(self.accepted),
        }
    }

    /// What always holds.
    fn check(&self) {
        assert!(self.inbox.len() <= CAPACITY && self.stdin_ready <= self.inbox.len());
        assert!(self.reply.len() <= REPLY_MAX + HEADER_MAX + 1 + NAME_MAX + 512);
        assert!(self.actions.len() <= 8, "{:?}", self.actions);
        assert!(self.exit.is_none() || matches!(self.program, Program::Exited | Program::Gone));
        assert!(self.client != Client::Gone || self.reply.is_empty());
        assert!(self.stopping == Stopping::No || self.program != Program::None);
        if self.is_active() && self.stopping > Stopping::No && self.lives() {
            assert!(self.timers.next().is_some(), "every wait is bounded");
        }
    }
}

/// The arguments as one line, escaped and cut.
fn title(arguments: &Arguments) -> String {
    let mut title = String::new();
    for argument in arguments.iter() {
        if !title.is_empty() {
            title.push(' ');
        }
        let cut = &argument[..argument.len().min(TITLE_MAX + 1)];
        let plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\".contains(b);
        if !cut.is_empty() && cut.iter().all(plain) {
            title.extend(cut.iter().map(|&b| char::from(b)));
        } else {
            title.push('"');
            title.extend(cut.escape_ascii().map(char::from));
            title.push('"');
        }
        if title.len() > TITLE_MAX {
            title.truncate(TITLE_MAX);
            title.push_str("...");
            break;
        }
    }
    title
}
