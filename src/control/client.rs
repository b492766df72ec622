//! A client of the control socket, for tools: connects, sends a command, reads the answer.
//!
//! Owns one connection. Calls block until an answer or a deadline: a server that is slow, silent
//! or sends one byte at a time cannot block a caller longer. Touches no signal handling.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use super::message::{Args, Request, Status};
use crate::client::{self, ConnectError};
use crate::program::without_number;
use crate::wire::control::{self, Decoder, Found};
use crate::wire::foreign::WrongSocket;

/// The default path of the control socket.
pub const SOCKET: &str = "/run/sockexec/control.sock";

/// The maximum size of an answer: some 200 000 jobs.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The maximum number of bytes of one read.
const PIECE: usize = 64 * 1024;

/// Why there is no answer, or no usable one.
#[derive(Debug)]
pub struct ControlError {
    path: PathBuf,
    reason: Reason,
}

/// The reason.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// There is no connection.
    Connect(ConnectError),
    /// There was no answer in this time.
    TimedOut(Duration),
    /// The server has closed the connection without an answer.
    Closed,
    /// Another error of the system.
    System(io::Error),
    /// The answer is one of another protocol: this is another socket.
    OtherProtocol(WrongSocket),
    /// The received bytes are no valid answer; the fault.
    Malformed(String),
    /// The server reports that it has not carried out the command, and the reason.
    Failure(String),
}

impl ControlError {
    /// The reason.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Whether no server listens at the path, or there is no socket.
    pub fn has_no_server(&self) -> bool {
        matches!(
            self.reason,
            Reason::Connect(
                ConnectError::NoSocket | ConnectError::NoDirectory(_) | ConnectError::Refused
            )
        )
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Reason::Failure(error) = &self.reason {
            return f.write_str(error);
        }
        write!(f, "{}: ", self.path.display())?;
        match &self.reason {
            Reason::Connect(error) => error.fmt(f),
            Reason::TimedOut(timeout) => {
                write!(f, "no answer within {} s", timeout.as_secs_f64())
            }
            Reason::Closed => f.write_str("the server closed the connection without an answer"),
            Reason::System(source) => f.write_str(&without_number(&source.to_string())),
            Reason::OtherProtocol(socket) => socket.fmt(f),
            Reason::Malformed(why) => write!(f, "the answer cannot be understood: {why}"),
            Reason::Failure(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Connect(error) => Some(error),
            Reason::System(source) => Some(source),
            _ => None,
        }
    }
}

/// A connection to a control socket.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    timeout: Duration,
    decoder: Decoder,
    /// Bytes that were received after an answer.
    unread: Vec<u8>,
}

impl Client {
    /// Connects to the server at `path`. Connecting, and each command, may take up to
    /// `timeout`, which must not be zero.
    ///
    /// # Errors
    ///
    /// [`Reason::Connect`].
    pub fn connect(path: impl AsRef<Path>, timeout: Duration) -> Result<Self, ControlError> {
        let path = path.as_ref().to_path_buf();
        match client::connect(&path, Some(timeout)) {
            Ok(stream) => Ok(Self {
                stream,
                path,
                timeout,
                decoder: Decoder::new(ANSWER_MAX),
                unread: Vec::new(),
            }),
            Err(error) => Err(ControlError {
                path,
                reason: Reason::Connect(error),
            }),
        }
    }

    /// The same client, which takes only answers of at most `size` bytes.
    #[must_use]
    pub fn with_answer_max(self, size: usize) -> Self {
        Self {
            decoder: Decoder::new(size),
            ..self
        }
    }

    /// From now on each command may take up to this time, which must not be zero.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends a command and waits for its answer, of which it returns the payload. The connection
    /// stays open for the next command, as long as the server keeps it.
    ///
    /// # Errors
    ///
    /// See [`Reason`]. After any except [`Reason::Failure`] the connection is useless.
    pub fn ask(&mut self, cmd: &str, args: Args) -> Result<String, ControlError> {
        let request = Request {
            close: false,
            ..Request::new(cmd, args)
        };
        self.exchange(&request).map_err(|reason| ControlError {
            path: self.path.clone(),
            reason,
        })
    }

    fn exchange(&mut self, request: &Request) -> Result<String, Reason> {
        let deadline = Instant::now() + self.timeout;
        let mut message = Vec::new();
        control::encode(&mut message, &request.to_json());
        self.send_all(&message, deadline)?;
        let answer = self.receive(deadline)?;
        let answer =
            Request::read(&answer).map_err(|error| Reason::Malformed(error.to_string()))?;
        let Some(response) = answer.response else {
            return Err(Reason::Malformed("it has no response".into()));
        };
        match response.status {
            Status::Success => Ok(response.payload),
            Status::Failure => Err(Reason::Failure(response.error)),
        }
    }

    fn send_all(&self, mut bytes: &[u8], deadline: Instant) -> Result<(), Reason> {
        while !bytes.is_empty() {
            self.stream
                .set_write_timeout(Some(self.left(deadline)?))
                .map_err(Reason::System)?;
            // write(2) would raise SIGPIPE in programs that do not ignore it.
            match send(self.stream.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(Reason::TimedOut(self.timeout)),
                // A server that closes may have sent the reason before.
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(()),
                Err(errno) => return Err(system(errno)),
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, Reason> {
        let mut piece = vec![0; PIECE];
        loop {
            let (used, found) =
                self.decoder.poll(&self.unread).map_err(
                    |malformed| match WrongSocket::for_control(&self.unread) {
                        Some(other) => Reason::OtherProtocol(other),
                        None => Reason::Malformed(malformed.to_string()),
                    },
                )?;
            self.unread.drain(..used);
            if let Found::Message(message) = found {
                return Ok(message);
            }
            let left = self.left(deadline)?;
            self.stream
                .set_read_timeout(Some(left))
                .map_err(Reason::System)?;
            match self.stream.read(&mut piece) {
                Ok(0) => {
                    return Err(match self.decoder.finish() {
                        Ok(()) => Reason::Closed,
                        Err(malformed) => Reason::Malformed(malformed.to_string()),
                    });
                }
                Ok(length) => self.unread.extend_from_slice(&piece[..length]),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Err(Reason::TimedOut(self.timeout)),
                    io::ErrorKind::ConnectionReset => return Err(Reason::Closed),
                    _ => return Err(Reason::System(error)),
                },
            }
        }
    }

    /// The time until the deadline, which is not zero.
    fn left(&self, deadline: Instant) -> Result<Duration, Reason> {
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(Reason::TimedOut(self.timeout)),
            false => Ok(left),
        }
    }
}

fn system(errno: Errno) -> Reason {
    Reason::System(errno.into())
}
