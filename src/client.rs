//! The client's side of the exec protocol: have a server run a program, stream its input,
//! receive its output and how it ended.
//!
//! Owns one connection, split into two halves: [`Input`] sends to the program, [`Reply`]
//! receives from it. They may live in two threads, and with programs that answer while they
//! read they have to: a program whose output nobody takes stops reading. Calls block. The
//! module starts no thread of its own except in [`run`], sets no timer, touches no signal
//! handling, and knows nothing of the server's side. Nothing is limited in size, and nothing
//! but [`run`] keeps more than [`PIECE_MAX`] bytes.
//!
//! ```no_run
//! use sockexec::client::{self, Event};
//! use std::io::{Write, stdout};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // All at once, for small amounts:
//! let output = client::run("/run/sockexec.sock", ["tr", "a-z", "A-Z"], b"hello")?;
//! assert_eq!(output.stdout, b"HELLO");
//!
//! // As it comes, for any amount:
//! let (mut input, mut reply) = client::start("/run/sockexec.sock", ["sort"])?;
//! let sender = std::thread::spawn(move || {
//!     for number in 0..1_000_000 {
//!         if !input.send(format!("{number}\n").as_bytes())? {
//!             break; // the program has ended already
//!         }
//!     }
//!     input.end()
//! });
//! while let Some(event) = reply.next_event()? {
//!     match event {
//!         Event::Stdout(bytes) => stdout().write_all(bytes)?,
//!         Event::Stderr(bytes) => eprint!("{}", String::from_utf8_lossy(bytes)),
//!         Event::Ended(status) => println!("{status}"),
//!     }
//! }
//! sender.join().expect("the sender does not panic")?;
//! # Ok(())
//! # }
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, send};

use crate::wire::netstring::{self, Decoder, Malformed, Token};

/// The most bytes that an [`Event`] carries, which is all that a [`Reply`] keeps.
pub const PIECE_MAX: usize = 64 * 1024;

/// The most bytes of one argument: what the nine digits of a netstring's length can say.
/// Servers take much less (sockexec 2 MiB for all of them, unless told otherwise).
pub const ARGUMENT_MAX: usize = 999_999_999;

/// The longest type, exit code or signal that is looked at. All known ones are shorter.
const WORD_MAX: usize = 32;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit code. The server uses some for itself, as shells do: 100
    /// for a request that it refuses, 111 when the system is short of something, 126 when
    /// the program cannot be run, 127 when there is no such program. It then says the reason
    /// on stderr.
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
            Self::Signaled(number) => match Signal::try_from(i32::from(number)) {
                Ok(signal) => write!(f, "ended by signal {number} ({signal})"),
                Err(_) => write!(f, "ended by signal {number}"),
            },
        }
    }
}

