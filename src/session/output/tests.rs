//! Replies to output that was kept, in every size of piece, and with files that fail.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::program::{Exit, SpawnError, Stream};
use crate::session::{Action, Input, Piece, ProcessLeft, Session};
use crate::settings::Settings;
use crate::wire::Protocol;

const MEMORY: usize = 10;
const MAX: u64 = 25;

/// A session whose command runs, and the files that its output goes to.
struct Conversation {
    session: Session,
    now: Instant,
    files: [Vec<u8>; 2],
    /// Writing to files fails from now on.
    full: bool,
}

impl Conversation {
    fn begin(request: &[u8]) -> Self {
        let settings = Settings {
            output_memory: MEMORY,
            output_max: MAX,
            ..Settings::default()
        };
        let now = Instant::now();
        let mut conversation = Self {
            session: Session::new(Protocol::Sockproc, settings, now),
            now,
            files: [Vec::new(), Vec::new()],
            full: false,
        };
        conversation.session.inbox()[..request.len()].copy_from_slice(request);
        conversation.tell(Input::ClientSent(request.len()));
        conversation.tell(Input::Launched);
        conversation.tell(Input::Started);
        conversation
    }

    /// Passes one fact on, and carries out actions on files.
    fn tell(&mut self, input: Input) {
        self.session.handle(input, self.now);
        while let Some(action) = self.session.poll_action() {
            if let Action::Spool(stream) = action {
                let bytes = self.session.unspooled(stream);
                let input = if self.full {
                    Input::SpoolFailed(Errno::ENOSPC)
                } else {
                    self.files[stream as usize].extend_from_slice(bytes);
                    Input::Spooled(stream)
                };
                self.session.handle(input, self.now);
            }
        }
    }

    fn writes(&mut self, stream: Stream, text: &str) {
        self.session.outbox()[..text.len()].copy_from_slice(text.as_bytes());
        self.tell(Input::Output(stream, text.len()));
    }

    /// Ends the program, and takes the reply, `n` bytes at a time.
    fn end(&mut self, exit: Exit, n: usize) -> String {
        for stream in Stream::BOTH {
            self.tell(Input::OutputEnded(stream));
        }
        self.tell(Input::Exited(exit));
        let mut reply = Vec::new();
        while self.session.interest().client_write {
            let bytes = match self.session.reply() {
                Piece::Bytes(bytes) => bytes,
                Piece::Spooled {
                    stream,
                    offset,
                    length,
                } => &self.files[stream as usize][offset as usize..][..length as usize],
            };
            let sent = bytes.len().min(n);
            reply.extend_from_slice(&bytes[..sent]);
            self.tell(Input::ReplySent(sent));
        }
        String::from_utf8(reply).unwrap()
    }
}

const REQUEST: &[u8] = b"x\r\n0\r\n";
const OK: Exit = Exit::Code(0);
use Stream::{Stderr, Stdout};

#[test]
fn replies_to_what_was_written_in_every_size_of_piece() {
    let reason = "sockexec: /bin/sh: the program was ended: \
                  its stdout is larger than the limit of 25 bytes\n";
    let size = reason.len();
    let large = format!("status:0\r\n25\r\n{}{size}\r\n{reason}", "y".repeat(25));
    for (written, exit, reply) in [
        (&[][..], OK, "status:0\r\n0\r\n0\r\n"),
        (&[], Exit::Code(3), "status:768\r\n0\r\n0\r\n"),
        (&[(Stdout, "Linux\n")], OK, "status:0\r\n6\r\nLinux\n0\r\n"),
        (
            &[(Stderr, "b"), (Stdout, "a"), (Stderr, "c")],
            OK,
            "status:0\r\n1\r\na2\r\nbc",
        ),
        // Exactly what fits in memory goes to the file.
        (
            &[(Stdout, "0123456789")],
            OK,
            "status:0\r\n10\r\n01234567890\r\n",
        ),
        (
            &[(Stdout, "0123456789abc"), (Stdout, "de"), (Stderr, "fg")],
            OK,
            "status:0\r\n15\r\n0123456789abcde2\r\nfg",
        ),
        (
            &[
                (Stderr, "0123456789"),
                (Stderr, "abcdefghij"),
                (Stderr, "k"),
            ],
            OK,
            "status:0\r\n0\r\n21\r\n0123456789abcdefghijk",
        ),
        // Exactly the limit is not over it.
        (
            &[(Stdout, "0123456789abcdefghijklmno")],
            OK,
            "status:0\r\n25\r\n0123456789abcdefghijklmno0\r\n",
        ),
        (&[(Stdout, &"y".repeat(26))], OK, &large),
        (
            &[(Stdout, &"y".repeat(24)), (Stdout, "yy"), (Stdout, "yy")],
            OK,
            &large,
        ),
    ] {
        for n in 1..30 {
            let mut conversation = Conversation::begin(REQUEST);
            for (stream, text) in written {
                conversation.writes(*stream, text);
                assert!(conversation.session.unspooled(*stream).len() < MEMORY);
            }
            assert_eq!(conversation.end(exit, n), reply);
        }
    }
}

