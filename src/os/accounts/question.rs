//! A question about an account that a process of its own asks: the user databases may be a
//! directory service, and the server must not wait for it.
//!
//! The process is a copy of the server (fork(2)), so it needs nothing but what is in memory, and
//! a name service that hangs is ended with it. It has one descriptor of the server's, the pipe for
//! the answer. So it keeps no client and no program waiting for an end-of-file.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::panic;

use libc::{c_int, c_uint};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pipe2, read, setsid};

use super::account_of;
use super::answer::{self, Answer};
use crate::os::descriptors::set_new_nonblocking;
use crate::os::process::Process;
use crate::os::rights::pidfd_open;
use crate::os::signals::set_defaults;

/// A question that was asked, until it is dropped.
#[derive(Debug)]
pub struct Question {
    process: Process,
    received: Vec<u8>,
}

impl Question {
    /// Asks for the account of a user. Returns the descriptors to watch for reading: of the answer,
    /// and of the end of the process.
    ///
    /// # Errors
    ///
    /// When there is no room for a process.
    pub fn ask(uid: u32) -> Result<(Self, [OwnedFd; 2]), Errno> {
        let (pipe, answer) = pipe2(OFlag::O_CLOEXEC)?;
        set_new_nonblocking(pipe.as_fd())?;
        let server = getpid();
        // SAFETY: there is no other thread, so the child finds nothing half done.
        let child = match unsafe { fork() }? {
            ForkResult::Child => {
                let _ = panic::catch_unwind(|| reply(uid, answer, server));
                // SAFETY: ends this process, whose memory is a copy.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => child,
        };
        let process = Process::new(child);
        let end = pidfd_open(child).inspect_err(|_| {
            let _ = process.signal_group(libc::SIGKILL);
            let _ = waitpid(child, None);
        })?;
        let question = Self {
            process,
            received: Vec::new(),
        };
        Ok((question, [pipe, end]))
    }

    /// The answer from its pipe, if it is complete. One that is cut short is an error (EIO).
    pub fn poll(&mut self, pipe: BorrowedFd<'_>) -> Option<Answer> {
        let mut piece = [0; 4096];
        loop {
            match read(pipe, &mut piece) {
                Ok(0) => return Some(answer::decode(&self.received).unwrap_or(Err(Errno::EIO))),
                Ok(_) if self.received.len() > answer::SIZE_MAX => return Some(Err(Errno::EIO)),
                Ok(n) => self.received.extend_from_slice(&piece[..n]),
                Err(Errno::EAGAIN) => return None,
                Err(Errno::EINTR) => {}
                Err(errno) => return Some(Err(errno)),
            }
        }
    }

    /// Ends its process, if that has not ended. Its remains are to be reaped.
    pub fn end(self) -> Process {
        let _ = self.process.signal_group(libc::SIGKILL);
        self.process
    }
}

/// The work of the child.
fn reply(uid: u32, pipe: OwnedFd, server: Pid) {
    if end_with(server).is_err() {
        return;
    }
    close_others(pipe.as_raw_fd());
    let _ = setsid();
    set_defaults();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    let _ = File::from(pipe).write_all(&answer::encode(&account_of(uid)));
}

/// Has this process killed when the server ends.
fn end_with(server: Pid) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGKILL)?;
    match getppid() == server {
        true => Ok(()),
        false => Err(Errno::ESRCH),
    }
}

/// Closes all descriptors but one, and opens `/dev/null` as the standard streams.
fn close_others(kept: RawFd) {
    for (first, last) in [(0, kept - 1), (kept + 1, c_int::MAX)] {
        if first <= last {
            // SAFETY: this process uses none of them.
            unsafe { libc::syscall(libc::SYS_close_range, first as c_uint, last as c_uint, 0) };
        }
    }
    for _ in 0..3 {
        // SAFETY: a name that ends with a NUL. The lowest free number is that of a stream.
        unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::accounts::account;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    /// Waits for the answer as the server does.
    fn answer(uid: u32) -> Answer {
        let (mut question, [pipe, end]) = Question::ask(uid).unwrap();
        let answer = loop {
            if let Some(answer) = question.poll(pipe.as_fd()) {
                break answer;
            }
            wait(&pipe);
        };
        let mut process = question.end();
        wait(&end);
        assert!(process.take_exit().unwrap().is_some());
        answer
    }

    fn wait(fd: &OwnedFd) {
        let mut one = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut one, PollTimeout::NONE) == Err(Errno::EINTR) {}
    }

    #[test]
    fn another_process_finds_the_same_accounts() {
        for name in ["root", "daemon", "nobody"] {
            let Ok(Some(account)) = account(name) else {
                continue;
            };
            assert_eq!(answer(account.uid), Ok(Some(account)));
        }
        assert_eq!(answer(u32::MAX - 1), Ok(None));
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error() {
        let (mut question, [pipe, end]) = Question::ask(0).unwrap();
        let (other, theirs) = pipe2(OFlag::O_CLOEXEC).unwrap();
        nix::unistd::write(&theirs, &[2, 0, 0]).unwrap();
        drop(theirs);
        assert_eq!(question.poll(other.as_fd()), Some(Err(Errno::EIO)));
        let mut process = question.end();
        wait(&end);
        assert!(process.take_exit().unwrap().is_some());
        drop(pipe);
    }
}
