//! Signals as bytes in a socket pair, so that the loop finds them like everything else,
//! and the dispositions with which the server and its programs start.

use std::ffi::{c_int, c_void};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use signal_hook::{flag, low_level};

/// The signals that the server handles.
pub const HANDLED: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
];

/// The signals that the server ignores: to write where nobody reads any more, or more than
/// a file may hold, is an error of that write and of nothing else.
const IGNORED: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGXFSZ];

/// What a program must not find as the server has it: handled here, or ignored.
pub const RESET: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGPIPE,
    Signal::SIGXFSZ,
];

/// Larger than `struct sigaction` of the kernel on any architecture; all zero is the
/// default disposition.
pub const DEFAULT_ACTION: [u64; 8] = [0; 8];

/// The size of the kernel's set of signals: one bit for each.
pub const SIGSET_SIZE: usize = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    16
} else {
    8
};

/// Signals that have come.
#[derive(Debug)]
pub struct Signals {
    reader: UnixStream,
    came: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    /// Starts to catch [`HANDLED`], and returns what to watch for reading.
    ///
    /// Whatever the server was started with, nothing is blocked afterwards, SIGPIPE and
    /// SIGXFSZ are ignored and all else has its default disposition: a SIGCHLD that is ignored would
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
    for number in 1..=SIGNALS_MAX {
        match Signal::try_from(number) {
            Ok(Signal::SIGKILL | Signal::SIGSTOP) => {}
            // Here the runtime has its own handlers for an overflow of the stack.
            Ok(Signal::SIGSEGV | Signal::SIGBUS) if !is_ignored(number)? => {}
            _ => set_default(number)?,
        }
    }
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in IGNORED {
        // SAFETY: no handler is installed or replaced.
        unsafe { sigaction(signal, &ignore) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// The highest signal that Linux has on most architectures.
const SIGNALS_MAX: c_int = 64;

fn is_ignored(number: c_int) -> io::Result<bool> {
    // SAFETY: all-zero is a valid sigaction, and this only asks.
    let handler = unsafe {
        let mut current: libc::sigaction = std::mem::zeroed();
        Errno::result(libc::sigaction(number, std::ptr::null(), &mut current))?;
        current.sa_sigaction
    };
    Ok(handler == libc::SIG_IGN)
}

/// By the system call itself: the C library keeps two signals for its own use and does
/// not let them be changed, but whoever started the server may have left them ignored.
fn set_default(number: c_int) -> io::Result<()> {
    // SAFETY: no handler is installed, and none of ours is replaced: this comes first.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            number,
            DEFAULT_ACTION.as_ptr(),
            std::ptr::null::<c_void>(),
            SIGSET_SIZE,
        )
    })?;
    Ok(())
}