/// What comes back from a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes from its standard output: at least one, at most [`PIECE_MAX`]. Where one piece
    /// ends and the next begins means nothing.
    Stdout(&'a [u8]),
    /// Bytes from its standard error, likewise.
    Stderr(&'a [u8]),
    /// It has ended. This comes exactly once, and after all output unless the server is one
    /// of the first implementation, where output may follow.
    Ended(Status),
}

/// All that came back from a program, see [`run`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How the program ended.
    pub status: Status,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// Why there is no reply, or not a whole one.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// There is nothing at the path.
    NoSocket(PathBuf),
    /// No server listens at the path: what is there is not a socket, or is left over from a
    /// server that is gone.
    Refused(PathBuf),
    /// This user may not connect to the socket, or not look into its directory.
    Denied(PathBuf),
    /// Connecting failed in some other way.
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An argument is longer than [`ARGUMENT_MAX`]. Nothing has been sent.
    ArgumentTooLong {
        /// The bytes of the argument.
        length: usize,
    },
    /// Sending failed, for another reason than a server that has closed its side; among them
    /// a time-out that was set on the stream.
    Send(io::Error),
    /// Receiving failed, for another reason than a server that has closed its side; among
    /// them a time-out that was set on the stream.
    Receive(io::Error),
    /// The reply ended before it said how the program ended, or inside a netstring.
    CutShort,
    /// The reply is not made of netstrings.
    Malformed(Malformed),
    /// The reply has a type that the protocol does not know. Of a long one the beginning.
    UnknownType(Vec<u8>),
    /// What should be an exit code from 0 to 255 is something else. Of a long one the beginning.
    BadExitCode(Vec<u8>),
    /// What should be a signal's number from 1 to 127, or its name, is something else. Of a
    /// long one the beginning.
    BadSignal(Vec<u8>),
    /// The reply says twice how the program ended.
    EndedTwice,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket(path) => write!(f, "{}: there is no such socket", path.display()),
            Self::Refused(path) => write!(f, "{}: no server listens there", path.display()),
            Self::Denied(path) => write!(
                f,
                "{}: no permission to connect to this socket",
                path.display()
            ),
            Self::Connect { path, source } => write!(f, "{}: {source}", path.display()),
            Self::ArgumentTooLong { length } => write!(
                f,
                "an argument of {length} bytes, the protocol carries at most {ARGUMENT_MAX}"
            ),
            Self::Send(source) => write!(f, "cannot send to the server: {source}"),
            Self::Receive(source) => write!(f, "cannot receive from the server: {source}"),
            Self::CutShort => {
                f.write_str("the server's reply was cut short, how the program ended is unknown")
            }
            Self::Malformed(source) => write!(f, "the server's reply is malformed: {source}"),
            Self::UnknownType(word) => write!(
                f,
                "the server's reply has the unknown type '{}'",
                word.escape_ascii()
            ),
            Self::BadExitCode(word) => write!(
                f,
                "the server's reply has '{}' for an exit code",
                word.escape_ascii()
            ),
            Self::BadSignal(word) => write!(
                f,
                "the server's reply has '{}' for a signal",
                word.escape_ascii()
            ),
            Self::EndedTwice => f.write_str("the server's reply says twice how the program ended"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Send(source) | Self::Receive(source) => {
                Some(source)
            }
            Self::Malformed(source) => Some(source),
            _ => None,
        }
    }
}

impl From<Malformed> for ClientError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Has the server at `path` run `args[0]` with `args`, gives it `stdin` and nothing more to
/// read, and waits for the whole reply.
///
/// Keeps all output in memory, whatever its size: with programs that are not trusted to be
/// brief, use [`start`].
///
/// # Errors
///
/// As [`start`] and [`Reply::next_event`]. A program that ends before it has read all of
/// `stdin` is no error, nor is one that fails: look at [`Output::status`].
pub fn run(
    path: impl AsRef<Path>,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
    stdin: &[u8],
) -> Result<Output, ClientError> {
    let (input, reply) = start(path, args)?;
    exchange(input, reply, stdin)
}

/// Connects to the server at `path` and has it run `args[0]` with `args`.
///
/// The program is looked up in the server's `PATH` and no shell is involved. Without any
/// argument, and with a zero byte in one, the server refuses the request by its reply.
/// Waits while the server has as many connections as it takes.
///
/// # Errors
///
/// [`ClientError::NoSocket`], [`Refused`](ClientError::Refused),
/// [`Denied`](ClientError::Denied) and [`Connect`](ClientError::Connect), or as [`start_on`].
pub fn start(
    path: impl AsRef<Path>,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<(Input, Reply), ClientError> {
    start_on(connect(path.as_ref())?, args)
}

fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    loop {
        let source = match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let path = path.to_path_buf();
        return Err(match source.kind() {
            // By a signal, while the server's queue was full: nothing has happened yet.
            io::ErrorKind::Interrupted => continue,
            io::ErrorKind::NotFound => ClientError::NoSocket(path),
            io::ErrorKind::ConnectionRefused => ClientError::Refused(path),
            io::ErrorKind::PermissionDenied => ClientError::Denied(path),
            _ => ClientError::Connect { path, source },
        });
    }
}

