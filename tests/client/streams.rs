//! The client program's standard input, output and error: files, pipes, closed ones, ones that
//! fail or do not block.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use nix::fcntl::OFlag;
use nix::libc::SIGPIPE;

use crate::server::{InputEnd, MIB, Server, echo, pattern, program_with, stderr_of};

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
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
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
