//! Far more than fits into any buffer, both ways at once, through the library and the program.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use sockexec::client::{self, Event, Status};

use crate::server::{MIB, Server, echo, pattern};

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
