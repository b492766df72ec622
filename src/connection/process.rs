//! The program of a connection: its process and our ends of its pipes.
//!
//! Checks whether it has ended, signals its group and reaps the zombie. The session decides about
//! the consequences.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::id::ConnectionId;
use crate::os::cgroup::{Cgroup, Usage};
use crate::os::launch::Spawned;
use crate::os::poller::{Part, Poller, Token, Watched};
use crate::os::process::Process;
use crate::program::{Cost, Exit, Stream};
use crate::session::{Input, Interest, Trouble};

/// The size of a pipe for a program that fills its pipe: more passes at a time.
const LARGE_PIPE: i32 = 256 * 1024;

/// The maximum number of pipes of that size. The kernel counts the memory of all pipes of
/// a user, and gives smaller ones to a user that has too much.
const LARGE_PIPES_MAX: usize = 32;

/// The shortest and the longest interval of checks for the end of a program that its tracer has
/// seen first.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// A process that has not ended although it was killed, and whose connection is gone.
#[derive(Debug)]
pub struct Orphan {
    /// The process.
    pub process: Process,
    /// Readable when it has ended.
    pub pidfd: Watched,
}

/// The cgroup of a job.
#[derive(Debug)]
pub struct Containment {
    /// The cgroup.
    pub cgroup: Cgroup,
    /// Whether processes in it may live on when the program has ended by itself.
    pub detach: bool,
    /// Whether none was left at the program's end.
    pub empty: bool,
}

/// What a program leaves to the server when it is over. Boxed, since an idle connection has room for
/// it too.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// A process that is still there.
    pub(super) orphan: Option<Box<Orphan>>,
    /// Its cgroup. All that was in it is killed, unless it may live on.
    pub(super) containment: Option<Box<Containment>>,
}

/// A program that runs, or is about to.
#[derive(Debug)]
pub(super) struct Running {
    id: ConnectionId,
    process: Process,
    pidfd: Watched,
    look: Option<Look>,
    stdin: Option<Watched>,
    outputs: [Option<OutputPipe>; 2],
    containment: Option<Box<Containment>>,
}

/// When to check whether the program has ended, if the poller does not report it.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// The interval after that.
    pause: Duration,
}

/// Our end of the pipe of an output.
#[derive(Debug)]
pub(super) struct OutputPipe {
    pipe: Watched,
    /// Counts it, if it is a large one.
    large: Option<Rc<()>>,
}

impl OutputPipe {
    /// Makes the pipe larger, the first time, while there are not too many of that kind.
    pub(super) fn enlarge(&mut self, large_pipes: &Rc<()>) {
        if self.large.is_none() && Rc::strong_count(large_pipes) <= LARGE_PIPES_MAX {
            self.large = Some(Rc::clone(large_pipes));
            // One that stays small works as well.
            let _ = fcntl(self.pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(LARGE_PIPE));
        }
    }
}

impl AsFd for OutputPipe {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Running {
    /// Takes charge of a started program. From now on the poller reports its end or, if the poller
    /// cannot, the clock.
    pub(super) fn new(
        spawned: Spawned,
        containment: Option<Box<Containment>>,
        id: ConnectionId,
    ) -> Self {
        let watch = |fd, part| Watched::new(fd, Token::Connection(id, part));
        let output = |fd, part| {
            Some(OutputPipe {
                pipe: watch(fd, part),
                large: None,
            })
        };
        let [stdout, stderr] = spawned.outputs;
        Self {
            id,
            process: spawned.process,
            pidfd: watch(spawned.pidfd, Part::Process),
            look: None,
            stdin: spawned.stdin.map(|stdin| watch(stdin, Part::Stdin)),
            outputs: [output(stdout, Part::Stdout), output(stderr, Part::Stderr)],
            containment,
        }
    }

    /// Has the poller report its end.
    ///
    /// # Errors
    ///
    /// When that cannot be. The clock takes the poller's place then.
    pub(super) fn watch(&mut self, poller: &Poller, now: Instant) -> io::Result<()> {
        let armed = self.pidfd.arm(poller, true, false);
        self.look = armed.is_err().then(|| Look {
            at: now + LOOK_MAX,
            pause: LOOK_MAX,
        });
        armed
    }

    /// The number of its process.
    pub(super) fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    /// What it cost, once its end has been seen.
    pub(super) fn cost(&self) -> Option<Cost> {
        self.process.cost()
    }

    /// When to look whether it has ended.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look.as_ref().map(|look| look.at)
    }

    /// The event of one of its descriptors has come.
    pub(super) fn fired(&mut self, part: Part) {
        let [stdout, stderr] = &mut self.outputs;
        let watched = match part {
            Part::Client => None,
            Part::Process => Some(&mut self.pidfd),
            Part::Stdin => self.stdin.as_mut(),
            Part::Stdout => stdout.as_mut().map(|output| &mut output.pipe),
            Part::Stderr => stderr.as_mut().map(|output| &mut output.pipe),
        };
        if let Some(watched) = watched {
            watched.fired();
        }
    }

