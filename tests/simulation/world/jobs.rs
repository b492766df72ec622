//! A small world around one session: a client, a program and a clock that do what chance,
//! or a fuzzer, says. After each step it checks what must always hold, and at the end
//! that everything came to one. Used by the simulation and by the fuzz target.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use sockexec::program::{Exit, SpawnError, Stream};
use sockexec::session::policy::{GIVE_UP, Limits};
use sockexec::session::{Action, Input, Piece, ProcessLeft, Session};
use sockexec::wire::Protocol;
use sockexec::wire::netstring;

/// How much a pipe of this world holds.
const PIPE: usize = 64 * 1024;

/// Where chance comes from.
pub trait Chance {
    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: usize) -> usize;

    /// True about once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Launch {
    Pending,
    Runs,
    Failed,
}

#[derive(Debug)]
struct Program {
    launch: Launch,
    /// How it has ended, told or not.
    exit: Option<Exit>,
    exit_told: bool,
    ignores_term: bool,
    /// Does not even end by SIGKILL.
    stuck: bool,
    /// Something outside of the group holds the outputs.
    held_outside: bool,
    pipes: [Vec<u8>; 2],
    written: [Vec<u8>; 2],
    writers_gone: bool,
    end_told: [bool; 2],
    stdin: Vec<u8>,
    stdin_refused: bool,
    reaped: bool,
}

/// One session and what is around it.
#[derive(Debug)]
pub struct World<C> {
    chance: C,
    session: Session,
    begin: Instant,
    now: Instant,
    limits: Limits,
    /// What the client still has to send.
    unsent: Vec<u8>,
    sent: usize,
    stdin: Vec<u8>,
    well_formed: bool,
    client_ended: bool,
    client_gone: bool,
    received: Vec<u8>,
    program: Option<Program>,
    spawned: bool,
    stdin_closed: bool,
    shut: bool,
    closed: bool,
    stopped: bool,
    steps: usize,
}

impl<C: Chance> World<C> {
    /// A world in which nothing has happened yet.
    pub fn new(mut chance: C) -> Self {
        let begin = Instant::now();
        let limits = Limits {
            timeout: Some(Duration::from_secs(60)).filter(|_| !chance.once_in(4)),
            request_max: 4096,
            ..Limits::default()
        };
        let (unsent, stdin, well_formed) = request(&mut chance);
        Self {
            chance,
            session: Session::new(Protocol::Exec, limits.clone(), begin),
            begin,
            now: begin,
            limits,
            unsent,
            sent: 0,
            stdin,
            well_formed,
            client_ended: false,
            client_gone: false,
            received: Vec::new(),
            program: None,
            spawned: false,
            stdin_closed: false,
            shut: false,
            closed: false,
            stopped: false,
            steps: 0,
        }
    }

