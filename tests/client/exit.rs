//! The exit of the client program: as the server's program, by a fault, or by a signal of its
//! own.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};

use nix::libc::{SIGINT, SIGTERM};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::{InputEnd, Server, stderr_of};

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
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let input_end = child.stdin.take();
        assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
        assert_eq!(server.join(), (Vec::new(), InputEnd::Disconnect));
        drop(input_end);
    }
}
