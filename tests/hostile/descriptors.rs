//! Descriptors that come with the bytes: none is taken, and none stops the server, whatever
//! closing it takes.

use crate::common::client::END;
use crate::common::process::descriptors;
use crate::common::{Daemon, End, PATIENCE, Reply, Setup, request};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the last close of such a socket waits. No test waits nearly as long.
const LINGER: i32 = 60;

/// A TCP socket with bytes that are not read. Its last close waits, wherever it is made,
/// but not here.
struct Lingering {
    socket: Option<TcpStream>,
    _peer: TcpStream,
}

impl Lingering {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        set_linger(&socket, 1);
        socket.set_nonblocking(true).unwrap();
        let full = loop {
            if let Err(error) = socket.write_all(&[0; 65_536]) {
                break error.kind();
            }
        };
        assert_eq!(full, ErrorKind::WouldBlock);
        Self {
            socket: Some(socket),
            _peer: peer,
        }
    }

    fn pass(&self, by: &UnixStream, bytes: &[u8], flags: MsgFlags) -> Result<(), Errno> {
        pass(by, bytes, self.socket.as_ref().unwrap(), flags)
    }

    /// It is in transit to another process, which makes the last close from now on.
    fn leave(&mut self) {
        self.socket = None;
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            set_linger(socket, 0);
        }
    }
}

fn set_linger(socket: &TcpStream, onoff: i32) {
    let linger = libc::linger {
        l_onoff: onoff,
        l_linger: LINGER,
    };
    setsockopt(socket, sockopt::Linger, &linger).unwrap();
}

/// Sends `bytes` and `passed` along with them.
fn pass(
    by: &UnixStream,
    bytes: &[u8],
    passed: &impl AsRawFd,
    flags: MsgFlags,
) -> Result<(), Errno> {
    let raw = [passed.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&raw)];
    let bytes = [IoSlice::new(bytes)];
    sendmsg::<()>(by.as_raw_fd(), &bytes, &rights, flags, None).map(drop)
}

/// A server that is yet to be started and will get a socket that listens already: the
/// kernel lets those who connect before pass descriptors, whatever the server asks of it.
fn early() -> (Setup, PathBuf) {
    let mut setup = Setup::new().without_path().arguments(["--inetd"]);
    let path = setup.directory.join("s");
    let listener = UnixListener::bind(&path).unwrap();
    setup.command.stdin(OwnedFd::from(listener));
    (setup, path)
}

/// The server still serves, soon.
#[track_caller]
fn serves_soon(daemon: &Daemon, since: Instant) {
    daemon.serves();
    assert_soon(since);
}

#[track_caller]
fn assert_soon(since: Instant) {
    let took = since.elapsed();
    assert!(took < Duration::from_secs(LINGER as u64 / 2), "{took:?}");
}

/// A whole reply. The server does not read what has descriptors with it, so that the end may be a
/// reset: the reply comes before that all the same.
fn reply_of(mut stream: UnixStream) -> Reply {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    Reply::parse(&bytes)
}

#[test]
fn a_descriptor_whose_close_waits_stops_nobody() {
    let daemon = Daemon::start(&[]);
    let mut passed = Lingering::new();
    let start = Instant::now();
    let client = daemon.connect();
    match passed.pass(client.stream(), b"1", MsgFlags::empty()) {
        // An old kernel takes it, and the server refuses the request.
        Ok(()) => {
            passed.leave();
            serves_soon(&daemon, start);
            client.reply().refused(100, &["descriptors"]);
        }
        Err(errno) => assert_eq!(errno, Errno::EPERM),
    }
    serves_soon(&daemon, start);
}

#[test]
fn descriptors_passed_before_the_server_could_forbid_it_stop_nobody() {
    let (setup, path) = early();
    let mut passed = Lingering::new();
    let connect = || UnixStream::connect(&path).unwrap();
    let plain = MsgFlags::empty();

    let alone = connect();
    passed.pass(&alone, b"1", plain).unwrap();

    let mut behind_a_request = connect();
    behind_a_request.write_all(&request(&["cat"])).unwrap();
    passed.pass(&behind_a_request, END, plain).unwrap();

    let mut out_of_band = connect();
    out_of_band.write_all(b"1").unwrap();
    passed.pass(&out_of_band, b":", MsgFlags::MSG_OOB).unwrap();
    out_of_band.write_all(b"1,").unwrap();

    // The program reads nothing, so that what comes later stays unread.
    let mut unread = connect();
    unread.write_all(&request(&["sleep", "600"])).unwrap();
    unread.write_all(b"100000:").unwrap();
    unread.write_all(&[b'x'; 100_000]).unwrap();
    passed.pass(&unread, b",", plain).unwrap();

    passed.leave();
    let start = Instant::now();
    let mut daemon = setup.spawn();
    for stream in [alone, behind_a_request, out_of_band] {
        reply_of(stream).refused(100, &["descriptors", "none is accepted"]);
    }
    serves_soon(&daemon, start);
    drop(unread);
    serves_soon(&daemon, start);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert_soon(start);
}

/// Its socket is closed with care, which takes no number of its own.
#[test]
fn a_client_that_could_pass_descriptors_takes_one_number() {
    let (setup, path) = early();
    let clients = [(); 3].map(|()| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(&request(&["true"])).unwrap();
        client.write_all(END).unwrap();
        client
    });
    let daemon = setup.spawn();
    for client in clients {
        assert_eq!(reply_of(client).end, End::Exit(0));
    }
    // The server has closed all of them when it has served others.
    daemon.run(&["echo", "fourth"]);
    daemon.run(&["echo", "fifth"]);
    let line = daemon.log.wait_for("fifth", |line| line.contains("fifth"));
    assert!(line.contains("job 5: "), "{line}");
}

#[test]
fn descriptors_of_every_kind_are_refused_and_leave_none_behind() {
    let (setup, path) = early();
    let mut passed = Lingering::new();
    let plain = MsgFlags::empty();
    let (one, _other) = UnixStream::pair().unwrap();
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    // One that holds another, whose close waits.
    let (outside, nested) = UnixStream::pair().unwrap();
    passed.pass(&outside, b"x", plain).unwrap();
    let kinds: Vec<OwnedFd> = vec![
        File::open("/dev/null").unwrap().into(),
        File::open("/").unwrap().into(),
        File::open("/proc/self/stat").unwrap().into(),
        one.into(),
        reader,
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
        nested.into(),
    ];
    let mut clients = Vec::new();
    for kind in kinds {
        let client = UnixStream::connect(&path).unwrap();
        pass(&client, b"1:1,4:true,0:,", &kind, plain).unwrap();
        clients.push(client);
    }
    passed.leave();
    drop(outside);
    let start = Instant::now();
    let daemon = setup.spawn();
    for stream in clients {
        reply_of(stream).refused(100, &["descriptors"]);
    }
    serves_soon(&daemon, start);
    let held = descriptors(daemon.pid());
    let foreign = |what: &String| what.contains("/stat") || what == "/";
    assert!(!held.iter().any(foreign), "{held:?}");
}