    /// Lets `steps` things happen, then lets everybody finish, and checks the outcome.
    pub fn live(mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.check();
            if self.session.is_done() {
                break;
            }
        }
        self.finish();
        self.check_outcome();
    }

    fn step(&mut self) {
        self.steps += 1;
        match self.chance.below(32) {
            0..=5 => self.client_sends(),
            6 => self.client_ends(),
            7 if self.chance.once_in(20) => self.client_hangs_up(),
            8..=12 => self.client_receives(),
            13..=14 => self.launch_ends(),
            15..=18 => self.program_writes(),
            19..=22 => self.server_reads(),
            23..=24 => self.program_reads(),
            25 => self.program_exits(),
            26 => self.others_close(),
            27..=28 => self.time_passes(),
            29 if self.chance.once_in(40) => self.stop(),
            _ => self.spurious(),
        }
    }

    fn handle(&mut self, input: Input) {
        self.session.handle(input, self.now);
        while let Some(action) = self.session.poll_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(arguments) => {
                assert!(!self.spawned, "spawned twice");
                assert!(arguments.count() > 0);
                self.spawned = true;
                if self.chance.once_in(16) {
                    self.handle(Input::SpawnFailed(
                        SpawnError::Start(Errno::EAGAIN),
                        ProcessLeft::No,
                    ));
                    return;
                }
                self.program = Some(Program {
                    launch: Launch::Pending,
                    exit: None,
                    exit_told: false,
                    ignores_term: self.chance.once_in(4),
                    stuck: self.chance.once_in(16),
                    held_outside: self.chance.once_in(4),
                    pipes: [Vec::new(), Vec::new()],
                    written: [Vec::new(), Vec::new()],
                    writers_gone: false,
                    end_told: [false; 2],
                    stdin: Vec::new(),
                    stdin_refused: false,
                    reaped: false,
                });
            }
            Action::CloseStdin => {
                assert!(!self.stdin_closed, "standard input closed twice");
                self.stdin_closed = true;
            }
            Action::Terminate => self.signal(15),
            Action::Kill => self.signal(9),
            Action::Reap => {
                let program = self.program.as_mut().expect("reaped something");
                assert!(program.exit.is_some() && program.exit_told && !program.reaped);
                program.reaped = true;
            }
            Action::Abandon => {
                let program = self.program.as_mut().expect("abandoned something");
                assert!(!program.exit_told && !program.reaped);
                program.reaped = true;
            }
            Action::Command(_) | Action::Spool(_) => unreachable!("exec asks for neither"),
            Action::ShutdownReply => {
                assert!(!self.shut && !self.closed && self.reply().is_empty());
                self.shut = true;
            }
            Action::CloseClient => {
                assert!(!self.closed, "closed twice");
                self.closed = true;
            }
        }
    }

    fn signal(&mut self, number: i32) {
        assert!(self.spawned, "a signal to nobody");
        let Some(program) = &mut self.program else {
            return;
        };
        assert!(
            !program.reaped,
            "a signal to a number that may be a stranger's"
        );
        let deaf = program.stuck || (number == 15 && program.ignores_term);
        if !deaf {
            program.exit.get_or_insert(Exit::Signal {
                number,
                dumped: false,
            });
            program.writers_gone |= !program.held_outside;
        }
    }

    fn client_sends(&mut self) {
        if self.client_ended || self.client_gone || !self.session.interest().client_read {
            return;
        }
        let left = self.unsent.len() - self.sent;
        if left == 0 {
            return;
        }
        let most = left.min(self.session.inbox().len());
        let n = match self.chance.below(4) {
            0 => 1,
            1 => most,
            _ => 1 + self.chance.below(most),
        };
        let from = self.sent;
        self.session.inbox()[..n].copy_from_slice(&self.unsent[from..from + n]);
        self.sent += n;
        self.handle(Input::ClientSent(n));
    }

    fn client_ends(&mut self) {
        let early = self.sent < self.unsent.len() && !self.chance.once_in(30);
        if !early && !self.client_ended && self.session.interest().client_read {
            self.client_ended = true;
            self.handle(Input::ClientEnded);
        }
    }

    fn client_hangs_up(&mut self) {
        self.client_gone = true;
        self.handle(Input::ClientGone);
    }

    fn reply(&self) -> &[u8] {
        match self.session.reply() {
            Piece::Bytes(bytes) => bytes,
            Piece::Spooled { .. } => unreachable!("exec keeps no output"),
        }
    }

    fn client_receives(&mut self) {
        if self.client_gone || !self.session.interest().client_write {
            return;
        }
        let length = self.reply().len();
        let n = match self.chance.below(3) {
            0 => 1 + self.chance.below(length),
            _ => length,
        };
        let received = self.reply()[..n].to_vec();
        self.received.extend_from_slice(&received);
        self.handle(Input::ReplySent(n));
    }

    fn launch_ends(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if program.launch != Launch::Pending {
            return;
        }
        if program.exit.is_none() && self.chance.once_in(10) {
            program.launch = Launch::Failed;
            program.exit = Some(Exit::Code(127));
            program.writers_gone = true;
            self.handle(Input::SpawnFailed(
                SpawnError::Exec(Errno::ENOENT),
                ProcessLeft::Yes,
            ));
        } else {
            program.launch = Launch::Runs;
            self.handle(Input::Started);
        }
    }

    fn program_writes(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if program.launch != Launch::Runs || program.writers_gone {
            return;
        }
        let stream = self.chance.below(2);
        let room = PIPE - program.pipes[stream].len();
        let most = if self.chance.once_in(3) { PIPE } else { 100 };
        let n = self.chance.below(most.min(room) + 1);
        let first = program.written[stream].len();
        let bytes: Vec<u8> = (first..first + n).map(|i| (i % 251) as u8).collect();
        program.pipes[stream].extend_from_slice(&bytes);
        program.written[stream].extend_from_slice(&bytes);
    }

    fn server_reads(&mut self) {
        let stream = Stream::BOTH[self.chance.below(2)];
        let which = stream as usize;
        let Some(program) = &mut self.program else {
            return;
        };
        if !self.session.interest().output_read[which] || program.end_told[which] {
            return;
        }
        let room = self.session.outbox();
        assert!(!room.is_empty(), "interest without room");
        let n = room.len().min(program.pipes[which].len());
        if n > 0 {
            room[..n].copy_from_slice(&program.pipes[which][..n]);
            program.pipes[which].drain(..n);
            self.handle(Input::Output(stream, n));
        } else if program.writers_gone {
            program.end_told[which] = true;
            self.handle(Input::OutputEnded(stream));
        } else {
            self.handle(Input::OutputDry(stream));
        }
    }

    fn program_reads(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if !self.session.interest().stdin_write {
            return;
        }
        if program.stdin_refused || (program.writers_gone && program.exit.is_some()) {
            self.handle(Input::StdinClosed);
            return;
        }
        if program.launch != Launch::Runs {
            return;
        }
        if self.chance.once_in(20) {
            program.stdin_refused = true;
            return;
        }
        let bytes = self.session.stdin();
        let n = 1 + self.chance.below(bytes.len());
        program.stdin.extend_from_slice(&bytes[..n]);
        self.handle(Input::StdinTaken(n));
    }

    fn program_exits(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if program.launch == Launch::Pending && program.exit.is_none() {
            return;
        }
        if program.exit.is_none() {
            if program.stuck {
                return;
            }
            program.exit = Some(Exit::Code(self.chance.below(256) as i32));
            program.writers_gone |= !self.chance.once_in(5);
        }
        if let Some(exit) = program.exit
            && !program.exit_told
            && !program.reaped
        {
            if program.launch == Launch::Pending {
                program.launch = Launch::Runs;
                self.handle(Input::Started);
            }
            if let Some(program) = &mut self.program {
                program.exit_told = true;
            }
            self.handle(Input::Exited(exit));
        }
    }

    /// Whatever else holds the outputs lets go.
    fn others_close(&mut self) {
        if let Some(program) = &mut self.program
            && program.exit.is_some()
            && self.chance.once_in(3)
        {
            program.writers_gone = true;
        }
    }

    fn time_passes(&mut self) {
        let step = match self.chance.below(4) {
            0 => self
                .session
                .poll_timeout()
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now)),
            _ => Duration::from_millis(self.chance.below(3000) as u64),
        };
        self.now += step;
        self.handle(Input::Time);
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.handle(Input::Stop);
    }

    fn spurious(&mut self) {
        self.handle(Input::Time);
    }

    fn check(&self) {
        let interest = self.session.interest();
        if self.closed || self.client_gone {
            assert!(!interest.client_read && !interest.client_write);
        }
        if self.shut {
            assert!(self.reply().is_empty(), "a reply after its end");
        }
        if self.stdin_closed {
            assert!(!interest.stdin_write, "standard input after its end");
        }
        let program = self.program.as_ref();
        assert!(
            self.session.poll_timeout().is_some()
                || self.limits.timeout.is_none()
                || self.session.is_done(),
            "a wait without a bound"
        );
        // What counts as standard input of a broken request is anybody's guess.
        if let Some(program) = program.filter(|_| self.well_formed) {
            assert!(
                self.stdin.starts_with(&program.stdin),
                "other standard input"
            );
        }
    }

    /// Everybody does what is left to do. A stuck program stays stuck; where no deadline
    /// ends the wait for it, the client loses patience.
    fn finish(&mut self) {
        for round in 0..40_000 {
            if self.session.is_done() {
                return;
            }
            if round == 4000 && self.limits.timeout.is_none() && !self.client_gone {
                self.client_hangs_up();
            }
            self.sent_or_end();
            self.launch_ends();
            self.program_reads();
            for _ in 0..4 {
                self.server_reads();
            }
            if !self.client_gone {
                self.client_receives();
            }
            if self.chance.once_in(50) {
                self.program_exits();
            }
            if self.chance.once_in(200) {
                self.time_passes();
            }
            self.check();
        }
        panic!("never ends: {:?} {:?}", self.session, self.program);
    }

    fn sent_or_end(&mut self) {
        if self.sent < self.unsent.len() {
            self.client_sends();
        } else {
            self.client_ends();
        }
    }

    fn check_outcome(&self) {
        assert!(self.closed);
        if let Some(program) = &self.program {
            assert!(program.reaped, "left unreaped");
        }
        if let Some(timeout) = self.limits.timeout {
            // The longest way: deadline, SIGKILL, giving up, the client's rest, lingering;
            // and each step of the clock may go too far.
            let most = timeout + self.limits.kill_timeout + GIVE_UP * 2 + self.limits.linger;
            assert!(
                self.now - self.begin <= most + Duration::from_secs(30),
                "{:?}",
                self.now - self.begin
            );
        }
        if !self.shut {
            return;
        }
        let reply = Reply::parse(&self.received);
        let summary = self.session.summary(self.now);
        if let (Some(program), None, Some(exit)) = (&self.program, summary.fault, summary.exit) {
            let ending = match exit {
                Exit::Code(code) => ("exitcode".to_owned(), code.to_string()),
                Exit::Signal { number, .. } => ("termsig".to_owned(), number.to_string()),
            };
            assert_eq!(reply.ending, ending);
            for (got, written) in reply.outputs.iter().zip(&program.written) {
                assert!(written.starts_with(got), "other output");
                let hurried = summary.late || self.stopped;
                assert!(got == written || hurried, "output is missing");
            }
        } else {
            assert!(summary.fault.is_some() || !self.well_formed);
            assert!(
                reply.outputs[1].ends_with(b"\n"),
                "a fault without a reason"
            );
        }
    }
}

