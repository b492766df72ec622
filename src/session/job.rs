//! The program that a request asks for: how far it has come, what it has said and taken, and how
//! it is to end. There is a new one for each request.
//!
//! See the table of the module above for its states. A job knows nothing of the client.

use std::time::Instant;

use super::event::{JobState, ProcessLeft};
use super::excerpt::Excerpt;
use super::output::{Kept, Output};
use super::policy::GIVE_UP;
use super::verdict::{Fault, KILLED};
use crate::program::{Arguments, Exit, OutOfMemory, SpawnError, Stream};

/// How much of a program's name goes into an error message.
const NAME_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Waiting,
    Launched,
    Running,
    Exited,
    Gone,
}

/// How the program was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    No,
    Terminated,
    Killed,
}

/// Standard input, on our side.
#[derive(Debug)]
struct Stdin {
    open: bool,
    /// The client has said all of it.
    complete: bool,
    /// Nobody reads it.
    refused: bool,
    /// How many bytes the program has taken.
    bytes: u64,
}

/// What is to be done to make a program end politely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is no process yet: it is not wanted any more.
    Withdraw,
    /// Its group is to get SIGTERM.
    Terminate,
}

/// What is to be done with a process that can be reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reaping {
    /// Its group is to get SIGKILL before that.
    pub(super) kill: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Job {
    name: Vec<u8>,
    excerpt: Excerpt,
    /// What the arguments take, in bytes, until the program runs.
    arguments: usize,
    program: Program,
    stopping: Stopping,
    stdin: Stdin,
    outputs: [Output; 2],
    first_output: Option<Instant>,
    /// Nobody waits for the end of the outputs any more: what can be read now is all.
    released: bool,
    exit: Option<Exit>,
    /// The program has ended, and its exit status is somebody else's for now.
    held: bool,
    fault: Option<Fault>,
}

impl Job {
    /// A job for a program that is asked for now.
    pub(super) fn new(arguments: &Arguments) -> Self {
        let program = arguments.program();
        Self {
            name: program[..program.len().min(NAME_MAX)].to_vec(),
            excerpt: Excerpt::of(arguments),
            arguments: arguments.footprint(),
            program: Program::Waiting,
            stopping: Stopping::No,
            stdin: Stdin {
                open: true,
                complete: false,
                refused: false,
                bytes: 0,
            },
            outputs: Default::default(),
            first_output: None,
            released: false,
            exit: None,
            held: false,
            fault: None,
        }
    }
}

/// What happens to it.
impl Job {
    pub(super) fn launch(&mut self) {
        if self.program == Program::Waiting {
            self.program = Program::Launched;
        }
    }

    pub(super) fn start(&mut self) {
        if self.program == Program::Launched {
            self.program = Program::Running;
        }
    }

    /// It was not started.
    pub(super) fn fail_to_start(&mut self, fault: Fault, left: ProcessLeft) {
        self.blame(fault);
        if left == ProcessLeft::No {
            self.vanish();
        }
    }

    /// Its process has ended, and is a zombie.
    pub(super) fn exit(&mut self, exit: Exit) {
        self.program = Program::Exited;
        if !self.has_failed_to_start() {
            self.exit = Some(exit);
        }
    }

    /// Its process has ended, and nobody knows how.
    pub(super) fn exit_unknown(&mut self) {
        self.program = Program::Exited;
    }

    /// Its process has ended, and somebody who traces it has not let go of it.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Something is wrong. What was wrong first counts.
    pub(super) fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// So many bytes of an output have come.
    #[inline]
    pub(super) fn count_output(&mut self, stream: Stream, n: usize, now: Instant) {
        self.first_output.get_or_insert(now);
        self.outputs[stream as usize].count(n);
    }

    /// Keeps bytes of an output, as many as may be kept of `most`.
    pub(super) fn keep(&mut self, stream: Stream, bytes: &[u8], most: u64) {
        match self.outputs[stream as usize].keep(bytes, most) {
            Ok(true) => {}
            Ok(false) => self.blame(Fault::OutputMax {
                stream,
                limit: most,
            }),
            Err(OutOfMemory) => self.keep_no_more(Fault::NoMemory),
        }
    }

