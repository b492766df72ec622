//! Signals as bytes in a socket pair, so that the loop finds them like everything else,
//! and the dispositions with which the server and its programs start.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use signal_hook::{flag, low_level};

/// The signals that the server handles.
pub const HANDLED: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
];

/// What a program must not find as the server has it: handled here, or ignored.
pub const RESET: [Signal; 5] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGPIPE,
];

/// Signals that have come.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
    came: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    /// Starts to catch [`HANDLED`], and returns what to watch for reading.
    ///
    /// Whatever the server was started with, nothing is blocked afterwards, SIGPIPE is
    /// ignored and all else has its default disposition: a SIGCHLD that is ignored would
    /// take the exit statuses away, and programs inherit what is ignored.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        normalize()?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let watched = reader.try_clone()?.into();
        let mut came = Vec::new();
        for signal in HANDLED {
            let seen = Arc::new(AtomicBool::new(false));
            // The flag first: who reads the byte finds it set.
            flag::register(signal as i32, Arc::clone(&seen))?;
            low_level::pipe::register(signal as i32, writer.try_clone()?)?;
            came.push((signal, seen));
        }
        Ok((Self { reader, came }, watched))
    }

    /// The signals that have come since the last call; each once, however often it came.
    pub fn take(&mut self) -> Vec<Signal> {
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        self.came
            .iter()
            .filter(|(_, seen)| seen.swap(false, Ordering::AcqRel))
            .map(|&(signal, _)| signal)
            .collect()
    }
}

fn normalize() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // The first two cannot be changed; the others hold the runtime's own handlers
        // for an overflow of the stack.
        if matches!(
            signal,
            Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGSEGV | Signal::SIGBUS
        ) {
            continue;
        }
        let action = if signal == Signal::SIGPIPE {
            &ignore
        } else {
            &default
        };
        // SAFETY: no handler is installed, and none of ours is replaced: this comes first.
        unsafe { sigaction(signal, action) }?;
    }
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}
