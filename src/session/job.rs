//! The program of a request: its state, its outputs and input, and its end. There is a new job for
//! each request.
//!
//! The table of the module above has its states. A job knows nothing of the client.

use super::event::{JobState, ProcessLeft};
use super::excerpt::Excerpt;
use super::output::Outputs;
use super::stdin::Stdin;
use super::tail::Tail;
use super::timers::GIVE_UP;
use super::verdict::{Fault, KILLED};
use crate::program::{Arguments, Exit, OutOfMemory, SpawnError, Stream};

/// How much of a program's name goes into an error message.
const NAME_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Launched,
    Running,
    Exited,
    Gone,
}

/// How the program is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    No,
    Terminated,
    Killed,
}

/// The way to end a program with SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is no process yet: the request is withdrawn.
    Withdraw,
    /// Its group gets SIGTERM.
    Terminate,
}

/// The way to reap a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reaping {
    /// Its group gets SIGKILL before that.
    pub(super) kill: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Job {
    name: Vec<u8>,
    excerpt: Excerpt,
    /// The size of the arguments in bytes, until the program runs.
    arguments: usize,
    stage: Stage,
    stopping: Stopping,
    pub(super) stdin: Stdin,
    pub(super) outputs: Outputs,
    /// The end of standard error.
    pub(super) tail: Tail,
    exit: Option<Exit>,
    /// The program has ended, and its tracer has the exit status for now.
    held: bool,
    fault: Option<Fault>,
}

impl Job {
    /// A job for a program that is requested now. `shown`: the record may have its arguments.
    pub(super) fn new(arguments: &Arguments, shown: bool) -> Self {
        let program = arguments.program();
        Self {
            name: program[..program.len().min(NAME_MAX)].to_vec(),
            excerpt: Excerpt::of(arguments, shown),
            arguments: arguments.footprint(),
            stage: Stage::Waiting,
            stopping: Stopping::No,
            stdin: Stdin::new(),
            outputs: Outputs::default(),
            tail: Tail::default(),
            exit: None,
            held: false,
            fault: None,
        }
    }
}

/// Events.
impl Job {
    pub(super) fn launch(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Launched;
        }
    }

    pub(super) fn start(&mut self) {
        if self.stage == Stage::Launched {
            self.stage = Stage::Running;
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
        self.stage = Stage::Exited;
        if !self.has_failed_to_start() {
            self.exit = Some(exit);
        }
    }

    /// Its process has ended, with an unknown exit status.
    pub(super) fn exit_unknown(&mut self) {
        self.stage = Stage::Exited;
    }

    /// Its process has ended, and its tracer has not released it.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// A fault. The first fault counts.
    pub(super) fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Keeps bytes of an output, as many as `most` permits.
    pub(super) fn keep(&mut self, stream: Stream, bytes: &[u8], most: u64) {
        match self.outputs.keep(stream, bytes, most) {
            Ok(true) => {}
            Ok(false) => self.blame(Fault::OutputMax {
                stream,
                limit: most,
            }),
            Err(OutOfMemory) => self.keep_no_more(Fault::NoMemory),
        }
    }

    /// There is no room for more output.
    pub(super) fn keep_no_more(&mut self, fault: Fault) {
        self.blame(fault);
        self.outputs.refuse();
    }
}

/// Actions: each of these returns true, or a value, once.
impl Job {
    /// Makes the program end with SIGTERM, if that was not done yet.
    pub(super) fn stop(&mut self) -> Option<Stop> {
        if !self.lives() || self.stopping > Stopping::No {
            return None;
        }
        self.stopping = Stopping::Terminated;
        if self.stage == Stage::Waiting {
            self.blame(Fault::Spawn(SpawnError::Cancelled));
            self.vanish();
            return Some(Stop::Withdraw);
        }
        Some(Stop::Terminate)
    }

    /// Makes the program end with SIGKILL, if that was not done yet.
    pub(super) fn kill(&mut self) -> bool {
        let now = self.lives() && self.stopping < Stopping::Killed;
        if now {
            self.stopping = Stopping::Killed;
        }
        now
    }

