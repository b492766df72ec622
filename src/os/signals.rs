//! Signals as something to read, so that the loop finds them like everything else, and the
//! dispositions with which the server and its programs start.
//!
//! The handled signals are blocked and read from a signalfd(2). So there are no handlers: none
//! interrupts a system call, and none can run in a child that shares the server's memory.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that the server handles.
const HANDLED: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
];

/// The signals that the server ignores: a write without a reader, or beyond the limit of a
/// file's size, only fails. Programs do not inherit this.
pub(in crate::os) const IGNORED: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGXFSZ];

/// Larger than `struct sigaction` of the kernel on any architecture; all zero is the
/// default disposition.
pub(in crate::os) const DEFAULT_ACTION: [u64; 8] = [0; 8];

/// The size of the kernel's set of signals: one bit for each.
pub(in crate::os) const SIGSET_SIZE: usize =
    if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        16
    } else {
        8
    };

/// Signals that have come, and are not taken yet.
#[derive(Debug)]
pub struct Signals {
    come: SignalFd,
}

impl Signals {
    /// Starts to collect the signals that the server handles, and returns what to watch for reading.
    ///
    /// Whatever the server was started with, only these are blocked afterwards, SIGPIPE and
    /// SIGXFSZ are ignored, and all others have their default disposition: an ignored SIGCHLD would
    /// discard the exit statuses, and programs inherit ignored signals.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        set_dispositions()?;
        let handled: SigSet = HANDLED.into_iter().collect();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&handled), None)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let come = SignalFd::with_flags(&handled, flags)?;
        let watched = come.as_fd().try_clone_to_owned()?;
        Ok((Self { come }, watched))
    }

    /// The signals received since the last call, each kind at most once: the kernel keeps each
    /// once, however often it was sent.
    ///
    /// # Errors
    ///
    /// When none can be read. The kernel keeps them.
    pub fn take(&mut self) -> Result<Vec<Signal>, Errno> {
        let mut taken = Vec::new();
        for _ in HANDLED {
            match self.come.read_signal() {
                Ok(Some(info)) => taken.extend(Signal::try_from(info.ssi_signo as i32)),
                Err(errno) if taken.is_empty() => return Err(errno),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(taken)
    }
}

/// Sets the signals that the server ignores back to their default dispositions, in a child.
pub(in crate::os) fn set_defaults() {
    for signal in IGNORED {
        let _ = set_default(signal as c_int);
    }
}

fn set_dispositions() -> io::Result<()> {
    for number in 1..=SIGNALS_MAX {
        match Signal::try_from(number) {
            Ok(Signal::SIGKILL | Signal::SIGSTOP) => {}
            // The runtime has its own handlers for a stack overflow here.
            Ok(Signal::SIGSEGV | Signal::SIGBUS) if !is_ignored(number)? => {}
            _ => set_default(number)?,
        }
    }
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in IGNORED {
        // SAFETY: no handler is installed or replaced.
        unsafe { sigaction(signal, &ignore) }?;
    }
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
/// not let them be changed, but the server's starter may have left them ignored.
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
