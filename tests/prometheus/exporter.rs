//! `sockexecctl metrics --http` for each connection to a port, as systemd does with `Accept=yes`; and an
//! HTTP client that checks each response.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::common::PATIENCE;
use crate::common::daemon::command;
use crate::common::lines::Lines;
use crate::server::PROGRAM;

/// A process for one client: what it complains about, and its end.
type Process = (Lines, JoinHandle<ExitStatus>);

/// See the module.
pub struct Exporter {
    pub address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Process>>>,
}

impl Exporter {
    /// One for the server with this control socket.
    pub fn of(socket: &Path, timeout: &str) -> Self {
        let words = ["--timeout", timeout, "--socket"].map(OsString::from);
        let words = [PROGRAM.into()].into_iter().chain(words);
        Self::start(words.chain([socket.into()]).collect())
    }

    /// One with this beginning of a command line.
    pub fn start(mut words: Vec<OsString>) -> Self {
        words.extend(["metrics", "--http"].map(OsString::from));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            let mut processes = Vec::new();
            loop {
                let (stream, _) = listener.accept().unwrap();
                if ended.load(Ordering::SeqCst) {
                    return processes;
                }
                processes.push(answer(&words, stream));
            }
        });
        Self {
            address,
            ending,
            thread: Some(thread),
        }
    }

    /// Sends bytes, and reads to the end. The writing side stays open, as that of most clients.
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A server that refuses may have closed before it has read everything.
        let _ = stream.write_all(request.as_ref());
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a whole response");
        bytes
    }

    pub fn respond(&self, request: impl AsRef<[u8]>) -> Response {
        Response::of(&self.exchange(request))
    }

    /// The figures.
    pub fn figures(&self) -> String {
        let response = self.respond("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        assert_eq!(response.status, "200 OK");
        let kind = response.header("Content-Type");
        assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
        response.body
    }

    /// All that was written to standard error. Each process must have ended well, however bad its
    /// client was.
    pub fn stop(mut self) -> String {
        let mut errors = Vec::new();
        for (lines, process) in self.end().unwrap() {
            let status = process.join().unwrap();
            assert!(status.success(), "{status}");
            // That waits for the last of them.
            assert_eq!(lines.wait(|_| None::<()>), None);
            errors.append(&mut lines.all());
        }
        errors.join("\n")
    }

    fn end(&mut self) -> Option<Vec<Process>> {
        self.ending.store(true, Ordering::SeqCst);
        // This ends the wait for a connection.
        let _ = TcpStream::connect(self.address);
        self.thread.take()?.join().ok()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a process for one client.
fn answer(words: &[OsString], stream: TcpStream) -> Process {
    let output = stream.try_clone().unwrap();
    let mut child = command(&words[0])
        .args(&words[1..])
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = Lines::read(child.stderr.take().unwrap());
    (errors, thread::spawn(move || child.wait().unwrap()))
}

/// An HTTP response whose head is as it must be.
#[derive(Debug)]
pub struct Response {
    pub status: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    /// The response to another request than HEAD.
    #[track_caller]
    pub fn of(bytes: &[u8]) -> Self {
        let response = Self::head_of(bytes);
        let length = response.header("Content-Length").map(str::parse);
        assert_eq!(length, Some(Ok(response.body.len())), "{response:?}");
        response
    }

    #[track_caller]
    pub fn head_of(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect(&text);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect(line);
            (name.to_owned(), value.to_owned())
        });
        let response = Self {
            status: status.expect(&text).to_owned(),
            headers: headers.collect(),
            body: body.to_owned(),
        };
        assert_eq!(response.header("Connection"), Some("close"));
        response
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().filter(|(known, _)| known == name);
        let found = headers.next().map(|(_, value)| &value[..]);
        assert!(headers.next().is_none(), "{name} twice");
        found
    }
}
