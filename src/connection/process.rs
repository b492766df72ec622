//! The program of a connection: its process and our ends of its pipes.
//!
//! Takes charge of a program that was started, looks whether it has ended, signals its group
//! and takes the zombie. What that means is the session's to say.

use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use super::{Connection, Context, errno_of};
use crate::os::launch::Spawned;
use crate::os::poller::{Part, Token, Watched};
use crate::os::process::Process;
use crate::program::{SpawnError, Stream};
use crate::session::{Input, ProcessLeft, Trouble};

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
    pub(super) look: Option<Look>,
    pub(super) stdin: Option<Watched>,
    pub(super) outputs: [Option<Output>; 2],
}

/// When to look whether the program has ended, where the poller does not tell.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
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

impl Connection {
    /// The number of its program's process, also after its end.
    pub fn program(&self) -> Option<i32> {
        self.program
    }

    /// The number of its program, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.running.as_ref().map(|r| r.process.pid().as_raw())
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
    pub fn adopt(&mut self, job: Result<Spawned, Errno>, context: &mut Context<'_>) {
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
            Ok(running) => {
                self.program = Some(running.process.pid().as_raw());
                self.running = Some(running);
                self.session.handle(Input::Launched, context.now);
            }
            Err(errno) => {
                let failed = Input::SpawnFailed(SpawnError::Start(errno), ProcessLeft::No);
                self.session.handle(failed, context.now);
            }
        }
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

    pub(super) fn process_ready(&mut self, context: &mut Context<'_>) {
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
    pub(super) fn look(&mut self, context: &Context<'_>) {
        let Some(running) = &mut self.running else {
            return;
        };
        // Then nobody will ask for its group any more, and it can be reaped at once.
        let over = running.outputs.iter().all(Option::is_none) && !self.session.is_stopping();
        let exit = match over {
            true => running.process.take_exit(),
            false => running.process.peek_exit(),
        };
        let input = match exit {
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

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
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
    pub(super) fn reap(&mut self) {
        if let Some(Running { process, pidfd, .. }) = self.running.take() {
            self.stray = process.reap().err().map(|process| Stray { process, pidfd });
        }
    }

    pub(super) fn abandon(&mut self) {
        self.reap();
        if let Some(stray) = &self.stray {
            log::warn!(
                "connection {}: process {} does not end, its end is no longer waited for",
                self.id,
                stray.process.pid()
            );
        }
    }
}
