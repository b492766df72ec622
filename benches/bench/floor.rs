//! The floors: the same work, done bare.
//!
//! Nothing here knows of the server. A loop that spawns and reaps, a pipe that is read or
//! written to its end, a thread that passes bytes between a socket and the pipes of a
//! program: no server can be faster, and our figures are divided by these.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitPidFlag;

use crate::PATIENCE;
use crate::procfs;
use crate::spawn::{LaunchBuffer, Pipes, Primitive, Program};

/// How long a loop of spawns goes on.
#[derive(Clone, Copy, Debug)]
pub enum Until<'a> {
    /// This number of programs.
    Count(usize),
    /// Until this is true.
    Told(&'a AtomicBool),
}

impl Until<'_> {
    /// True when one more may be started after `started`.
    pub fn wants_more(self, started: usize) -> bool {
        match self {
            Self::Count(count) => started < count,
            Self::Told(stop) => !stop.load(Ordering::Relaxed),
        }
    }
}

/// What a loop of spawns came to.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Programs a second.
    pub rate: f64,
    /// Processor time of the parent for each, in microseconds.
    pub processor: f64,
}

/// One program after the other; how long each took.
pub fn one_by_one(
    how: Primitive,
    program: &Rc<Program>,
    count: usize,
) -> io::Result<Vec<Duration>> {
    let mut buffer = LaunchBuffer::new(program);
    let mut rest = Vec::new();
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let mut pipes = buffer.start(how)?;
        drop(pipes.stdin);
        pipes.stdout.read_to_end(&mut rest)?;
        pipes.stderr.read_to_end(&mut rest)?;
        buffer.reap(WaitPidFlag::empty())?;
        samples.push(begin.elapsed());
        expect_silence(&rest)?;
    }
    Ok(samples)
}

fn expect_silence(output: &[u8]) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let text = output.escape_ascii();
    Err(io::Error::other(format!("a bare child wrote \"{text}\"")))
}

/// Where the signal of a child's end is read. [`block_sigchld`] must have been called.
const SIGNALS: u64 = u64::MAX;

/// Blocks SIGCHLD in this thread and those that it starts, so that it can be read.
pub fn block_sigchld() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGCHLD).thread_block()?)
}

/// A place of the loop, and which of its pipes are at their end.
#[derive(Debug)]
struct Slot {
    buffer: LaunchBuffer,
    pipes: Option<Pipes>,
    open: usize,
    running: bool,
}

/// `places` programs at a time on one thread, as an event loop runs them: two pipes to
/// their ends and the exit, each of them an event.
pub fn in_flight(
    how: Primitive,
    program: &Rc<Program>,
    places: usize,
    until: Until<'_>,
) -> io::Result<Burst> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), flags)?;
    epoll.add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
    let mut slots: Vec<Slot> = (0..places)
        .map(|_| Slot {
            buffer: LaunchBuffer::new(program),
            pipes: None,
            open: 0,
            running: false,
        })
        .collect();
    let mut events = [EpollEvent::empty(); 16];
    let (mut started, mut ended) = (0, 0);
    let processor = procfs::processor_time_here()?;
    let begin = Instant::now();
    loop {
        for (i, slot) in (0..).zip(&mut slots) {
            if !slot.running && slot.pipes.is_none() && until.wants_more(started) {
                slot.start(how, &epoll, i)?;
                started += 1;
            }
        }
        if started == ended {
            break;
        }
        let count = epoll.wait(&mut events, PATIENCE.as_millis() as u16)?;
        if count == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for event in &events[..count] {
            match event.data() {
                SIGNALS => {
                    // One signal may stand for several children.
                    while signals.read_signal()?.is_some() {}
                    for slot in &mut slots {
                        slot.running &= !slot.buffer.reap(WaitPidFlag::WNOHANG)?;
                    }
                }
                token => slots[(token / 2) as usize].read(&epoll, token % 2 == 0)?,
            }
        }
        for slot in &mut slots {
            if !slot.running && slot.open == 0 && slot.pipes.take().is_some() {
                ended += 1;
            }
        }
    }
    let processor = procfs::processor_time_here()? - processor;
    Ok(Burst {
        rate: ended as f64 / begin.elapsed().as_secs_f64(),
        processor: processor.as_secs_f64() * 1e6 / ended as f64,
    })
}