/// A request, its standard input, and whether it is well formed.
fn request(chance: &mut impl Chance) -> (Vec<u8>, Vec<u8>, bool) {
    let (mut bytes, mut stdin) = (Vec::new(), Vec::new());
    let argc = 1 + chance.below(4);
    netstring::encode(&mut bytes, argc.to_string().as_bytes());
    for _ in 0..argc {
        let n = chance.below(20);
        netstring::encode(&mut bytes, &vec![b'a'; n]);
    }
    for _ in 0..chance.below(5) {
        let most = if chance.once_in(4) { 200_000 } else { 50 };
        let chunk: Vec<u8> = (0..=chance.below(most)).map(|i| (i % 249) as u8).collect();
        netstring::encode(&mut bytes, &chunk);
        stdin.extend_from_slice(&chunk);
    }
    if chance.once_in(2) {
        netstring::encode(&mut bytes, b"");
        if chance.once_in(4) {
            bytes.extend_from_slice(b"what comes after the end");
        }
    }
    let broken = chance.once_in(5);
    if broken {
        let at = chance.below(bytes.len());
        bytes[at] = b"x:,0\0"[chance.below(5)];
    }
    (bytes, stdin, !broken)
}

struct Reply {
    outputs: [Vec<u8>; 2],
    ending: (String, String),
}

