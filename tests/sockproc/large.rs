//! Much input and much output, by a server whose memory does not grow with either.

use crate::common::process::{descriptors, status};
use crate::common::random::Random;
use crate::common::sockproc::{number, request, run, run_with_stdin};
use crate::common::{Client, Daemon, Setup, skip, sockproc};
use crate::{configured, start};
use nix::sys::statvfs::statvfs;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// How much the server may have grown at its largest, whatever went through it.
const GROWTH_MAX: usize = 32 * MIB;

/// The most memory that the server has had, in bytes.
fn peak(daemon: &Daemon) -> usize {
    status(daemon.pid(), "VmHWM").parse::<usize>().unwrap() * 1024
}

#[track_caller]
fn has_not_grown(daemon: &Daemon, before: usize) {
    let after = peak(daemon);
    assert!(
        after < before + GROWTH_MAX,
        "from {before} to {after} bytes"
    );
}

#[test]
fn standard_input_of_100_mb() {
    let daemon = start(&[]);
    let before = peak(&daemon);
    let bytes = Random::new(100).bytes(100_000_000);
    let mut own = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    own.stdin.take().unwrap().write_all(&bytes).unwrap();
    let own = own.wait_with_output().unwrap().stdout;
    let reply = run_with_stdin(&daemon, "sha256sum", &bytes);
    assert_eq!(reply.succeeded().into_bytes(), own);
    has_not_grown(&daemon, before);
}

/// Numbers of nine digits, a line each: a thousand million bytes of which none are the same.
const STDOUT: [&str; 2] = ["100000000", "199999999"];
const STDERR: [&str; 2] = ["200000000", "299999999"];
const OUTPUT: usize = 1_000_000_000;

fn seq(numbers: [&str; 2]) -> ChildStdout {
    let mut child = Command::new("seq")
        .args(numbers)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    thread::spawn(move || child.wait());
    output
}

/// Reads an output of [`OUTPUT`] bytes and compares each with what `seq` writes.
fn same_as_seq(stream: &mut impl Read, numbers: [&str; 2]) {
    let mut wanted = seq(numbers);
    let (mut got, mut own) = (vec![0; MIB], vec![0; MIB]);
    let mut left = OUTPUT;
    while left > 0 {
        let n = left.min(MIB);
        stream.read_exact(&mut got[..n]).expect("all of the output");
        wanted.read_exact(&mut own[..n]).unwrap();
        assert!(got[..n] == own[..n], "other bytes, {left} before the end");
        left -= n;
    }
    assert_eq!(wanted.read(&mut own).unwrap(), 0, "no more than that");
}

/// The number in the next line.
fn line(stream: &mut impl Read) -> u64 {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a line");
        line.push(byte[0]);
        assert!(line.len() < 30, "{}", line.escape_ascii());
    }
    let (number, rest) = number(&line).unwrap();
    assert_eq!(rest, b"");
    number
}

/// Where the server puts what is too much for its memory.
fn unless_space(bytes: u64) -> bool {
    let space = statvfs(&std::env::temp_dir()).unwrap();
    let free = space.blocks_available() as u64 * space.fragment_size() as u64;
    if free < bytes {
        skip::say(&format!("{bytes} bytes of temporary files are needed"));
    }
    free >= bytes
}

#[test]
fn output_of_1_gb_on_both_streams_at_once() {
    if !unless_space(3 << 30) {
        return;
    }
    let daemon = start(&["-t", "600"]);
    let before = peak(&daemon);
    let command = format!(
        "seq {} {} >&2 & seq {} {}; wait",
        STDERR[0], STDERR[1], STDOUT[0], STDOUT[1]
    );
    let client = daemon.begin(request(command, b""));
    let stream: &UnixStream = client.stream();
    // The reply begins when the command has written all.
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    let mut stream = BufReader::with_capacity(MIB, stream);
    let mut head = [0; 7];
    stream.read_exact(&mut head).expect("a reply");
    assert_eq!((&head, line(&mut stream)), (b"status:", 0));
    for numbers in [STDOUT, STDERR] {
        assert_eq!(line(&mut stream), OUTPUT as u64);
        same_as_seq(&mut stream, numbers);
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "nothing after the end");
    has_not_grown(&daemon, before);
    drop(client);
    files_are_gone(&daemon);
}

/// Waits until the server has no temporary file any more.
fn files_are_gone(daemon: &Daemon) {
    crate::common::process::eventually("no temporary file", || {
        descriptors(daemon.pid())
            .iter()
            .all(|d| !d.contains("(deleted)"))
    });
}

#[test]
fn a_client_that_does_not_read_holds_a_file_and_no_memory() {
    let daemon = start(&[]);
    let before = peak(&daemon);
    let clients: Vec<Client> = (0..10)
        .map(|_| daemon.begin(request("head -c 20000000 /dev/zero", b"")))
        .collect();
    for client in &clients {
        let patience = crate::common::PATIENCE;
        let fd = std::os::fd::AsFd::as_fd(client.stream());
        assert!(crate::common::process::wait_readable(&[fd], patience));
    }
    has_not_grown(&daemon, before);
    for client in clients {
        let reply = sockproc::reply(client);
        assert_eq!(reply.stdout.len(), 20_000_000);
    }
    files_are_gone(&daemon);
}

#[test]
fn around_the_sizes_that_memory_and_the_limit_have() {
    let daemon = configured("output-memory = 65536\noutput-max = 1000000\n");
    for size in [65535, 65536, 65537, 999_999, 1_000_000] {
        let bytes = Random::new(size as u64).bytes(size);
        let reply = run_with_stdin(&daemon, "tee /dev/stderr", &bytes);
        assert_eq!((reply.status, reply.stderr.len()), (0, size));
        assert!(reply.stdout == bytes && reply.stderr == bytes, "{size}");
    }
}

#[test]
fn output_over_the_limit_ends_the_command_and_stderr_says_so() {
    let daemon = configured("output-max = 1000000\n");
    let reply = run(&daemon, "echo before >&2; exec yes");
    assert_eq!(reply.status, 15);
    assert_eq!(reply.stdout, b"y\n".repeat(500_000));
    assert!(reply.err().starts_with("before\n"), "{}", reply.err());
    reply.reason(&["stdout", "1000000 bytes"]);
    let reply = run(&daemon, "yes >&2");
    reply.reason(&["stderr", "1000000 bytes"]);
    assert_eq!(reply.stdout, b"");
    assert_eq!(run(&daemon, "echo on").succeeded(), "on\n");
}

#[test]
fn without_room_for_a_file_the_command_ends_with_111() {
    let setup = Setup::new().sockproc();
    let missing = setup.directory.join("missing");
    let daemon = setup.env("TMPDIR", missing).start();
    let reply = run(&daemon, "head -c 10000000 /dev/zero; exec sleep 1000");
    reply.refused(111, &["temporary file", "No such file or directory"]);
    // What fits into memory needs none.
    assert_eq!(run(&daemon, "echo on").succeeded(), "on\n");
}

#[test]
fn a_limit_of_file_sizes_ends_the_command_and_not_the_server() {
    use nix::sys::resource::{Resource, setrlimit};
    let daemon = Setup::new()
        .sockproc()
        .before_exec(|| Ok(setrlimit(Resource::RLIMIT_FSIZE, 3 << 20, 3 << 20)?))
        .start();
    let reply = run(&daemon, "exec head -c 10000000 /dev/zero");
    reply.refused(111, &["temporary file", "File too large"]);
    assert_eq!(run(&daemon, "echo on").succeeded(), "on\n");
}