    pub(super) fn arm(&mut self, poller: &Poller, interest: &Interest) -> io::Result<()> {
        if let Some(stdin) = self.stdin.as_mut().filter(|_| interest.stdin_write) {
            stdin.arm(poller, false, true)?;
        }
        for (output, wanted) in self.outputs.iter_mut().zip(interest.output_read) {
            if let Some(output) = output.as_mut().filter(|_| wanted) {
                output.pipe.arm(poller, true, false)?;
            }
        }
        Ok(())
    }

    /// Its standard input, until it is closed.
    pub(super) fn stdin(&self) -> Option<&Watched> {
        self.stdin.as_ref()
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// One of its outputs, until it is closed.
    pub(super) fn output(&mut self, stream: Stream) -> Option<&mut OutputPipe> {
        self.outputs[stream as usize].as_mut()
    }

    pub(super) fn close_output(&mut self, stream: Stream) {
        self.outputs[stream as usize] = None;
    }

    /// Checks whether it has ended. `is_stopping`: its group must still be signalled.
    ///
    /// Mostly the poller has just reported it. If there is no exit status then, a tracer has seen
    /// the end first, and will release the process without a further event: so the clock
    /// determines the next check.
    pub(super) fn look(
        &mut self,
        is_stopping: bool,
        poller: &Poller,
        now: Instant,
    ) -> Option<Input> {
        // Then its group is not needed any more, and it can be reaped at once.
        let over = self.outputs.iter().all(Option::is_none) && !is_stopping;
        let exit = match over {
            true => self.process.take_exit(),
            false => self.process.peek_exit(),
        };
        let before = self.look.take();
        match exit {
            Ok(Some(exit)) => {
                self.note_exit(exit);
                Some(Input::Exited(exit))
            }
            Err(errno) if self.process.is_gone() => Some(Input::Failed(Trouble::Exit, errno)),
            unknown => {
                let held = self.pidfd.is_readable();
                if !held && self.pidfd.arm(poller, true, false).is_ok() {
                    return None;
                }
                let pause = before.map_or(LOOK_MIN, |look| look.pause * 2);
                let pause = pause.min(LOOK_MAX);
                let at = now + pause;
                self.look = Some(Look { at, pause });
                (held && unknown.is_ok()).then_some(Input::Held)
            }
        }
    }

    /// It may be the program itself that has killed all in its cgroup.
    fn note_exit(&self, exit: Exit) {
        let was_killed = matches!(exit, Exit::Signal { number, .. } if number == libc::SIGKILL);
        if let Some(containment) = self.containment.as_ref().filter(|_| was_killed) {
            containment.cgroup.spoil();
        }
    }

    /// Sends a signal to its group, and SIGKILL to all processes in its cgroup.
    pub(super) fn kill(&self, signal: i32) -> Result<(), Errno> {
        let sent = self.process.signal_group(signal);
        if let Some(containment) = self
            .containment
            .as_ref()
            .filter(|_| signal == libc::SIGKILL)
        {
            containment.cgroup.kill_all();
        }
        sent
    }

    /// Sends a signal to its group, because it must end; with SIGKILL nothing in its cgroup stays.
    pub(super) fn signal(&mut self, signal: Signal) {
        let (id, pid) = (self.id, self.pid());
        log::debug!("connection {id}: {signal} to group {pid}");
        if let Err(errno) = self.kill(signal as i32) {
            log::warn!("connection {id}: {signal} to group {pid}: {}", errno.desc());
        }
        let Some(containment) = &mut self.containment else {
            return;
        };
        containment.detach = false;
    }

    /// What all processes in its cgroup have used, when it is over.
    pub(super) fn take_usage(&self) -> Option<Usage> {
        self.containment.as_ref()?.cgroup.take_usage().ok()
    }

    /// Kills what the program has left in its cgroup, unless that may live on: before the client
    /// has the end of its reply.
    pub(super) fn finish(&mut self) {
        if let Some(containment) = &mut self.containment {
            // Killed by command, it has not ended by itself.
            containment.detach &= !containment.cgroup.was_killed();
            containment.empty = containment.cgroup.finish(containment.detach);
        }
    }

    /// Closes all pipes and reaps the zombie. Returns what is left.
    pub(super) fn reap(self) -> Left {
        let Self {
            process,
            pidfd,
            containment,
            ..
        } = self;
        let orphan = process.reap().err();
        Left {
            orphan: orphan.map(|process| Box::new(Orphan { process, pidfd })),
            containment,
        }
    }
}
