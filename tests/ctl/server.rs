//! A control socket with a scripted server.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use sockexec::control::message::{Request, Response};
use sockexec::wire::control::{Decoder, Found, MESSAGE_MAX, encode};

use crate::common::PATIENCE;
use crate::common::process::heed_interrupts;
use crate::common::temporary::Directory;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sockexecctl");

/// The server's end of one connection.
pub struct Peer {
    pub stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

impl Peer {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            decoder: Decoder::new(MESSAGE_MAX),
            unread: Vec::new(),
        }
    }

    /// The next command, `None` when the client has gone instead.
    pub fn take(&mut self) -> Option<Request> {
        loop {
            let (used, found) = self.decoder.poll(&self.unread).unwrap();
            self.unread.drain(..used);
            if let Found::Message(json) = found {
                return Some(Request::read(&json).unwrap());
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Sends bytes. The client may have gone.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Waits for the client to disconnect, so that the sent bytes are not lost.
    pub fn linger(&mut self) {
        let mut buffer = [0; 4096];
        while self.stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    }
}

/// An answer as it goes over the socket.
pub fn message(request: Request, response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, &request.answered(response).to_json());
    bytes
}

/// A server that takes one connection after the other.
pub struct Server {
    path: PathBuf,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _directory: Option<Directory>,
}

impl Server {
    /// A server at a path of its own.
    pub fn start(script: impl FnMut(&mut Peer) + Send + 'static) -> Self {
        let directory = Directory::new();
        let mut server = Self::at(&directory.join("control.sock"), script);
        server._directory = Some(directory);
        server
    }

    pub fn at(path: &Path, mut script: impl FnMut(&mut Peer) + Send + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            loop {
                let (stream, _) = listener.accept().unwrap();
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                script(&mut Peer::new(stream));
            }
        });
        Self {
            path: path.to_owned(),
            ending,
            thread: Some(thread),
            _directory: None,
        }
    }

    /// One that answers every command.
    pub fn answering(mut answer: impl FnMut(&Request) -> Response + Send + 'static) -> Self {
        Self::start(move |peer| converse(peer, &mut answer))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `sockexecctl` with these arguments, to its end.
    pub fn run<const N: usize>(&self, args: [&str; N]) -> Output {
        tool(&self.path, args).output().unwrap()
    }
}

/// Answers the commands of one connection.
pub fn converse(peer: &mut Peer, mut answer: impl FnMut(&Request) -> Response) {
    while let Some(request) = peer.take() {
        let response = answer(&request);
        peer.say(&message(request, response));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // This ends the wait for a connection.
        let _ = UnixStream::connect(&self.path);
        let joined = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(joined.is_some_and(|end| end.is_ok()), "the script failed");
        }
    }
}

pub fn tool<const N: usize>(socket: &Path, args: [&str; N]) -> Command {
    heed_interrupts();
    let mut command = Command::new(PROGRAM);
    command.arg("--socket").arg(socket).args(args);
    command.stdin(Stdio::null());
    command
}

pub fn stdout_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