#[test]
fn output_after_a_failed_spool_is_not_kept_in_memory() {
    // Whichever fault was first.
    for request in [REQUEST, b"x\r\n5\r\nab"] {
        let mut conversation = Conversation::begin(request);
        conversation.full = true;
        if request != REQUEST {
            conversation.tell(Input::StdinTaken(2));
            conversation.tell(Input::ClientEnded);
        }
        for _ in 0..20 {
            conversation.writes(Stdout, "0123456789");
            conversation.writes(Stderr, "0");
        }
        assert_eq!(conversation.session.unspooled(Stdout), b"0123456789");
        let reply = conversation.end(OK, 100);
        assert!(reply.contains("\r\n10\r\n0123456789"), "{reply}");
    }
}

#[test]
fn what_was_spooled_before_a_failure_is_sent() {
    let mut conversation = Conversation::begin(REQUEST);
    conversation.writes(Stdout, "0123456789");
    conversation.full = true;
    conversation.writes(Stdout, "abcdefghij");
    conversation.writes(Stdout, "k");
    let reason = "sockexec: /bin/sh: the program was ended: its output cannot be kept \
                  in a temporary file: No space left on device\n";
    let wanted = format!(
        "status:28416\r\n20\r\n0123456789abcdefghij{}\r\n{reason}",
        reason.len()
    );
    assert_eq!(conversation.end(OK, 7), wanted);
}

#[test]
fn a_file_that_comes_or_fails_after_the_reply_is_made_changes_nothing() {
    for full in [false, true] {
        let mut conversation = Conversation::begin(REQUEST);
        conversation.full = full;
        conversation.session.outbox()[..12].copy_from_slice(b"0123456789ab");
        let now = conversation.now;
        let session = &mut conversation.session;
        session.handle(Input::Output(Stdout, 12), now);
        for stream in Stream::BOTH {
            session.handle(Input::OutputEnded(stream), now);
        }
        session.handle(Input::Exited(OK), now);
        assert_eq!(session.unspooled(Stdout), b"");
        let reply = conversation.end(OK, 100);
        assert_eq!(reply, "status:0\r\n12\r\n0123456789ab0\r\n");
        assert_eq!(conversation.files, [b"", b""]);
        assert_eq!(conversation.session.summary(now).fault, None);
    }
}

#[test]
fn nothing_is_kept_for_a_client_that_is_gone() {
    let mut conversation = Conversation::begin(REQUEST);
    conversation.writes(Stdout, "01234");
    conversation.tell(Input::ClientGone);
    conversation.writes(Stdout, "0123456789");
    assert_eq!(conversation.session.unspooled(Stdout), b"");
    assert_eq!(conversation.end(OK, 100), "");
    assert_eq!(conversation.files, [b"", b""]);
}

#[test]
fn a_program_that_was_not_started_has_a_status_too() {
    let now = Instant::now();
    let mut session = Session::new(Protocol::Sockproc, Settings::default(), now);
    session.inbox()[..REQUEST.len()].copy_from_slice(REQUEST);
    session.handle(Input::ClientSent(REQUEST.len()), now);
    let error = SpawnError::Start(Errno::EAGAIN);
    session.handle(Input::SpawnFailed(error, ProcessLeft::No), now);
    let wanted = "status:28416\r\n0\r\n76\r\nsockexec: /bin/sh: cannot start a process: \
                  Resource temporarily unavailable\n";
    assert_eq!(session.reply(), Piece::Bytes(wanted.as_bytes()));
    assert!(session.poll_timeout().unwrap() <= now + Duration::from_secs(60));
}
