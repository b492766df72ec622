//! The reader of one reply, and the events that it returns.
//!
//! ```text
//! reply = *output status *output      (each a pair of netstrings: a type, then data)
//!
//! 6:stdout,6:Linux<LF>,8:exitcode,1:0,
//! ```
//!
//! The first implementation may send output after the status; see sockexec-protocol(7).
//!
//! Owns the receiving half of the connection and one buffer. Output is returned as it arrives, in
//! pieces of that buffer; only types, exit codes and signals are assembled.

use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::status::{parse_number, parse_signal};
use super::{ClientError, PIECE_MAX, Status, WORD_MAX};
use crate::wire::foreign::WrongSocket;
use crate::wire::netstring::{Decoder, Token};

/// A part of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes of standard output: at least one, at most [`PIECE_MAX`]. The boundaries of pieces
    /// have no meaning.
    Stdout(&'a [u8]),
    /// Bytes of standard error, likewise.
    Stderr(&'a [u8]),
    /// The program has ended. This comes exactly once, and after all output; only with the
    /// first implementation output may follow.
    Ended(Status),
}

/// The whole reply, see [`run`](super::run).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How the program ended.
    pub status: Status,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// The meaning of the next netstring of a reply.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Type,
    Stdout,
    Stderr,
    ExitCode,
    TermSignal,
}

impl Expected {
    /// The data that follows the type `word`.
    fn after(word: &[u8]) -> Option<Self> {
        match word {
            b"stdout" => Some(Self::Stdout),
            b"stderr" => Some(Self::Stderr),
            b"exitcode" => Some(Self::ExitCode),
            b"termsig" => Some(Self::TermSignal),
            _ => None,
        }
    }
}

/// A part of the buffer: an [`Event`] that borrows nothing yet.
enum Found {
    Piece(usize),
    Status(Status),
    EndOfReply,
}

/// The reader of the reply.
///
/// Dropping it disconnects, even if an [`Input`](super::Input) still exists. The server then
/// ends a program that has not ended yet.
pub struct Reply {
    stream: Arc<UnixStream>,
    buffer: Box<[u8]>,
    /// The part of the buffer that is received and not yet consumed.
    unread: std::ops::Range<usize>,
    decoder: Decoder,
    expected: Expected,
    /// The type, exit code or signal that is being received, at most [`WORD_MAX`] bytes.
    word: Vec<u8>,
    /// True once the exit status has been received.
    ended: bool,
}

impl Reply {
    pub(super) fn new(stream: Arc<UnixStream>) -> Self {
        Self {
            stream,
            buffer: vec![0; PIECE_MAX].into_boxed_slice(),
            unread: 0..0,
            decoder: Decoder::new(),
            expected: Expected::Type,
            word: Vec::with_capacity(WORD_MAX),
            ended: false,
        }
    }

