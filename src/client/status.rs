//! The exit status of a program, and its form in a reply.
//!
//! Plain values: it touches no connection. An invalid word is `None`; the reply's reader turns
//! it into an error.

use std::fmt;

use crate::signal;

/// The exit status of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit code. The server uses some for itself, as shells do: 100
    /// for a request that it refuses, 111 when the system is short of something, 126 when
    /// the program cannot be run, 127 when there is no such program. The reason is then on
    /// stderr.
    Exited(u8),
    /// By the signal of this number, from 1 to 127.
    Signaled(u8),
}

impl Status {
    /// True for the exit code 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// What a shell's `$?` would be: the exit code, or 128 plus the signal's number.
    pub fn shell_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(number) => number.saturating_add(128),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(number) => match signal::short_name(number.into()) {
                Some(name) => write!(f, "ended by signal {number} (SIG{name})"),
                None => write!(f, "ended by signal {number}"),
            },
        }
    }
}

/// A number from 0 to 255, in digits only.
pub(super) fn parse_number(word: &[u8]) -> Option<u8> {
    let digits = word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

/// A signal, as a number or as a name: `15`, `TERM`, `SIGTERM`.
pub(super) fn parse_signal(word: &[u8]) -> Option<u8> {
    if let Some(number) = parse_number(word) {
        return (1..=127).contains(&number).then_some(number);
    }
    let number = signal::from_name(std::str::from_utf8(word).ok()?)?;
    u8::try_from(number).ok()
}