impl Reply {
    /// Panics unless `bytes` are pairs, of which exactly the last one is an ending.
    fn parse(bytes: &[u8]) -> Self {
        let mut strings = Vec::new();
        let mut decoder = netstring::Decoder::new();
        let (mut rest, mut current) = (bytes, Vec::new());
        loop {
            let (used, token) = decoder.poll(rest).expect("a reply of netstrings");
            rest = &rest[used..];
            match token {
                netstring::Token::More => break,
                netstring::Token::Begin(_) => {}
                netstring::Token::Payload(n) => {
                    current.extend_from_slice(&rest[..n]);
                    decoder.advance(n);
                    rest = &rest[n..];
                }
                netstring::Token::End => strings.push(std::mem::take(&mut current)),
            }
        }
        assert!(decoder.at_boundary() && strings.len() % 2 == 0);
        let mut outputs = [Vec::new(), Vec::new()];
        let mut ending = None;
        for pair in strings.chunks(2) {
            assert!(ending.is_none(), "something after the ending");
            match &pair[0][..] {
                b"stdout" => outputs[0].extend_from_slice(&pair[1]),
                b"stderr" => outputs[1].extend_from_slice(&pair[1]),
                kind => {
                    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                    ending = Some((text(kind), text(&pair[1])));
                }
            }
        }
        Self {
            outputs,
            ending: ending.expect("an ending"),
        }
    }
}