    /// There is no place for more output.
    pub(super) fn keep_no_more(&mut self, fault: Fault) {
        self.blame(fault);
        self.outputs.iter_mut().for_each(Output::refuse);
    }

    /// What was in memory of an output is in its file.
    pub(super) fn spooled(&mut self, stream: Stream) {
        self.outputs[stream as usize].spooled();
    }

    pub(super) fn run_dry(&mut self, stream: Stream) {
        self.outputs[stream as usize].run_dry();
    }

    pub(super) fn end_output(&mut self, stream: Stream) {
        self.outputs[stream as usize].end();
    }

    /// Nothing more can come from the program.
    pub(super) fn end_outputs(&mut self) {
        self.outputs.iter_mut().for_each(Output::end);
    }

    /// The program has taken so many bytes of standard input.
    pub(super) fn take_stdin(&mut self, n: usize) {
        self.stdin.bytes += n as u64;
    }

    /// The client has said all of its standard input.
    pub(super) fn complete_stdin(&mut self) {
        self.stdin.complete = true;
    }

    /// Nobody reads its standard input.
    pub(super) fn refuse_stdin(&mut self) {
        self.stdin.refused = true;
    }
}

/// What is to be done about it: each of these is true, or something, once.
impl Job {
    /// Makes the program end politely, if that was not done yet.
    pub(super) fn stop(&mut self) -> Option<Stop> {
        if !self.lives() || self.stopping > Stopping::No {
            return None;
        }
        self.stopping = Stopping::Terminated;
        if self.program == Program::Waiting {
            self.blame(Fault::Spawn(SpawnError::Cancelled));
            self.vanish();
            return Some(Stop::Withdraw);
        }
        Some(Stop::Terminate)
    }

    /// Makes the program end at once, if that was not done yet.
    pub(super) fn kill(&mut self) -> bool {
        let now = self.lives() && self.stopping < Stopping::Killed;
        if now {
            self.stopping = Stopping::Killed;
        }
        now
    }

    /// The reply waits no longer for an output that stays open; what can be read, it gets.
    pub(super) fn release(&mut self) {
        self.released = true;
        self.outputs.iter_mut().for_each(Output::wet);
    }

    /// Waits no longer for the end of a process, if it has not ended yet.
    pub(super) fn give_up(&mut self) -> bool {
        let now = matches!(self.program, Program::Launched | Program::Running);
        if now {
            self.blame(match self.held {
                true => Fault::Held,
                false => Fault::Stuck(GIVE_UP),
            });
            self.program = Program::Gone;
        }
        self.end_outputs();
        now
    }

    /// Closes standard input, if nobody reads it.
    pub(super) fn close_refused_stdin(&mut self) -> bool {
        self.stdin.refused && std::mem::take(&mut self.stdin.open)
    }

    /// Closes standard input, all of which was written, if no more is to come.
    pub(super) fn close_stdin(&mut self) -> bool {
        let over = self.stdin.complete || self.exit.is_some() || self.stopping > Stopping::No;
        over && std::mem::take(&mut self.stdin.open)
    }

    /// Whether what is in memory of an output is to go to its file.
    pub(super) fn spool(&mut self, stream: Stream, most: usize) -> bool {
        self.outputs[stream as usize].spool(most)
    }

    /// Reaps a program that has ended, as soon as nothing more hangs on its number; `told`:
    /// nobody waits for the reply any more.
    pub(super) fn reap(&mut self, told: bool) -> Option<Reaping> {
        if self.program != Program::Exited {
            return None;
        }
        let outputs_ended = self.outputs.iter().all(Output::has_ended);
        let killed = self.stopping == Stopping::Killed && told;
        if !(self.has_failed_to_start() || outputs_ended || killed) {
            return None;
        }
        self.program = Program::Gone;
        // The last moment at which the number is certainly ours.
        let kill = self.stopping == Stopping::Terminated;
        Some(Reaping { kill })
    }

