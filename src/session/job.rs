//! The program that a request asks for: how far it has come, what it has said and taken, and how
//! it is to end. There is a new one for each request.
//!
//! See the table of the module above for its states. A job knows nothing of the client.

use super::event::{JobState, ProcessLeft};
use super::excerpt::Excerpt;
use super::output::Outputs;
use super::stdin::Stdin;
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

/// How the program was made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stopping {
    No,
    Terminated,
    Killed,
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
    stage: Stage,
    stopping: Stopping,
    pub(super) stdin: Stdin,
    pub(super) outputs: Outputs,
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
            stage: Stage::Waiting,
            stopping: Stopping::No,
            stdin: Stdin::new(),
            outputs: Outputs::default(),
            exit: None,
            held: false,
            fault: None,
        }
    }
}

/// What happens to it.
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

    /// Its process has ended, and nobody knows how.
    pub(super) fn exit_unknown(&mut self) {
        self.stage = Stage::Exited;
    }

    /// Its process has ended, and one that traces it has not let go of it.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Something is wrong. What was wrong first counts.
    pub(super) fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Keeps bytes of an output, as many as may be kept of `most`.
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

    /// There is no place for more output.
    pub(super) fn keep_no_more(&mut self, fault: Fault) {
        self.blame(fault);
        self.outputs.refuse();
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
        if self.stage == Stage::Waiting {
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

    /// Waits no longer for the end of a process, if it has not ended yet.
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

    /// Closes standard input, if nobody reads it.
    pub(super) fn close_refused_stdin(&mut self) -> bool {
        self.stdin.is_refused() && self.stdin.close()
    }

    /// Closes standard input, all of which was written, if no more is to come.
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
        // The last moment at which the number is certainly ours.
        let kill = self.stopping == Stopping::Terminated;
        Some(Reaping { kill })
    }

    /// There is no process, and will be none.
    fn vanish(&mut self) {
        self.stage = Stage::Gone;
        self.outputs.end_all();
    }
}

/// What is known of it.
impl Job {
    /// Whether there is, or may soon be, a process.
    pub(super) fn lives(&self) -> bool {
        match self.stage {
            Stage::Waiting | Stage::Launched | Stage::Running | Stage::Exited => true,
            Stage::Gone => false,
        }
    }

    /// Whether the program was made to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping > Stopping::No
    }

    /// Whether the process is a zombie that is not reaped.
    pub(super) fn is_zombie(&self) -> bool {
        self.stage == Stage::Exited
    }

    /// How far it has come, while there is a process or may soon be.
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
        match self.stage {
            // A fault without a status of its own leaves the program's.
            Stage::Exited | Stage::Gone if self.outputs.are_done() => self
                .fault
                .as_ref()
                .and_then(Fault::exit)
                .or(self.exit)
                .or(Some(KILLED)),
            _ => None,
        }
    }

    /// Which outputs may still give something.
    #[inline]
    pub(super) fn open_outputs(&self) -> [bool; 2] {
        match self.lives() {
            true => self.outputs.open(),
            false => [false; 2],
        }
    }

    /// How many bytes its arguments take, until it runs.
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

    /// What always holds; `kept`: its output is kept.
    pub(super) fn check(&self, kept: bool) {
        assert!(self.exit.is_none() || matches!(self.stage, Stage::Exited | Stage::Gone));
        assert!(kept || self.outputs.keep_nothing());
    }
}
