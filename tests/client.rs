//! The client library and the `sockexec-client` program, against servers that follow a script.
//!
//! Each test owns its server: one connection, or one end of a pair, and a function that holds
//! the server's side of the conversation. Nothing waits for time: a conversation goes on when
//! bytes, a closed connection or a channel say so. The time-out that the servers' connections
//! have only turns a hang into a failure. Against the real daemon there are other tests.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::libc::{EACCES, SIGINT, SIGPIPE, SIGTERM};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket, socketpair};
use nix::unistd::Pid;
use sockexec::client::{self, ClientError, Event, Status};
use sockexec::wire::netstring::{Decoder, Token, encode};

const MIB: usize = 1024 * 1024;
const PROGRAM: &str = env!("CARGO_BIN_EXE_sockexec-client");

/// A directory of one test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The server's end of one connection.
struct Peer {
    stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

/// How a program's standard input ended.
#[derive(Debug, PartialEq, Eq)]
enum InputEnd {
    EmptyNetstring,
    Disconnect,
}

impl Peer {
    fn new(stream: UnixStream) -> Self {
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
    fn take(&mut self) -> Option<Vec<u8>> {
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

    fn take_request(&mut self) -> Vec<Vec<u8>> {
        let count = String::from_utf8(self.take().unwrap()).unwrap();
        (0..count.parse().unwrap())
            .map(|_| self.take().unwrap())
            .collect()
    }

    /// All that is left of the program's input.
    fn take_input(&mut self) -> (Vec<u8>, InputEnd) {
        let mut input = Vec::new();
        loop {
            match self.take() {
                None => return (input, InputEnd::Disconnect),
                Some(chunk) if chunk.is_empty() => return (input, InputEnd::EmptyNetstring),
                Some(mut chunk) => input.append(&mut chunk),
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn say_pair(&mut self, kind: &str, data: &[u8]) {
        let mut pair = Vec::new();
        encode(&mut pair, kind.as_bytes());
        encode(&mut pair, data);
        self.say(&pair);
    }

    fn shut_down_writing(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A server that takes one connection.
struct Server<T> {
    scratch: Scratch,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    fn start(script: impl FnOnce(&mut Peer) -> T + Send + 'static) -> Self {
        let scratch = Scratch::new();
        let listener = UnixListener::bind(scratch.path("socket")).unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            script(&mut Peer::new(stream))
        });
        Self { scratch, thread }
    }

    /// One that takes the request and says this.
    fn saying(reply: &[u8]) -> Server<Vec<Vec<u8>>> {
        let reply = reply.to_vec();
        Server::start(move |peer| {
            let request = peer.take_request();
            peer.say(&reply);
            request
        })
    }

    fn path(&self) -> PathBuf {
        self.scratch.path("socket")
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> Command {
        program(&self.path(), args)
    }

    fn join(self) -> T {
        self.thread.join().expect("the script goes as it should")
    }
}

/// The client program, with no input.
fn program<const N: usize>(path: &Path, args: [&str; N]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(path).args(args).stdin(Stdio::null());
    command
}

/// The client program through a shell that changes the descriptors first.
fn program_with(redirection: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("exec \"$@\" {redirection}"), "sh", PROGRAM])
        .args([path, Path::new("program")]);
    command
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A connection where each write of the peer is one read of the client.
fn pair_of_packets() -> (Peer, UnixStream) {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    (Peer::new(ours.into()), theirs.into())
}

/// What the library makes of a reply that comes in these pieces.
fn collect_pieces(pieces: Vec<Vec<u8>>) -> Result<client::Output, ClientError> {
    let (mut peer, stream) = pair_of_packets();
    let (input, reply) = client::start_on(stream, ["program"]).unwrap();
    let server = thread::spawn(move || {
        // On such a connection, a request that was not taken would cost the reply's last pieces.
        peer.take_request();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            if peer.stream.write_all(piece).is_err() {
                break; // the client has seen enough
            }
        }
    });
    let output = reply.collect();
    server.join().unwrap();
    drop(input);
    output
}

/// The same, in one piece, byte by byte and in every split into two: always the same.
fn collect_in_every_split(reply: &[u8]) -> Result<client::Output, ClientError> {
    let whole = collect_pieces(vec![reply.to_vec()]);
    let told = format!("{whole:?}");
    let bytes = collect_pieces(reply.iter().map(|&byte| vec![byte]).collect());
    assert_eq!(format!("{bytes:?}"), told, "{}", reply.escape_ascii());
    for cut in 1..reply.len() {
        let (begin, end) = reply.split_at(cut);
        let parts = collect_pieces(vec![begin.to_vec(), end.to_vec()]);
        assert_eq!(format!("{parts:?}"), told, "{} {cut}", reply.escape_ascii());
    }
    whole
}

#[test]
fn replies_are_understood_in_every_split() {
    for (reply, status, stdout, stderr) in [
        (
            &b"8:exitcode,1:0,"[..],
            Status::Exited(0),
            &b""[..],
            &b""[..],
        ),
        (b"8:exitcode,3:255,", Status::Exited(255), b"", b""),
        (b"7:termsig,2:15,", Status::Signaled(15), b"", b""),
        (b"7:termsig,4:TERM,", Status::Signaled(15), b"", b""),
        (b"7:termsig,7:SIGKILL,", Status::Signaled(9), b"", b""),
        (b"7:termsig,4:POLL,", Status::Signaled(29), b"", b""),
        (b"7:termsig,2:64,", Status::Signaled(64), b"", b""),
        (
            b"6:stdout,3:a,b,6:stderr,2:x\n,6:stdout,0:,6:stdout,1::,8:exitcode,1:1,",
            Status::Exited(1),
            b"a,b:",
            b"x\n",
        ),
        // The first implementation's order.
        (
            b"8:exitcode,1:0,6:stdout,4:late,",
            Status::Exited(0),
            b"late",
            b"",
        ),
    ] {
        let output = collect_in_every_split(reply).unwrap();
        let expected = client::Output {
            status,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        };
        assert_eq!(output, expected, "{}", reply.escape_ascii());
    }
}

#[test]
fn every_beginning_of_a_reply_is_cut_short() {
    let reply = b"6:stdout,2:hi,6:stderr,1:x,8:exitcode,2:10,";
    for length in 0..reply.len() {
        let result = collect_pieces(vec![reply[..length].to_vec()]);
        assert!(
            matches!(result, Err(ClientError::CutShort)),
            "{length} {result:?}"
        );
    }
    // Also after the status, where an end would be fine between two pairs.
    for rest in [&b"6"[..], b"6:stdout,", b"6:stdout,3:la"] {
        let result = collect_pieces(vec![reply.to_vec(), rest.to_vec()]);
        assert!(matches!(result, Err(ClientError::CutShort)), "{result:?}");
    }
}

#[test]
fn faults_of_a_reply_each_have_their_own_error() {
    for (reply, message) in [
        (&b"hello"[..], "malformed: 'h' in the length"),
        (
            b"06:stdout,",
            "malformed: a netstring's length starts with a zero",
        ),
        (
            b"6:stdout;",
            "malformed: ';' where a netstring's closing comma",
        ),
        (
            b"1234567890:",
            "malformed: a netstring's length has more than",
        ),
        (b"7:unknown,1:x,", "unknown type 'unknown'"),
        (b"0:,1:x,", "unknown type ''"),
        (b"2:\xff\n,1:x,", "unknown type '\\xff\\n'"),
        (
            b"999999999:aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb",
            "unknown type 'aaaaaaaaaabbbbbbbbbbaaaaaaaaaabb'",
        ),
        (b"8:exitcode,0:,", "'' for an exit code"),
        (b"8:exitcode,3:256,", "'256' for an exit code"),
        (b"8:exitcode,2:+1,", "'+1' for an exit code"),
        (b"8:exitcode,2:-1,", "'-1' for an exit code"),
        (b"7:termsig,1:0,", "'0' for a signal"),
        (b"7:termsig,3:128,", "'128' for a signal"),
        (b"7:termsig,3:???,", "'???' for a signal"),
        (b"7:termsig,0:,", "'' for a signal"),
        (b"8:exitcode,1:0,7:termsig,1:9,", "says twice"),
    ] {
        let error = collect_in_every_split(reply).unwrap_err().to_string();
        assert!(error.contains(message), "{}: {error}", reply.escape_ascii());
    }
}

#[test]
fn a_request_is_sent_as_the_protocol_has_it() {
    let (client, mut server) = UnixStream::pair().unwrap();
    let (mut input, reply) = client::start_on(client, ["tr", "-d", ""]).unwrap();
    assert!(input.send(b"some").unwrap());
    assert!(input.send(b"").unwrap());
    assert!(input.send(b"thing").unwrap());
    input.end().unwrap();
    drop(reply);
    let mut sent = String::new();
    server.read_to_string(&mut sent).unwrap();
    assert_eq!(sent, "1:3,2:tr,2:-d,0:,4:some,5:thing,0:,");
}

#[test]
fn run_gives_input_and_collects_output() {
    let server = Server::start(|peer| {
        let request = peer.take_request();
        let input = peer.take_input();
        peer.say_pair("stdout", b"HELLO");
        peer.say_pair("stderr", b"done\n");
        peer.say_pair("exitcode", b"3");
        (request, input)
    });
    let output = client::run(server.path(), ["tr", "a-z", "A-Z"], b"hello").unwrap();
    assert_eq!(output.stdout, b"HELLO");
    assert_eq!(output.stderr, b"done\n");
    assert_eq!(output.status, Status::Exited(3));
    assert!(!output.status.success());
    let (request, input) = server.join();
    assert_eq!(request, [&b"tr"[..], b"a-z", b"A-Z"]);
    assert_eq!(input, (b"hello".to_vec(), InputEnd::EmptyNetstring));
}

#[test]
fn an_input_dropped_before_its_end_disconnects() {
    let (client, server) = UnixStream::pair().unwrap();
    let mut peer = Peer::new(server);
    let (mut input, reply) = client::start_on(client, ["cat"]).unwrap();
    input.send(b"x").unwrap();
    drop(input);
    peer.take_request();
    assert_eq!(peer.take_input(), (b"x".to_vec(), InputEnd::Disconnect));
    let error = peer.stream.write_all(b"more").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let error = reply.collect().unwrap_err();
    assert!(matches!(error, ClientError::CutShort), "{error:?}");
}

#[test]
fn a_dropped_reply_disconnects_and_frees_a_sender_that_waits() {
    let (client, server) = UnixStream::pair().unwrap();
    let (mut input, reply) = client::start_on(client, ["cat"]).unwrap();
    let sender = thread::spawn(move || while input.send(&[0; 65536]).unwrap() {});
    drop(reply);
    sender.join().unwrap();
    drop(server);
}

#[test]
fn run_returns_with_the_reply_though_nobody_reads_its_input() {
    let (done, returned) = mpsc::channel();
    let server = Server::start(move |peer| {
        peer.take_request();
        peer.say(b"8:exitcode,1:7,");
        peer.shut_down_writing();
        // The connection stays open, and unread, for as long as the client is at it.
        returned.recv().unwrap();
    });
    let output = client::run(server.path(), ["true"], &vec![0; 8 * MIB]).unwrap();
    assert_eq!(output.status, Status::Exited(7));
    done.send(()).unwrap();
    server.join();
}

#[test]
fn a_refusal_while_the_request_is_still_being_sent_is_read() {
    let server = Server::start(|peer| {
        peer.take().unwrap();
        peer.say_pair("stderr", b"sockexec: the request is over the limit\n");
        peer.say_pair("exitcode", b"100");
    });
    let long = "x".repeat(8 * MIB);
    let output = client::run(server.path(), ["echo", &long], b"more").unwrap();
    assert_eq!(output.status, Status::Exited(100));
    assert!(output.stderr.starts_with(b"sockexec: the request"));
    server.join();
}

#[test]
fn a_server_that_closes_early_is_no_error_for_the_sender() {
    let (client, server) = UnixStream::pair().unwrap();
    let mut peer = Peer::new(server);
    let (mut input, mut reply) = client::start_on(client, ["head"]).unwrap();
    peer.take_request();
    assert!(input.send(b"never read").unwrap());
    peer.say(b"6:stdout,2:hi,8:exitcode,1:0,");
    drop(peer);
    // The end is really closed once the processes that other tests are just starting have let
    // go of their copies.
    while input.send(b"more").unwrap() {}
    assert!(!input.send(b"more").unwrap());
    input.end().unwrap();
    assert_eq!(reply.next_event().unwrap(), Some(Event::Stdout(b"hi")));
    let ended = Event::Ended(Status::Exited(0));
    assert_eq!(reply.next_event().unwrap(), Some(ended));
    assert_eq!(reply.next_event().unwrap(), None);
    assert_eq!(reply.next_event().unwrap(), None);
}

#[test]
fn time_outs_of_the_stream_are_errors() {
    let (client, server) = UnixStream::pair().unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    client
        .set_write_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let (mut input, mut reply) = client::start_on(client, ["cat"]).unwrap();
    let error = reply.next_event().unwrap_err();
    assert!(matches!(error, ClientError::Receive(_)), "{error:?}");
    // Receiving may be tried again, sending not: half a netstring may be on its way.
    (&server).write_all(b"6:stdout,1:x,").unwrap();
    assert_eq!(reply.next_event().unwrap(), Some(Event::Stdout(b"x")));
    let error = input.send(&vec![0; 16 * MIB]).unwrap_err();
    assert!(matches!(error, ClientError::Send(_)), "{error:?}");
    assert!(!input.send(b"more").unwrap());
    let error = reply.next_event().unwrap_err();
    assert!(matches!(error, ClientError::CutShort), "{error:?}");
}

/// Bytes that look different from each place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

/// Sends the program's input back as its output. A client that reads only once it has sent
/// all, or the other way round, gets nowhere with it.
fn echo(peer: &mut Peer) {
    peer.take_request();
    while let Some(chunk) = peer.take().filter(|chunk| !chunk.is_empty()) {
        for piece in chunk.chunks(32 * 1024) {
            peer.say_pair("stdout", piece);
        }
    }
    peer.say_pair("exitcode", b"0");
}

#[test]
fn much_goes_both_ways_at_once_through_the_library() {
    let server = Server::start(echo);
    let data = pattern(64 * MIB);
    let output = client::run(server.path(), ["cat"], &data).unwrap();
    assert!(output.stdout == data);
    server.join();
}

#[test]
fn much_goes_both_ways_at_once_through_the_program() {
    let server = Server::start(echo);
    let mut child = server
        .command(["cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let data = Arc::new(pattern(64 * MIB));
    let mut stdin = child.stdin.take().unwrap();
    let sender = {
        let data = Arc::clone(&data);
        thread::spawn(move || stdin.write_all(&data).unwrap())
    };
    let output = child.wait_with_output().unwrap();
    sender.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == *data);
    server.join();
}

#[test]
fn a_pair_of_any_size_passes_without_being_kept() {
    let server = Server::start(|peer| {
        peer.take_request();
        peer.say(format!("6:stdout,{}:", 64 * MIB).as_bytes());
        let data = vec![b'x'; MIB];
        for _ in 0..64 {
            peer.say(&data);
        }
        peer.say(b",8:exitcode,1:0,");
    });
    let (input, mut reply) = client::start(server.path(), ["yes"]).unwrap();
    input.end().unwrap();
    let (mut length, mut ended) = (0, None);
    while let Some(event) = reply.next_event().unwrap() {
        match event {
            Event::Stdout(piece) => {
                assert!((1..=client::PIECE_MAX).contains(&piece.len()));
                length += piece.len();
            }
            Event::Stderr(piece) => panic!("{}", piece.escape_ascii()),
            Event::Ended(status) => ended = Some(status),
        }
    }
    assert_eq!((length, ended), (64 * MIB, Some(Status::Exited(0))));
    server.join();
}

#[test]
fn a_server_that_is_not_there_is_a_clear_error() {
    let scratch = Scratch::new();
    let stale = scratch.path("stale");
    // Bound and not listening, because a listener's copies may live on for a moment in processes
    // that other tests are just starting.
    let left = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    bind(left.unwrap().as_raw_fd(), &UnixAddr::new(&stale).unwrap()).unwrap();
    let file = scratch.path("file");
    fs::write(&file, "").unwrap();
    let long = scratch.path(&"x".repeat(200));
    for (path, message) in [
        (&stale, "no server listens there"),
        (&file, "no server listens there"),
        (&scratch.path("nothing"), "there is no such socket"),
        (&file.join("below"), "Not a directory"),
        (&long, "path must be shorter"),
    ] {
        let output = program(path, ["true"]).output().unwrap();
        let stderr = stderr_of(&output);
        assert_eq!(output.status.code(), Some(111), "{stderr}");
        assert!(stderr.starts_with("sockexec-client: "), "{stderr}");
        assert!(stderr.contains(path.to_str().unwrap()), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let error = client::run(&stale, ["true"], b"").unwrap_err();
    assert!(matches!(error, ClientError::Refused(path) if path == stale));
    let error = client::run(scratch.path("nothing"), ["true"], b"").unwrap_err();
    assert!(matches!(error, ClientError::NoSocket(_)));
}

#[test]
fn a_socket_without_permission_is_a_clear_error() {
    let scratch = Scratch::new();
    let path = scratch.path("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may do anything, and has to become somebody else, who may not be able to
    // look where the program was built. Another process makes the copy, because a file that is
    // open for writing, here or in a process that is just starting, cannot be run.
    let copy = scratch.path("copy");
    let copied = Command::new("cp").arg(PROGRAM).arg(&copy).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&copy);
    command.arg(&path).arg("true").stdin(Stdio::null());
    let superuser = fs::metadata(&path).unwrap().uid() == 0;
    if superuser {
        command.uid(65534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if superuser && error.raw_os_error() != Some(EACCES) => {
            eprintln!("SKIPPED: this superuser cannot become another user: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let stderr = stderr_of(&output);
    assert_eq!(output.status.code(), Some(111), "{stderr}");
    assert!(stderr.contains("no permission to connect"), "{stderr}");
}

#[test]
fn the_programs_exit_code_is_the_exit_code() {
    for code in [0, 1, 127, 255] {
        let data = code.to_string();
        let reply = format!("8:exitcode,{}:{data},", data.len());
        let server = Server::<()>::saying(reply.as_bytes());
        let output = server.command(["program"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(stderr_of(&output), "");
        server.join();
    }
}

#[test]
fn a_signal_is_told_and_added_to_128() {
    for reply in ["7:termsig,2:15,", "7:termsig,4:TERM,"] {
        let server = Server::<()>::saying(reply.as_bytes());
        let output = server.command(["program"]).output().unwrap();
        assert_eq!(output.status.code(), Some(128 + SIGTERM));
        assert_eq!(
            stderr_of(&output),
            "sockexec-client: program: ended by signal 15 (SIGTERM)\n"
        );
        server.join();
    }
}

#[test]
fn a_reply_with_a_fault_exits_111_after_what_came_before() {
    for (rest, message) in [
        ("", "cut short"),
        ("6:stdout,", "cut short"),
        ("4:news,1:x,", "unknown type 'news'"),
        ("x", "malformed"),
    ] {
        let server = Server::<()>::saying(format!("6:stdout,2:hi,{rest}").as_bytes());
        let output = server.command(["program"]).output().unwrap();
        let stderr = stderr_of(&output);
        assert_eq!(output.status.code(), Some(111), "{stderr}");
        assert_eq!(output.stdout, b"hi");
        assert!(stderr.contains(message), "{stderr}");
        server.join();
    }
}

#[test]
fn arguments_after_the_path_are_the_programs() {
    for (options, args) in [
        (&[][..], &["ls", "-l", "--", "--help", ""][..]),
        (&[], &["-h"]),
        (&[], &["--version", "x"]),
        (&["--"], &["ls", "--", "-V"]),
    ] {
        let server = Server::<()>::saying(b"8:exitcode,1:0,");
        let status = Command::new(PROGRAM)
            .args(options)
            .arg(server.path())
            .args(args)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let expected: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        assert_eq!(server.join(), expected);
    }
}

#[test]
fn command_lines_without_sense_exit_100_and_help_exits_0() {
    for (args, code) in [
        (&[][..], 100),
        (&["path"], 100),
        (&["--no-such-option", "path", "true"], 100),
        (&["-h"], 0),
        (&["--help"], 0),
        (&["-V"], 0),
        (&["--version"], 0),
    ] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let (told, silent) = match code {
            0 => (&output.stdout, &output.stderr),
            _ => (&output.stderr, &output.stdout),
        };
        assert!(told.windows(15).any(|part| part == b"sockexec-client"));
        assert!(silent.is_empty());
    }
}

#[test]
fn under_its_other_name_it_is_the_same() {
    let server = Server::<()>::saying(b"6:stdout,2:hi,8:exitcode,1:4,");
    let link = server.scratch.path("sockexec.client");
    symlink(PROGRAM, &link).unwrap();
    let output = Command::new(&link)
        .arg(server.path())
        .arg("-program")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(output.stdout, b"hi");
    assert_eq!(server.join(), [b"-program"]);
}

/// A server that wants to see all of the input, and how it ends, before it replies.
fn input_server() -> Server<(Vec<u8>, InputEnd)> {
    Server::start(|peer| {
        peer.take_request();
        let input = peer.take_input();
        peer.say_pair("exitcode", b"0");
        input
    })
}

#[test]
fn input_comes_from_files_and_pipes() {
    let server = input_server();
    let path = server.scratch.path("input");
    fs::write(&path, pattern(300_000)).unwrap();
    let mut command = server.command(["program"]);
    let status = command.stdin(File::open(&path).unwrap()).status().unwrap();
    assert!(status.success());
    let (input, end) = server.join();
    assert!(input == pattern(300_000));
    assert_eq!(end, InputEnd::EmptyNetstring);

    let server = input_server();
    let mut child = server
        .command(["program"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"piped").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(server.join(), (b"piped".to_vec(), InputEnd::EmptyNetstring));
}

#[test]
fn no_input_comes_from_a_closed_or_unreadable_descriptor() {
    for redirection in ["<&-", "0>/dev/null", "<&- >&- 2>&-"] {
        let server = input_server();
        let status = program_with(redirection, &server.path()).status().unwrap();
        assert!(status.success(), "{redirection}");
        assert_eq!(server.join(), (Vec::new(), InputEnd::EmptyNetstring));
    }
}

#[test]
fn input_that_fails_is_not_taken_for_input_that_ends() {
    let server = Server::start(|peer| {
        peer.take_request();
        peer.take_input()
    });
    let mut command = server.command(["program"]);
    let output = command.stdin(File::open("/").unwrap()).output().unwrap();
    let stderr = stderr_of(&output);
    assert_eq!(output.status.code(), Some(111), "{stderr}");
    assert!(stderr.contains("cannot read standard input"), "{stderr}");
    assert_eq!(server.join(), (Vec::new(), InputEnd::Disconnect));
}

#[test]
fn input_that_does_not_end_does_not_hold_the_exit() {
    let server = Server::<()>::saying(b"8:exitcode,1:5,");
    let mut command = server.command(["program"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let open_end = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    drop(open_end);
    server.join();
}

#[test]
fn a_server_that_closes_early_while_input_is_sent_is_read_to_the_end() {
    for lingers in [false, true] {
        let server = Server::start(move |peer| {
            peer.take_request();
            assert!(peer.take().is_some());
            peer.say(b"6:stdout,4:last,8:exitcode,1:6,");
            if lingers {
                peer.shut_down_writing();
                while peer.take().is_some() {}
            }
        });
        let mut command = server.command(["head"]);
        let endless = File::open("/dev/zero").unwrap();
        let output = command.stdin(endless).output().unwrap();
        assert_eq!(output.status.code(), Some(6));
        assert_eq!(output.stdout, b"last");
        assert_eq!(stderr_of(&output), "");
        server.join();
    }
}

#[test]
fn output_passes_at_once_and_stays_apart() {
    let (seen, go_on) = mpsc::channel();
    let server = Server::start(move |peer| {
        peer.take_request();
        // Half a line, then half a netstring.
        peer.say(b"6:stdout,2:ab,");
        go_on.recv().unwrap();
        peer.say(b"6:stderr,4:cd");
        go_on.recv().unwrap();
        peer.say(b"ef,8:exitcode,1:0,");
    });
    let mut child = server
        .command(["program"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = [0; 2];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ab");
    seen.send(()).unwrap();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"cd");
    seen.send(()).unwrap();
    stderr.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ef");
    assert!(child.wait().unwrap().success());
    server.join();
}

#[test]
fn descriptors_that_do_not_block_are_waited_for() {
    let server = Server::start(echo);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let output_end = OwnedFd::from(theirs.try_clone().unwrap());
    let mut child = {
        // In a block, so that our copies of the other end are closed afterwards.
        let mut command = server.command(["cat"]);
        command.stdin(OwnedFd::from(theirs)).stdout(output_end);
        command.spawn().unwrap()
    };
    let data = pattern(4 * MIB);
    let sender = {
        let (mut stream, data) = (ours.try_clone().unwrap(), data.clone());
        thread::spawn(move || {
            stream.write_all(&data).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut echoed = Vec::new();
    ours.read_to_end(&mut echoed).unwrap();
    assert!(echoed == data);
    assert!(child.wait().unwrap().success());
    sender.join().unwrap();
    server.join();
}

#[test]
fn a_reader_that_is_gone_ends_it_as_any_filter() {
    let server = Server::start(|peer| {
        peer.take_request();
        // Until it is gone: a process that another test is just starting may hold a copy of the
        // pipe's end for a moment.
        while peer.stream.write_all(b"6:stdout,3:y\ny,").is_ok() {}
        peer.take_input()
    });
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = {
        let mut command = server.command(["yes"]);
        command.stdin(Stdio::piped()).stdout(writer);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    // Waiting would close its input, so the server has to see the end of the connection first.
    let end = server.join();
    assert_eq!(end, (Vec::new(), InputEnd::Disconnect));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGPIPE));
    assert_eq!(stderr_of(&output), "");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let server = Server::<()>::saying(b"6:stdout,2:hi,8:exitcode,1:0,");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = server.command(["program"]).stdout(full).output().unwrap();
    let stderr = stderr_of(&output);
    assert_eq!(output.status.code(), Some(111), "{stderr}");
    assert!(
        stderr.contains("cannot write to standard output"),
        "{stderr}"
    );
    server.join();
}

#[test]
fn signals_end_it_as_signals_and_disconnect() {
    // Who starts the tests may have SIGINT ignored, and that is inherited; what is handled
    // becomes the default in a new program.
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_default(SIGINT, always).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (started, running) = mpsc::channel();
        let server = Server::start(move |peer| {
            peer.take_request();
            started.send(()).unwrap();
            peer.take_input()
        });
        let mut command = server.command(["sleep", "inf"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        running.recv().unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let input_end = child.stdin.take();
        assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
        assert_eq!(server.join(), (Vec::new(), InputEnd::Disconnect));
        drop(input_end);
    }
}
