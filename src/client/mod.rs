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

/// The most bytes that an [`Event`] carries, which is all that a [`Reply`] keeps.
pub const PIECE_MAX: usize = 64 * 1024;

/// The most bytes of one argument: what the nine digits of a netstring's length can say.
/// Servers take much less (sockexec 2 MiB for all of them, unless configured otherwise).
pub const ARGUMENT_MAX: usize = 999_999_999;

/// The longest type, exit code or signal that is looked at. All known ones are shorter.
const WORD_MAX: usize = 32;

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
    /// reply is complete or given up. That is no error: the [`Reply`] says why. Empty `data`
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
