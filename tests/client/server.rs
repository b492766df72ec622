//! Helpers of the modules: servers that accept one connection and follow a script, the client
//! program, and data to send.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockexec::wire::netstring::{Decoder, Token, encode};

pub const MIB: usize = 1024 * 1024;
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sockexec-client");

/// A directory of one test's own.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("sockexec-client-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                    return Self(path);
                }
                // Left by a process that had our number before.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server's end of one connection.
pub struct Peer {
    pub stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

/// How a program's standard input ended.
#[derive(Debug, PartialEq, Eq)]
pub enum InputEnd {
    EmptyNetstring,
    Disconnect,
}

impl Peer {
    pub fn new(stream: UnixStream) -> Self {
        let guard = Some(Duration::from_secs(120));
        stream.set_read_timeout(guard).unwrap();
        stream.set_write_timeout(guard).unwrap();
        Self {
            stream,
            decoder: Decoder::new(),
            unread: Vec::new(),
        }
    }

    /// The next netstring, `None` when the client has gone instead.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let mut taken = Vec::new();
        loop {
            let (used, token) = self.decoder.poll(&self.unread).unwrap();
            self.unread.drain(..used);
            match token {
                Token::Begin(_) => taken.clear(),
                Token::Payload(length) => {
                    taken.extend(self.unread.drain(..length));
                    self.decoder.advance(length);
                }
                Token::End => return Some(taken),
                Token::More => {
                    let mut buffer = vec![0; 64 * 1024];
                    match self.stream.read(&mut buffer) {
                        Ok(0) => return None,
                        Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                        Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                        // The system does not by itself go on with a read that has a time-out.
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    }

    pub fn take_request(&mut self) -> Vec<Vec<u8>> {
        let count = String::from_utf8(self.take().unwrap()).unwrap();
        (0..count.parse().unwrap())
            .map(|_| self.take().unwrap())
            .collect()
    }

    /// All that is left of the program's input.
    pub fn take_input(&mut self) -> (Vec<u8>, InputEnd) {
        let mut input = Vec::new();
        loop {
            match self.take() {
                None => return (input, InputEnd::Disconnect),
                Some(chunk) if chunk.is_empty() => return (input, InputEnd::EmptyNetstring),
                Some(mut chunk) => input.append(&mut chunk),
            }
        }
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn say_pair(&mut self, kind: &str, data: &[u8]) {
        let mut pair = Vec::new();
        encode(&mut pair, kind.as_bytes());
        encode(&mut pair, data);
        self.say(&pair);
    }

    pub fn shut_down_writing(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A server that takes one connection.
pub struct Server<T> {
    pub scratch: Scratch,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    pub fn start(script: impl FnOnce(&mut Peer) -> T + Send + 'static) -> Self {
        let scratch = Scratch::new();
        let listener = UnixListener::bind(scratch.path("socket")).unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            script(&mut Peer::new(stream))
        });
        Self { scratch, thread }
    }

    /// A server that reads the request and sends this.
    pub fn saying(reply: &[u8]) -> Server<Vec<Vec<u8>>> {
        let reply = reply.to_vec();
        Server::start(move |peer| {
            let request = peer.take_request();
            peer.say(&reply);
            request
        })
    }

    pub fn path(&self) -> PathBuf {
        self.scratch.path("socket")
    }

    pub fn command<const N: usize>(&self, args: [&str; N]) -> Command {
        program(&self.path(), args)
    }

    pub fn join(self) -> T {
        self.thread.join().expect("the script goes as it should")
    }
}

/// The client program, with no input.
pub fn program<const N: usize>(path: &Path, args: [&str; N]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(path).args(args).stdin(Stdio::null());
    command
}

/// The client program through a shell that changes the descriptors first.
pub fn program_with(redirection: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("exec \"$@\" {redirection}"), "sh", PROGRAM])
        .args([path, Path::new("program")]);
    command
}

pub fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Bytes that look different from each place.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

/// Sends the program's input back as its output. A client that reads only once it has sent
/// all, or the other way round, gets nowhere with it.
pub fn echo(peer: &mut Peer) {
    peer.take_request();
    while let Some(chunk) = peer.take().filter(|chunk| !chunk.is_empty()) {
        for piece in chunk.chunks(32 * 1024) {
            peer.say_pair("stdout", piece);
        }
    }
    peer.say_pair("exitcode", b"0");
}