impl Slot {
    fn start(&mut self, how: Primitive, epoll: &Epoll, number: u64) -> io::Result<()> {
        let pipes = self.buffer.start(how)?;
        epoll.add(
            &pipes.stdout,
            EpollEvent::new(EpollFlags::EPOLLIN, number * 2),
        )?;
        epoll.add(
            &pipes.stderr,
            EpollEvent::new(EpollFlags::EPOLLIN, number * 2 + 1),
        )?;
        (self.open, self.running) = (2, true);
        self.pipes = Some(pipes);
        Ok(())
    }

    fn read(&mut self, epoll: &Epoll, is_stdout: bool) -> io::Result<()> {
        let Some(pipes) = &mut self.pipes else {
            return Ok(());
        };
        let pipe = if is_stdout {
            &mut pipes.stdout
        } else {
            &mut pipes.stderr
        };
        let mut output = [0; 256];
        let count = pipe.read(&mut output)?;
        expect_silence(&output[..count])?;
        // Closing would not do: the child of the moment, before its exec, may hold a copy,
        // and a closed descriptor would go on reporting.
        epoll.delete(pipe.as_fd())?;
        self.open -= 1;
        Ok(())
    }
}

/// Reads the output of a program from a bare pipe, 64 KiB at a time.
pub fn read_pipe(words: &[String], bytes: u64) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut child = command(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut sum = 0;
    loop {
        match pipe.read(&mut buffer)? {
            0 => break,
            count => sum += count as u64,
        }
    }
    expect_success(&mut child)?;
    if sum != bytes {
        return Err(io::Error::other(format!(
            "{sum} bytes from a bare pipe, not {bytes}"
        )));
    }
    Ok(begin.elapsed())
}

/// Writes the input of a program to a bare pipe, 64 KiB at a time. The program must print
/// how many bytes it got.
pub fn write_pipe(words: &[String], bytes: u64) -> io::Result<Duration> {
    let begin = Instant::now();
    let mut child = command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let chunk = vec![b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(chunk.len() as u64);
        pipe.write_all(&chunk[..count as usize])?;
        left -= count;
    }
    drop(pipe);
    let mut text = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut text)?;
    }
    expect_success(&mut child)?;
    if text.trim() != bytes.to_string() {
        return Err(io::Error::other(format!("{text:?} counted, not {bytes}")));
    }
    Ok(begin.elapsed())
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn expect_success(child: &mut Child) -> io::Result<()> {
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("a bare child: {status}")))
}

/// `cat`, with a thread that passes bytes between its pipes and a socket.
#[derive(Debug)]
pub struct Relay {
    /// The client's end.
    pub socket: UnixStream,
    thread: JoinHandle<io::Result<()>>,
    cat: Child,
}

impl Relay {
    /// Starts both.
    pub fn start() -> io::Result<Self> {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(to), Some(from)) = (cat.stdin.take(), cat.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (socket, far) = UnixStream::pair()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            thread: thread::spawn(move || relay(far, to, from)),
            cat,
        })
    }

    /// Ends both.
    pub fn finish(mut self) -> io::Result<()> {
        drop(self.socket);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the relaying thread panicked"))??;
        expect_success(&mut self.cat)
    }
}

fn relay(mut socket: UnixStream, mut to: ChildStdin, mut from: ChildStdout) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    epoll.add(&from, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
    let mut events = [EpollEvent::empty(); 2];
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let ready = epoll.wait(&mut events, nix::sys::epoll::EpollTimeout::NONE)?;
        for event in &events[..ready] {
            let from_client = event.data() == 0;
            let count = if from_client {
                socket.read(&mut buffer)?
            } else {
                from.read(&mut buffer)?
            };
            match (count, from_client) {
                (0, _) => return Ok(()),
                (_, true) => to.write_all(&buffer[..count])?,
                (_, false) => socket.write_all(&buffer[..count])?,
            }
        }
    }
}
