//! The client's side of the exec protocol: writes requests, checks replies.
//!
//! The checker shares no code with the server, so that a mistake in the server's framing
//! cannot hide in its own mirror. It takes a reply in any pieces and accepts nothing but
//! what sockexec-protocol(7) allows.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::PATIENCE;

/// Ends the program's input.
pub const END: &[u8] = b"0:,";

/// The most bytes of data that a pair of a reply may hold.
const PAIR_MAX: usize = 32 * 1024;

/// Appends `data` as one netstring.
pub fn put(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{}:", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.push(b',');
}

/// The part of a request that names the program. Its input may follow, then [`END`].
pub fn head(words: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, words.len().to_string().as_bytes());
    for word in words {
        put(&mut out, word.as_bytes());
    }
    out
}

/// A whole request for a program that gets no input.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut out = head(words);
    out.extend_from_slice(END);
    out
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stdout,
    Stderr,
    ExitCode,
    TermSig,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Length { value: usize, digits: u8 },
    Payload { left: usize },
}

/// A reply as far as it has come.
#[derive(Debug)]
pub struct Reply {
    part: Part,
    /// The type of the pair whose data comes now; none while the type itself comes.
    kind: Option<Kind>,
    /// The bytes of a type or of a number.
    word: Vec<u8>,
    end: Option<(Kind, i32)>,
    /// How many bytes the program has written.
    pub stdout: u64,
    stderr: Vec<u8>,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            part: Part::Length {
                value: 0,
                digits: 0,
            },
            kind: None,
            word: Vec::new(),
            end: None,
            stdout: 0,
            stderr: Vec::new(),
        }
    }
}

impl Reply {
    /// Takes the next bytes, and hands what the program wrote to `stdout`.
    pub fn feed(&mut self, mut bytes: &[u8], mut stdout: impl FnMut(&[u8])) -> io::Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = match self.part {
                Part::Length { value, digits } => {
                    self.take_length(first, value, digits)?;
                    rest
                }
                Part::Payload { left: 0 } => {
                    if first != b',' {
                        return Err(wrong(format!("{first:#x} in place of a comma: {self:?}")));
                    }
                    self.end_netstring()?;
                    rest
                }
                Part::Payload { left } => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    self.part = Part::Payload {
                        left: left - now.len(),
                    };
                    match self.kind {
                        Some(Kind::Stdout) => {
                            self.stdout += now.len() as u64;
                            stdout(now);
                        }
                        Some(Kind::Stderr) => self.stderr.extend_from_slice(now),
                        _ => self.word.extend_from_slice(now),
                    }
                    later
                }
            };
        }
        Ok(())
    }

    fn take_length(&mut self, byte: u8, value: usize, digits: u8) -> io::Result<()> {
        if self.end.is_some() {
            return Err(wrong(format!("bytes after the end of the reply: {self:?}")));
        }
        self.part = match byte {
            b'0'..=b'9' if digits < 6 && !(digits > 0 && value == 0) => Part::Length {
                value: value * 10 + usize::from(byte - b'0'),
                digits: digits + 1,
            },
            b':' if digits > 0 && value <= PAIR_MAX => Part::Payload { left: value },
            _ => return Err(wrong(format!("{byte:#x} in a length of {value}: {self:?}"))),
        };
        Ok(())
    }

    fn end_netstring(&mut self) -> io::Result<()> {
        self.part = Part::Length {
            value: 0,
            digits: 0,
        };
        let word = std::mem::take(&mut self.word);
        self.kind = match self.kind {
            None => Some(match &word[..] {
                b"stdout" => Kind::Stdout,
                b"stderr" => Kind::Stderr,
                b"exitcode" => Kind::ExitCode,
                b"termsig" => Kind::TermSig,
                other => return Err(wrong(format!("a pair of type {}", other.escape_ascii()))),
            }),
            Some(Kind::Stdout | Kind::Stderr) => None,
            Some(last) => {
                let text = String::from_utf8_lossy(&word);
                let number = text
                    .parse()
                    .map_err(|_| wrong(format!("{last:?} {text:?}")))?;
                self.end = Some((last, number));
                None
            }
        };
        Ok(())
    }

    /// Demands that this is a whole reply of a program that has exited with 0, after
    /// `stdout` bytes of output and not a word of complaint.
    pub fn demand_success(&self, stdout: u64) -> io::Result<()> {
        if self.end != Some((Kind::ExitCode, 0)) || !self.stderr.is_empty() {
            return Err(wrong(format!("no success: {}", self.describe())));
        }
        if self.stdout != stdout {
            let seen = self.describe();
            return Err(wrong(format!("{stdout} bytes of output wanted: {seen}")));
        }
        Ok(())
    }

    /// True once the pair has come that ends every reply.
    pub fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    fn describe(&self) -> String {
        let stderr = self.stderr.escape_ascii();
        format!(
            "{} bytes of output, stderr \"{stderr}\", end {:?}",
            self.stdout, self.end
        )
    }
}

/// Connects without waiting, for a caller that has an event loop.
pub fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let fd = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    socket::connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(fd))
}

/// Connects. This and every later read and write fails when nothing happens for too long.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let fd: OwnedFd = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let patience = TimeVal::milliseconds(PATIENCE.as_millis() as i64);
    socket::setsockopt(&fd, sockopt::SendTimeout, &patience)?;
    socket::setsockopt(&fd, sockopt::ReceiveTimeout, &patience)?;
    socket::connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(fd))
}

/// One connection that waits for each of its steps.
#[derive(Debug)]
pub struct Conversation {
    /// The connection itself, for what this type has no word for.
    pub socket: UnixStream,
    /// What has come back.
    pub reply: Reply,
    buffer: Box<[u8]>,
}

impl Conversation {
    /// Connects and sends the first bytes.
    pub fn open(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut opened = Self {
            socket: connect(path)?,
            reply: Reply::default(),
            buffer: vec![0; 64 * 1024].into(),
        };
        opened.send(bytes)?;
        Ok(opened)
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Reads until `stdout` bytes of output are there.
    pub fn read_output(&mut self, stdout: u64) -> io::Result<()> {
        while self.reply.stdout < stdout {
            if !self.read_some(|_| ())? {
                return Err(wrong(format!("closed early: {}", self.reply.describe())));
            }
        }
        Ok(())
    }

    /// Reads once. False at the end of the reply.
    pub fn read_some(&mut self, stdout: impl FnMut(&[u8])) -> io::Result<bool> {
        let count = self.socket.read(&mut self.buffer)?;
        self.reply.feed(&self.buffer[..count], stdout)?;
        Ok(count > 0)
    }

    /// Reads to the end of the reply, which must be a success.
    pub fn finish(mut self, stdout: u64) -> io::Result<()> {
        while self.read_some(|_| ())? {}
        self.reply.demand_success(stdout)
    }
}
