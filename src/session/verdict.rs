//! How a request ends: what the last pair says, and why.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::session::policy::Termsig;
use crate::wire::{WireError, exec};

/// How a program ended, as wait(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal of this number ended it.
    Signal(i32),
}

impl Exit {
    /// The pair that tells the client.
    pub fn pair(self, termsig: Termsig) -> Vec<u8> {
        match self {
            Self::Code(code) => exec::pair("exitcode", code.to_string().as_bytes()),
            Self::Signal(number) => {
                let name = Signal::try_from(number)
                    .ok()
                    .filter(|_| termsig == Termsig::Name)
                    .and_then(|signal| signal.as_str().strip_prefix("SIG"));
                match name {
                    Some(name) => exec::pair("termsig", name.as_bytes()),
                    None => exec::pair("termsig", number.to_string().as_bytes()),
                }
            }
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit={code}"),
            Self::Signal(number) => write!(f, "signal={number}"),
        }
    }
}

/// Why a program was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// execve(2) failed.
    Exec(Errno),
    /// The program is there, but not what its first line names as its interpreter.
    Interpreter(Errno),
    /// The system is short of what a new process needs.
    Start(Errno),
    /// The request had to wait for its turn until it was too late or not wanted any more.
    Cancelled,
}

impl SpawnError {
    /// The exit code that tells it: 127 not found, 126 cannot be run, 111 a shortage.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Exec(Errno::ENOENT) => 127,
            Self::Exec(
                Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EIO,
            )
            | Self::Start(_)
            | Self::Cancelled => 111,
            Self::Exec(_) | Self::Interpreter(_) => 126,
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(errno) => f.write_str(errno.desc()),
            Self::Interpreter(errno) => write!(f, "bad interpreter: {}", errno.desc()),
            Self::Start(errno) => write!(f, "cannot start a process: {}", errno.desc()),
            Self::Cancelled => f.write_str("not started in time"),
        }
    }
}

/// Why a reply does not end with the program's own status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What came is no request.
    Wire(WireError),
    /// The request was not complete when the connection had lasted this long.
    RequestLate(Duration),
    /// The program could not be started.
    Spawn(SpawnError),
    /// The server stops, and the program was not started.
    Stopping,
    /// The program has not ended this long after SIGKILL.
    Stuck(Duration),
}

impl Fault {
    /// What the last pair says.
    pub fn exit(self) -> Exit {
        match self {
            Self::Wire(_) | Self::RequestLate(_) => Exit::Code(100),
            Self::Spawn(error) => Exit::Code(error.exit_code()),
            Self::Stopping => Exit::Code(111),
            Self::Stuck(_) => Exit::Signal(Signal::SIGKILL as i32),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::RequestLate(limit) => write!(
                f,
                "the request was not complete within the timeout of {} s",
                limit.as_secs_f64()
            ),
            Self::Spawn(error) => error.fmt(f),
            Self::Stopping => f.write_str("the server is stopping"),
            Self::Stuck(waited) => write!(
                f,
                "the program has not ended {} s after SIGKILL, no longer waiting for it",
                waited.as_secs_f64()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_number_and_by_name() {
        for (number, as_number, as_name) in [
            (15, &b"7:termsig,2:15,"[..], &b"7:termsig,4:TERM,"[..]),
            (9, b"7:termsig,1:9,", b"7:termsig,4:KILL,"),
            (40, b"7:termsig,2:40,", b"7:termsig,2:40,"),
        ] {
            assert_eq!(Exit::Signal(number).pair(Termsig::Number), as_number);
            assert_eq!(Exit::Signal(number).pair(Termsig::Name), as_name);
        }
        assert_eq!(Exit::Code(3).pair(Termsig::Name), b"8:exitcode,1:3,");
    }

    #[test]
    fn codes_of_programs_that_cannot_run() {
        for (error, code) in [
            (SpawnError::Exec(Errno::ENOENT), 127),
            (SpawnError::Interpreter(Errno::ENOENT), 126),
            (SpawnError::Exec(Errno::EACCES), 126),
            (SpawnError::Exec(Errno::ENOEXEC), 126),
            (SpawnError::Exec(Errno::E2BIG), 126),
            (SpawnError::Exec(Errno::ENOTDIR), 126),
            (SpawnError::Exec(Errno::EAGAIN), 111),
            (SpawnError::Start(Errno::EMFILE), 111),
        ] {
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }
}
