//! The library's parsing of a reply, whole and in pieces, valid and invalid.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use sockexec::client::{self, ClientError, Status};

use crate::server::Peer;

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
        (b"8:exitcode,1:0,7:termsig,1:9,", "two exit statuses"),
    ] {
        let error = collect_in_every_split(reply).unwrap_err().to_string();
        assert!(error.contains(message), "{}: {error}", reply.escape_ascii());
    }
}