    /// Takes what was kept of both outputs.
    pub(super) fn take_kept(&mut self) -> [Kept; 2] {
        self.outputs.each_mut().map(Output::take_kept)
    }

    /// There is no process, and will be none.
    fn vanish(&mut self) {
        self.program = Program::Gone;
        self.end_outputs();
    }
}

/// What is known of it.
impl Job {
    /// Whether there is, or may soon be, a process.
    pub(super) fn lives(&self) -> bool {
        match self.program {
            Program::Waiting | Program::Launched | Program::Running | Program::Exited => true,
            Program::Gone => false,
        }
    }

    /// Whether the program was told to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping > Stopping::No
    }

    /// Whether the process is a zombie that is not reaped.
    pub(super) fn is_zombie(&self) -> bool {
        self.program == Program::Exited
    }

    /// How far it has come, while there is a process or may soon be.
    pub(super) fn state(&self) -> Option<JobState> {
        match self.program {
            Program::Gone => None,
            _ if self.is_stopping() => Some(JobState::Stopping),
            Program::Waiting => Some(JobState::Waiting),
            Program::Launched => Some(JobState::Starting),
            Program::Running => Some(JobState::Running),
            Program::Exited => Some(JobState::Draining),
        }
    }

    fn has_failed_to_start(&self) -> bool {
        matches!(self.fault, Some(Fault::Spawn(_)))
    }

    /// Whether something other than a failed start is wrong: that one ends by itself.
    pub(super) fn is_faulty(&self) -> bool {
        self.fault.is_some() && !self.has_failed_to_start()
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// How the program itself has ended.
    pub(super) fn exit_status(&self) -> Option<Exit> {
        self.exit
    }

    /// What the reply is to say of the end, once that is certain.
    pub(super) fn verdict(&self) -> Option<Exit> {
        if let Some(fault @ Fault::Spawn(_)) = &self.fault {
            return fault.exit();
        }
        let outputs_done = self
            .outputs
            .iter()
            .all(|output| output.has_ended() || (self.released && output.is_dry()));
        match self.program {
            // A fault without a status of its own leaves the program's.
            Program::Exited | Program::Gone if outputs_done => self
                .fault
                .as_ref()
                .and_then(Fault::exit)
                .or(self.exit)
                .or(Some(KILLED)),
            _ => None,
        }
    }

    /// Whether its standard input is open on our side.
    #[inline]
    pub(super) fn has_stdin(&self) -> bool {
        self.stdin.open
    }

    /// Whether the client has said all of its standard input.
    pub(super) fn has_all_stdin(&self) -> bool {
        self.stdin.complete
    }

    /// Which outputs may still give something.
    #[inline]
    pub(super) fn open_outputs(&self) -> [bool; 2] {
        let lives = self.lives();
        self.outputs
            .each_ref()
            .map(|output| lives && !output.has_ended())
    }

    /// Whether any output is kept of what comes.
    pub(super) fn keeps_more(&self) -> bool {
        self.outputs.iter().any(Output::takes_more)
    }

    /// What is in memory of an output.
    pub(super) fn memory(&self, stream: Stream) -> &[u8] {
        self.outputs[stream as usize].memory()
    }

    /// How many bytes its arguments take, until it runs.
    pub(super) fn footprint(&self) -> usize {
        match self.program {
            Program::Waiting | Program::Launched => self.arguments,
            Program::Running | Program::Exited | Program::Gone => 0,
        }
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn excerpt(&self) -> &Excerpt {
        &self.excerpt
    }

    pub(super) fn bytes_in(&self) -> u64 {
        self.stdin.bytes
    }

    pub(super) fn bytes_out(&self) -> [u64; 2] {
        self.outputs.each_ref().map(Output::bytes)
    }

    pub(super) fn first_output(&self) -> Option<Instant> {
        self.first_output
    }

    /// What always holds; `kept`: its output is kept.
    pub(super) fn check(&self, kept: bool) {
        assert!(self.exit.is_none() || matches!(self.program, Program::Exited | Program::Gone));
        assert!(kept || self.outputs.iter().all(Output::keeps_nothing));
    }
}
