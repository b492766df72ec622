//! Output that is kept until the program has ended: what sockproc replies with.
//!
//! A stream is kept in memory up to a limit, and then goes to a temporary file, which the
//! caller has. What was last comes after what is in the file. Owns bytes only.

use super::event::Action;
use super::verdict::Fault;
use super::{Program, Session};
use crate::program::{Exit, Stream, try_append};
use crate::wire::{Protocol, sockproc};

/// What is larger is sent from where it is kept, so that a reply takes no more memory.
const JOINED_MAX: usize = 4096;

/// One output.
#[derive(Debug, Default)]
pub(super) struct Kept {
    memory: Vec<u8>,
    /// How many bytes are in the file.
    spooled: u64,
    /// The file is asked for, and has not got what is in memory yet.
    spooling: bool,
    /// There is no place for more: the program is told to end, and whatever it still
    /// writes is lost.
    refused: bool,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> u64 {
        self.spooled + self.memory.len() as u64
    }
}

impl Session {
    /// Keeps `n` bytes of output that were read into the outbox, at offset `room` of it.
    pub(super) fn keep(&mut self, stream: Stream, room: usize, n: usize) {
        let kept = &mut self.kept[stream as usize];
        if kept.refused {
            return;
        }
        let free = self.limits.output_max.saturating_sub(kept.len());
        let fits = n.min(usize::try_from(free).unwrap_or(n));
        let bytes = &self.reply.spare()[room..room + fits];
        if try_append(&mut kept.memory, bytes).is_err() {
            return self.lack_memory();
        }
        if fits < n {
            self.fault.get_or_insert(Fault::OutputMax {
                stream,
                limit: self.limits.output_max,
            });
        }
        if kept.memory.len() >= self.limits.output_memory && !kept.spooling {
            kept.spooling = true;
            self.actions.push_back(Action::Spool(stream));
        }
    }

    /// What is in memory of an output whose temporary file is to have it.
    pub fn unspooled(&self, stream: Stream) -> &[u8] {
        &self.kept[stream as usize].memory
    }

    pub(super) fn spooled(&mut self, stream: Stream) {
        let kept = &mut self.kept[stream as usize];
        kept.spooled += kept.memory.len() as u64;
        kept.memory.clear();
        kept.spooling = false;
    }

    pub(super) fn spool_failed(&mut self, fault: Fault) {
        if self.discards() {
            // The reply was made meanwhile, or nobody waits for it: nothing is missing.
            return;
        }
        self.fault.get_or_insert(fault);
        for kept in &mut self.kept {
            kept.refused = true;
        }
    }

    /// There is no memory for more of the request, or of what is kept.
    pub(super) fn lack_memory(&mut self) {
        if self.grows() {
            self.fault.get_or_insert(Fault::NoMemory);
            for kept in &mut self.kept {
                kept.refused = true;
            }
        }
    }

    /// Whether what comes next takes more memory: a request that is not complete, or output
    /// that is kept.
    pub fn grows(&self) -> bool {
        match (self.protocol, self.program) {
            // Few, and of those who may do anything.
            (Protocol::Control, _) => false,
            (_, Program::None) => self.listens(),
            (Protocol::Exec, _) => false,
            (Protocol::Sockproc, _) => {
                !self.discards() && self.kept.iter().any(|kept| !kept.refused)
            }
        }
    }

    /// Forgets what was kept: nobody will have it.
    pub(super) fn drop_kept(&mut self) {
        self.kept = Default::default();
    }

    /// Makes the reply, `reason` at the end of stderr.
    pub(super) fn complete(&mut self, exit: Exit, reason: &[u8]) {
        let mut bytes = sockproc::status_line(sockproc::wait_status(exit));
        for (stream, reason) in Stream::BOTH.into_iter().zip([&[], reason]) {
            let kept = std::mem::take(&mut self.kept[stream as usize]);
            let size = kept.len() + reason.len() as u64;
            bytes.extend_from_slice(&sockproc::size_line(size));
            if kept.spooled > 0 {
                self.tail.put(std::mem::take(&mut bytes));
                self.tail.put_spooled(stream, kept.spooled);
            }
            if kept.memory.len() > JOINED_MAX {
                self.tail.put(std::mem::take(&mut bytes));
                self.tail.put(kept.memory);
            } else {
                bytes.extend_from_slice(&kept.memory);
            }
            bytes.extend_from_slice(reason);
        }
        self.tail.put(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use nix::errno::Errno;

    use super::*;
    use crate::session::policy::Limits;
    use crate::session::{Input, Piece, ProcessLeft};

    const MEMORY: usize = 10;
    const MAX: u64 = 25;

    /// A session whose command runs, and the files that its output goes to.
    struct Conversation {
        session: Session,
        now: Instant,
        files: [Vec<u8>; 2],
        /// Files cannot be written to any more.
        full: bool,
    }

    impl Conversation {
        fn begin(request: &[u8]) -> Self {
            let limits = Limits {
                output_memory: MEMORY,
                output_max: MAX,
                ..Limits::default()
            };
            let now = Instant::now();
            let mut conversation = Self {
                session: Session::new(Protocol::Sockproc, limits, now),
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

        /// Tells one fact, and does what is to be done with files.
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
        // Whatever the first fault was.
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
        let mut session = Session::new(Protocol::Sockproc, Limits::default(), now);
        session.inbox()[..REQUEST.len()].copy_from_slice(REQUEST);
        session.handle(Input::ClientSent(REQUEST.len()), now);
        let error = crate::program::SpawnError::Start(Errno::EAGAIN);
        session.handle(Input::SpawnFailed(error, ProcessLeft::No), now);
        let wanted = "status:28416\r\n0\r\n76\r\nsockexec: /bin/sh: cannot start a process: \
                      Resource temporarily unavailable\n";
        assert_eq!(session.reply(), Piece::Bytes(wanted.as_bytes()));
        assert!(session.poll_timeout().unwrap() <= now + Duration::from_secs(60));
    }
}
