//! The program of a connection: its process and our ends of its pipes.
//!
//! It is taken charge of, looked at whether it has ended, signalled, and its zombie taken. What
//! that means is the session's to say.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::Context;
use super::trouble::errno_of;
use crate::id::ConnectionId;
use crate::os::launch::Spawned;
use crate::os::poller::{Part, Token, Watched};
use crate::os::process::Process;
use crate::session::{Input, Trouble};

/// The size of a pipe for a program that fills what it has: a quarter more of output passes.
const LARGE_PIPE: i32 = 256 * 1024;

/// How many pipes of that size there may be. The kernel counts the memory of all pipes of
/// a user, and gives smaller ones to a user that has too much.
const LARGE_PIPES_MAX: usize = 32;

/// How soon to look again for the end of a program that somebody else has seen end first,
/// and how seldom at most.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// A process that has not ended although it was killed.
#[derive(Debug)]
pub struct Stray {
    /// The process.
    pub process: Process,
    /// Tells when it ends.
    pub pidfd: Watched,
}

/// A program that runs, or is about to.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    pidfd: Watched,
    look: Option<Look>,
    pub(super) stdin: Option<Watched>,
    pub(super) outputs: [Option<Output>; 2],
}

/// When to look whether the program has ended, where the poller does not tell.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// How long after that once more.
    pause: Duration,
}

/// Our end of the pipe of an output.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) pipe: Watched,
    /// Counts it, if it is a large one.
    large: Option<Rc<()>>,
}

impl Output {
    /// Makes the pipe larger, the first time, while there are not too many of that kind.
    pub(super) fn enlarge(&mut self, large_pipes: &Rc<()>) {
        if self.large.is_none() && Rc::strong_count(large_pipes) <= LARGE_PIPES_MAX {
            self.large = Some(Rc::clone(large_pipes));
            // One that stays small works as well.
            let _ = fcntl(self.pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(LARGE_PIPE));
        }
    }
}

impl Running {
    /// Takes charge of a program that was started for a connection.
    pub(super) fn new(
        id: ConnectionId,
        spawned: Spawned,
        has_stdin: bool,
        context: &mut Context<'_>,
    ) -> Self {
        let mut pidfd = Watched::new(spawned.pidfd, Token::Connection(id, Part::Process));
        let look = pidfd.arm(context.poller, true, false).err().map(|error| {
            context.shortage = Some(("wait for a program", errno_of(&error)));
            Look {
                at: context.now + LOOK_MAX,
                pause: LOOK_MAX,
            }
        });
        let watch = |fd, part| Some(Watched::new(fd, Token::Connection(id, part)));
        let stdin = Some(spawned.stdin).filter(|_| has_stdin);
        let [stdout, stderr] = spawned.outputs;
        Self {
            process: spawned.process,
            pidfd,
            look,
            stdin: stdin.and_then(|stdin| watch(stdin, Part::Stdin)),
            outputs: [
                watch(stdout, Part::Stdout).map(|pipe| Output { pipe, large: None }),
                watch(stderr, Part::Stderr).map(|pipe| Output { pipe, large: None }),
            ],
        }
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    /// When to look whether it has ended, if the poller does not tell.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look.as_ref().map(|look| look.at)
    }

    /// The poller has told that it has ended.
    pub(super) fn fired(&mut self) {
        self.pidfd.fired();
    }

    /// Looks whether the program has ended.
    ///
    /// Mostly the poller has just said so. If it has and there is no exit status, a tracer has
    /// taken the end of it first, and will let go of it without a further word: so the clock
    /// says when to look again.
    pub(super) fn look(&mut self, is_stopping: bool, context: &Context<'_>) -> Option<Input> {
        // Then nobody will ask for its group any more, and it can be reaped at once.
        let over = self.outputs.iter().all(Option::is_none) && !is_stopping;
        let exit = match over {
            true => self.process.take_exit(),
            false => self.process.peek_exit(),
        };
        match exit {
            Ok(Some(exit)) => {
                self.look = None;
                Some(Input::Exited(exit))
            }
            Err(errno) if self.process.is_gone() => {
                self.look = None;
                Some(Input::Failed(Trouble::Exit, errno))
            }
            unknown => {
                let held = self.pidfd.is_readable();
                if !held && self.pidfd.arm(context.poller, true, false).is_ok() {
                    self.look = None;
                    return None;
                }
                let before = self.look.take().map(|look| look.pause * 2);
                let pause = before.unwrap_or(LOOK_MIN).min(LOOK_MAX);
                let at = context.now + pause;
                self.look = Some(Look { at, pause });
                (held && unknown.is_ok()).then_some(Input::Held)
            }
        }
    }

    /// Sends a signal to its group.
    pub(super) fn kill(&self, signal: i32) -> Result<(), Errno> {
        self.process.signal_group(signal)
    }

    /// Closes all pipes and takes the zombie. Returns the process, if there is none.
    pub(super) fn reap(self) -> Option<Stray> {
        let Self { process, pidfd, .. } = self;
        let alive = process.reap().err();
        alive.map(|process| Stray { process, pidfd })
    }
}
