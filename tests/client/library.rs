//! The two halves of a connection in the library: the bytes sent, and the cases in which either
//! half or the server closes first.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockexec::client::{self, ClientError, Event, Status};

use crate::server::{InputEnd, MIB, Peer, Server};

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