/// As [`start`], on a connection that there is already.
///
/// The stream has to be in blocking mode. Time-outs that are set on it hold for each call of
/// [`Input::send`] and [`Reply::next_event`], which then fail with what the system says.
///
/// # Errors
///
/// [`ClientError::ArgumentTooLong`] and [`ClientError::Send`]. A server that closes its side
/// before it has taken the request is no error here: its reply may say why.
pub fn start_on(
    stream: UnixStream,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<(Input, Reply), ClientError> {
    let request = encode_request(args)?;
    let stream = Arc::new(stream);
    let mut input = Input {
        stream: Arc::clone(&stream),
        open: true,
    };
    input.send_all(&request)?;
    Ok((input, Reply::new(stream)))
}

fn encode_request(args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<Vec<u8>, ClientError> {
    let (mut encoded, mut count) = (Vec::new(), 0_usize);
    for arg in args {
        let bytes = arg.as_ref().as_bytes();
        if bytes.len() > ARGUMENT_MAX {
            return Err(ClientError::ArgumentTooLong {
                length: bytes.len(),
            });
        }
        netstring::encode(&mut encoded, bytes);
        count += 1;
    }
    let mut request = Vec::with_capacity(encoded.len() + WORD_MAX);
    netstring::encode(&mut request, count.to_string().as_bytes());
    request.append(&mut encoded);
    Ok(request)
}

fn exchange(mut input: Input, reply: Reply, stdin: &[u8]) -> Result<Output, ClientError> {
    if stdin.is_empty() {
        input.end()?;
        return reply.collect();
    }
    std::thread::scope(|scope| {
        let sender = std::thread::Builder::new()
            .spawn_scoped(scope, move || {
                input.send(stdin)?;
                input.end()
            })
            .map_err(ClientError::Send)?;
        // Collecting consumes the reply, and with it the connection goes: a sender that the
        // server has left waiting returns. One that failed has ended the reply, and knows why.
        let output = reply.collect();
        match sender.join() {
            Ok(sent) => sent.and(output),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The way to the program's standard input.
///
/// It has to be ended by [`Input::end`]. Dropped before, say because what was to be sent could not
/// be read, it disconnects: the server ends the program, which must not take what it got for the
/// whole, and the [`Reply`] is cut short.
#[derive(Debug)]
pub struct Input {
    stream: Arc<UnixStream>,
    /// False once nothing more can or may be sent.
    open: bool,
}

impl Input {
    /// Sends `data` to the program, and waits while neither the program nor the buffers on the
    /// way take it.
    ///
    /// Returns true when all is sent, which does not mean that the program has read it, and
    /// false when it is of no use to send more: the server has closed its side because the
    /// reply is complete or given up. That is no error, the [`Reply`] tells. Empty `data`
    /// does nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Send`]. Part of `data` may have been sent, so that there is no going on:
    /// the connection is shut down, the server ends the program, the [`Reply`] is cut short.
    pub fn send(&mut self, data: &[u8]) -> Result<bool, ClientError> {
        let mut netstring = Vec::with_capacity(PIECE_MAX.min(data.len()) + WORD_MAX);
        for piece in data.chunks(PIECE_MAX) {
            netstring.clear();
            netstring::encode(&mut netstring, piece);
            self.send_all(&netstring)?;
        }
        Ok(self.open)
    }

    /// Ends the program's standard input: having read all that was sent, it finds the end of
    /// the file.
    ///
    /// # Errors
    ///
    /// As [`Input::send`].
    pub fn end(mut self) -> Result<(), ClientError> {
        self.send_all(b"0:,")?;
        self.open = false;
        Ok(())
    }

    /// Sends whole netstrings. After a part of one nothing else may follow, not even an end,
    /// which the program could take for the end of its input.
    fn send_all(&mut self, mut netstrings: &[u8]) -> Result<(), ClientError> {
        while self.open && !netstrings.is_empty() {
            let descriptor = self.stream.as_raw_fd();
            // Writing in the ordinary way would raise SIGPIPE in programs that do not ignore it.
            match send(descriptor, netstrings, MsgFlags::MSG_NOSIGNAL) {
                Ok(sent) => netstrings = &netstrings[sent..],
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.open = false,
                Err(errno) => {
                    self.open = false;
                    let _ = self.stream.shutdown(Shutdown::Both);
                    return Err(ClientError::Send(errno.into()));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if self.open {
            // It fails only where the connection is gone already.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

/// What the next netstring of a reply is.
#[derive(Clone, Copy, Debug)]
enum Part {
    Type,
    Stdout,
    Stderr,
    ExitCode,
    TermSignal,
}

impl Part {
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

/// What has been found in the buffer: an [`Event`] that borrows nothing yet.
enum Found {
    Piece(usize),
    Status(Status),
    EndOfReply,
}

/// The way back from the program.
///
/// Dropping it disconnects, also for an [`Input`] that is still there, and the server then ends
/// a program that has not ended yet.
pub struct Reply {
    stream: Arc<UnixStream>,
    buffer: Box<[u8]>,
    /// The part of the buffer that is received and not yet consumed.
    unread: std::ops::Range<usize>,
    decoder: Decoder,
    part: Part,
    /// The type, exit code or signal that is being received, at most [`WORD_MAX`] bytes.
    word: Vec<u8>,
    /// True once the reply has said how the program ended.
    ended: bool,
}

impl Reply {
    fn new(stream: Arc<UnixStream>) -> Self {
        Self {
            stream,
            buffer: vec![0; PIECE_MAX].into_boxed_slice(),
            unread: 0..0,
            decoder: Decoder::new(),
            part: Part::Type,
            word: Vec::with_capacity(WORD_MAX),
            ended: false,
        }
    }

    /// Waits for the next thing that comes back. `None` when the reply is complete.
    ///
    /// # Errors
    ///
    /// [`ClientError::CutShort`] when the connection ends too early,
    /// [`ClientError::Receive`], and those for replies that are not as the protocol has them.
    /// After [`ClientError::Receive`] one may try again, after any other the reply is lost.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ClientError> {
        // What is found borrows from the buffer only here, so that the search may refill it.
        Ok(match self.find()? {
            Found::EndOfReply => None,
            Found::Status(status) => Some(Event::Ended(status)),
            Found::Piece(length) => {
                let begin = self.unread.start;
                self.unread.start += length;
                let piece = &self.buffer[begin..begin + length];
                Some(match self.part {
                    Part::Stderr => Event::Stderr(piece),
                    _ => Event::Stdout(piece),
                })
            }
        })
    }

    /// Waits for the whole reply and keeps all of it in memory.
    ///
    /// # Errors
    ///
    /// As [`Reply::next_event`]. What has come by then is lost.
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
            let (used, token) = self.decoder.poll(&self.buffer[self.unread.clone()])?;
            self.unread.start += used;
            match token {
                Token::Begin(_) => self.word.clear(),
                Token::Payload(length) => match self.part {
                    Part::Stdout | Part::Stderr => {
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

    /// Takes `length` bytes of a netstring that is needed as a whole.
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

    /// Draws the consequence of a complete netstring.
    fn end_netstring(&mut self) -> Result<Option<Status>, ClientError> {
        let status = match self.part {
            Part::Type => {
                self.part = Part::after(&self.word).ok_or_else(|| self.bad_word())?;
                return Ok(None);
            }
            Part::Stdout | Part::Stderr => None,
            Part::ExitCode => parse_number(&self.word).map(Status::Exited),
            Part::TermSignal => parse_signal(&self.word).map(Status::Signaled),
        };
        if matches!(self.part, Part::ExitCode | Part::TermSignal) {
            if status.is_none() {
                return Err(self.bad_word());
            }
            if self.ended {
                return Err(ClientError::EndedTwice);
            }
            self.ended = true;
        }
        self.part = Part::Type;
        Ok(status)
    }

    /// What is wrong with the word, by the place where it stands.
    fn bad_word(&self) -> ClientError {
        let word = self.word.clone();
        match self.part {
            Part::ExitCode => ClientError::BadExitCode(word),
            Part::TermSignal => ClientError::BadSignal(word),
            _ => ClientError::UnknownType(word),
        }
    }

    /// Waits for more bytes, false at their end. Called when all that came before is consumed.
    fn receive(&mut self) -> Result<bool, ClientError> {
        debug_assert!(self.unread.is_empty());
        loop {
            match (&*self.stream).read(&mut self.buffer) {
                Ok(length) => {
                    self.unread = 0..length;
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A server that closes without having read all that we sent. What it had sent
                // before has been received by now.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(ClientError::Receive(error)),
            }
        }
    }

    fn end_reply(&self) -> Result<Found, ClientError> {
        let between_pairs = self.decoder.at_boundary() && matches!(self.part, Part::Type);
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
            .field("part", &self.part)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // It fails only where the connection is gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A number from 0 to 255, in digits only.
fn parse_number(word: &[u8]) -> Option<u8> {
    let digits = word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

/// A signal, as a number or as a name: `15`, `TERM`, `SIGTERM`.
fn parse_signal(word: &[u8]) -> Option<u8> {
    if let Some(number) = parse_number(word) {
        return (1..=127).contains(&number).then_some(number);
    }
    let name = std::str::from_utf8(word).ok()?;
    // Second names, which the first implementation may send for the same numbers.
    let name = match name.trim_start_matches("SIG") {
        "POLL" => "IO",
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        other => other,
    };
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    u8::try_from(signal as i32).ok()
}
