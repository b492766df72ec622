//! The client's side of the exec protocol: make a server run a program, stream its input,
//! receive its output and its exit status.
//!
//! Owns one connection, split into two halves: [`Input`] sends to the program, [`Reply`]
//! receives from it. They may live in two threads. With programs that answer while they
//! read they must: a program whose output is not read stops reading. Calls block. The
//! module starts no thread of its own except in [`run`], sets no timer, touches no signal
//! handling, and knows nothing of the server's side. No size is limited, and only [`run`]
//! keeps more than [`PIECE_MAX`] bytes.
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
//! // Streamed, for any amount:
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

mod connect;
mod error;
mod reply;
mod status;

pub use connect::ConnectError;
pub(crate) use connect::connect;
pub use error::ClientError;
pub use reply::{Event, Output, Reply};
pub use status::Status;

use std::ffi::OsStr;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use crate::wire::netstring;

/// The maximum number of bytes of an [`Event`], which is all that a [`Reply`] keeps.
pub const PIECE_MAX: usize = 64 * 1024;

/// The maximum size of one argument: a netstring's length has at most nine digits.
/// Servers accept much less (sockexec 2 MiB for all of them, unless configured otherwise).
pub const ARGUMENT_MAX: usize = 999_999_999;

/// The longest type, exit code or signal that is examined. All known ones are shorter.
const WORD_MAX: usize = 32;

/// Makes the server at `path` run `args[0]` with `args` and the standard input `stdin`, and
/// waits for the whole reply.
///
/// Keeps all output in memory, whatever its size: with programs whose output may be large,
/// use [`start`].
///
/// # Errors
///
/// As [`start`] and [`Reply::next_event`]. A program that ends before it has read all of
/// `stdin` is no error, nor is a program that fails: check [`Output::status`].
pub fn run(
    path: impl AsRef<Path>,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
    stdin: &[u8],
) -> Result<Output, ClientError> {
    let (input, reply) = start(path, args)?;
    exchange(input, reply, stdin)
}

/// Connects to the server at `path` and makes it run `args[0]` with `args`.
///
/// The program is looked up in the server's `PATH` and no shell is involved. Without any
/// argument, and with a zero byte in one, the server refuses the request in its reply.
/// Waits while the server has reached its limit of connections.
///
/// # Errors
///
/// [`ClientError::Connect`], or as [`start_on`].
pub fn start(
    path: impl AsRef<Path>,
    args: impl IntoIterator<Item: AsRef<OsStr>>,
) -> Result<(Input, Reply), ClientError> {
    let path = path.as_ref();
    match connect(path, None) {
        Ok(stream) => start_on(stream, args),
        Err(reason) => Err(ClientError::Connect {
            path: path.to_path_buf(),
            reason,
        }),
    }
}

/// As [`start`], on an existing connection.
///
/// The stream must be in blocking mode. Time-outs that are set on it apply to each call of
/// [`Input::send`] and [`Reply::next_event`], which then fail with the system's error.
///
/// # Errors
///
/// [`ClientError::ArgumentTooLong`] and [`ClientError::Send`]. A server that closes its side
/// before it has read the request is no error here: its reply may have the reason.
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
        // Collecting consumes the reply, which closes the connection: a sender that is still
        // blocked returns. A sender that failed has ended the reply, and has the reason.
        let output = reply.collect();
        match sender.join() {
            Ok(sent) => sent.and(output),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The writer of the program's standard input.
///
/// End it with [`Input::end`]. If it is dropped before, for instance because its source could not
/// be read, it disconnects: the server ends the program, which must not mistake a part of the input
/// for the whole, and the [`Reply`] is cut short.
#[derive(Debug)]
pub struct Input {
    stream: Arc<UnixStream>,
    /// False once nothing more can or may be sent.
    open: bool,
}

impl Input {
    /// Sends `data` to the program, and blocks while the program does not read and the buffers in
    /// between are full.
    ///
    /// Returns true when all is sent, which does not mean that the program has read it, and
    /// false when sending more is useless: the server has closed its side because the reply is
    /// complete or given up. That is no error: the [`Reply`] has the reason. Empty `data` does
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Send`]. Part of `data` may have been sent, so the connection cannot be used
    /// any more: it is shut down, the server ends the program, and the [`Reply`] is cut short.
    pub fn send(&mut self, data: &[u8]) -> Result<bool, ClientError> {
        let mut netstring = Vec::with_capacity(PIECE_MAX.min(data.len()) + WORD_MAX);
        for piece in data.chunks(PIECE_MAX) {
            netstring.clear();
            netstring::encode(&mut netstring, piece);
            self.send_all(&netstring)?;
        }
        Ok(self.open)
    }

    /// Ends the program's standard input: after all data that was sent, the program reads
    /// end-of-file.
    ///
    /// # Errors
    ///
    /// As [`Input::send`].
    pub fn end(mut self) -> Result<(), ClientError> {
        self.send_all(b"0:,")?;
        self.open = false;
        Ok(())
    }

    /// Sends whole netstrings. After a part of one nothing may follow, not even an end, which
    /// the program could mistake for the end of its input.
    fn send_all(&mut self, mut netstrings: &[u8]) -> Result<(), ClientError> {
        while self.open && !netstrings.is_empty() {
            let descriptor = self.stream.as_raw_fd();
            // write(2) would raise SIGPIPE in programs that do not ignore it.
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
            // It fails only if the connection is gone already.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}