    /// Waits for the next part of the reply. `None` when the reply is complete.
    ///
    /// # Errors
    ///
    /// [`ClientError::CutShort`] when the connection ends too early,
    /// [`ClientError::Receive`], and those for replies that do not follow the protocol.
    /// After [`ClientError::Receive`] one may try again; after any other the reply is lost.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ClientError> {
        // The event borrows from the buffer only here, so that the search may refill it.
        Ok(match self.find()? {
            Found::EndOfReply => None,
            Found::Status(status) => Some(Event::Ended(status)),
            Found::Piece(length) => {
                let begin = self.unread.start;
                self.unread.start += length;
                let piece = &self.buffer[begin..begin + length];
                Some(match self.expected {
                    Expected::Stderr => Event::Stderr(piece),
                    _ => Event::Stdout(piece),
                })
            }
        })
    }

    /// Waits for the whole reply and keeps all of it in memory.
    ///
    /// # Errors
    ///
    /// As [`Reply::next_event`]. The output received by then is lost.
    pub fn collect(mut self) -> Result<Output, ClientError> {
        let (mut stdout, mut stderr, mut ended) = (Vec::new(), Vec::new(), None);
        while let Some(event) = self.next_event()? {
            match event {
                Event::Stdout(bytes) => stdout.extend_from_slice(bytes),
                Event::Stderr(bytes) => stderr.extend_from_slice(bytes),
                Event::Ended(status) => ended = Some(status),
            }
        }
        Ok(Output {
            status: ended.ok_or(ClientError::CutShort)?,
            stdout,
            stderr,
        })
    }

    fn find(&mut self) -> Result<Found, ClientError> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            let (used, token) = match self.decoder.poll(unread) {
                Err(malformed) => {
                    let other = WrongSocket::for_exec(unread);
                    let other = other.filter(|_| matches!(self.expected, Expected::Type));
                    return Err(other.map_or(malformed.into(), ClientError::OtherProtocol));
                }
                Ok(polled) => polled,
            };
            self.unread.start += used;
            match token {
                Token::Begin(_) => self.word.clear(),
                Token::Payload(length) => match self.expected {
                    Expected::Stdout | Expected::Stderr => {
                        self.decoder.advance(length);
                        return Ok(Found::Piece(length));
                    }
                    _ => self.take_word(length)?,
                },
                Token::End => {
                    if let Some(status) = self.end_netstring()? {
                        return Ok(Found::Status(status));
                    }
                }
                Token::More if self.receive()? => {}
                Token::More => return self.end_reply(),
            }
        }
    }

    /// Consumes `length` bytes of a netstring that is needed as a whole.
    fn take_word(&mut self, length: usize) -> Result<(), ClientError> {
        let length = length.min(WORD_MAX - self.word.len());
        let begin = self.unread.start;
        self.word
            .extend_from_slice(&self.buffer[begin..begin + length]);
        self.unread.start += length;
        self.decoder.advance(length);
        if self.word.len() == WORD_MAX {
            return Err(self.bad_word());
        }
        Ok(())
    }

    /// Handles a complete netstring.
    fn end_netstring(&mut self) -> Result<Option<Status>, ClientError> {
        let status = match self.expected {
            Expected::Type => {
                self.expected = Expected::after(&self.word).ok_or_else(|| self.bad_word())?;
                return Ok(None);
            }
            Expected::Stdout | Expected::Stderr => None,
            Expected::ExitCode => parse_number(&self.word).map(Status::Exited),
            Expected::TermSignal => parse_signal(&self.word).map(Status::Signaled),
        };
        if matches!(self.expected, Expected::ExitCode | Expected::TermSignal) {
            if status.is_none() {
                return Err(self.bad_word());
            }
            if self.ended {
                return Err(ClientError::EndedTwice);
            }
            self.ended = true;
        }
        self.expected = Expected::Type;
        Ok(status)
    }

    /// The fault of the word, by its place in the reply.
    fn bad_word(&self) -> ClientError {
        let word = self.word.clone();
        match self.expected {
            Expected::ExitCode => ClientError::BadExitCode(word),
            Expected::TermSignal => ClientError::BadSignal(word),
            _ => ClientError::UnknownType(word),
        }
    }

    /// Waits for more bytes, false at their end. Called when all earlier bytes are consumed.
    fn receive(&mut self) -> Result<bool, ClientError> {
        debug_assert!(self.unread.is_empty());
        loop {
            match (&*self.stream).read(&mut self.buffer) {
                Ok(length) => {
                    self.unread = 0..length;
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The server closed before it had read all our data. All bytes that it had sent
                // before have been received by now.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(ClientError::Receive(error)),
            }
        }
    }

    fn end_reply(&self) -> Result<Found, ClientError> {
        let between_pairs = self.decoder.at_boundary() && matches!(self.expected, Expected::Type);
        if self.ended && between_pairs {
            Ok(Found::EndOfReply)
        } else {
            Err(ClientError::CutShort)
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("stream", &self.stream)
            .field("unread", &self.unread)
            .field("expected", &self.expected)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // It fails only if the connection is gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