    /// Stops waiting for the end of a process, if it has not ended yet.
    pub(super) fn give_up(&mut self) -> bool {
        let now = matches!(self.stage, Stage::Launched | Stage::Running);
        if now {
            self.blame(match self.held {
                true => Fault::Held,
                false => Fault::Stuck(GIVE_UP),
            });
            self.stage = Stage::Gone;
        }
        self.outputs.end_all();
        now
    }

    /// Closes standard input, if it has no reader.
    pub(super) fn close_refused_stdin(&mut self) -> bool {
        self.stdin.is_refused() && self.stdin.close()
    }

    /// Closes standard input after its last byte was written, if it is complete.
    pub(super) fn close_stdin(&mut self) -> bool {
        let over = self.stdin.is_complete() || self.exit.is_some() || self.stopping > Stopping::No;
        over && self.stdin.close()
    }

    /// Reaps a program that has ended, as soon as nothing more hangs on its number. `is_over`:
    /// no more of its output goes into the reply.
    pub(super) fn reap(&mut self, is_over: bool) -> Option<Reaping> {
        if self.stage != Stage::Exited {
            return None;
        }
        let killed = self.stopping == Stopping::Killed && is_over;
        if !(self.has_failed_to_start() || self.outputs.have_ended() || killed) {
            return None;
        }
        self.stage = Stage::Gone;
        // The last moment at which the number is certainly the program's.
        let kill = self.stopping == Stopping::Terminated;
        Some(Reaping { kill })
    }

    /// There is no process, and will be none.
    fn vanish(&mut self) {
        self.stage = Stage::Gone;
        self.outputs.end_all();
    }
}

/// State.
impl Job {
    /// Whether there is, or may soon be, a process.
    pub(super) fn lives(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Launched | Stage::Running | Stage::Exited => true,
            Stage::Gone => false,
        }
    }

    /// Whether the program must end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping > Stopping::No
    }

    /// Whether the process is a zombie that is not reaped.
    pub(super) fn is_zombie(&self) -> bool {
        self.stage == Stage::Exited
    }

    /// Its state, while there is a process or may soon be.
    pub(super) fn state(&self) -> Option<JobState> {
        match self.stage {
            Stage::Gone => None,
            _ if self.is_stopping() => Some(JobState::Stopping),
            Stage::Waiting => Some(JobState::Waiting),
            Stage::Launched => Some(JobState::Starting),
            Stage::Running => Some(JobState::Running),
            Stage::Exited => Some(JobState::Draining),
        }
    }

    fn has_failed_to_start(&self) -> bool {
        matches!(self.fault, Some(Fault::Spawn(_)))
    }

    /// Whether there is a fault other than a failed start: that one ends by itself.
    pub(super) fn is_faulty(&self) -> bool {
        self.fault.is_some() && !self.has_failed_to_start()
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The program's own exit.
    pub(super) fn exit_status(&self) -> Option<Exit> {
        self.exit
    }

    /// The verdict of the reply, once it is certain.
    pub(super) fn verdict(&self) -> Option<Exit> {
        if let Some(fault @ Fault::Spawn(_)) = &self.fault {
            return fault.exit();
        }
        match self.stage {
            // A fault without a status of its own keeps the program's.
            Stage::Exited | Stage::Gone if self.outputs.are_done() => self
                .fault
                .as_ref()
                .and_then(Fault::exit)
                .or(self.exit)
                .or(Some(KILLED)),
            _ => None,
        }
    }

    /// The outputs that may still have bytes.
    #[inline]
    pub(super) fn open_outputs(&self) -> [bool; 2] {
        match self.lives() {
            true => self.outputs.open(),
            false => [false; 2],
        }
    }

    /// The size of its arguments in bytes, until it runs.
    pub(super) fn footprint(&self) -> usize {
        match self.stage {
            Stage::Waiting | Stage::Launched => self.arguments,
            Stage::Running | Stage::Exited | Stage::Gone => 0,
        }
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn excerpt(&self) -> &Excerpt {
        &self.excerpt
    }

    /// The invariants; `kept`: its output is kept.
    pub(super) fn check(&self, kept: bool) {
        assert!(self.exit.is_none() || matches!(self.stage, Stage::Exited | Stage::Gone));
        assert!(kept || self.outputs.keep_nothing());
    }
}
