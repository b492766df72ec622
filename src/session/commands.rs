//! The commands of a control connection: carried out one after another, and each answered
//! before the next is decoded.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// The server works on one.
    in_hand: bool,
}

impl Commands {
    pub(super) fn begin(&mut self) {
        self.in_hand = true;
    }

    /// A command was carried out. Returns whether there was one.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.in_hand)
    }

    pub(super) fn is_in_hand(&self) -> bool {
        self.in_hand
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::session::{Ask, Input, Piece, Session};
    use crate::settings::Settings;
    use crate::wire::Protocol;

    const IDLE: Duration = Duration::from_secs(5);
    const ONE: &[u8] = b"\0\0\0\x03:one";

    /// A client, and a server that has not answered yet.
    struct Conversation {
        session: Session,
        now: Instant,
        /// The commands, and the actions on the connection.
        seen: Vec<String>,
    }

    impl Conversation {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                session: Session::new(Protocol::Control, Settings::default(), now),
                now,
                seen: Vec::new(),
            }
        }

        fn tell(&mut self, input: Input) {
            self.session.handle(input, self.now);
            if let Some(ask) = self.session.poll_ask() {
                self.seen.push(match ask {
                    Ask::Command(message) => String::from_utf8(message).unwrap(),
                    other => format!("{other:?}"),
                });
            }
            while let Some(action) = self.session.poll_action() {
                self.seen.push(format!("{action:?}"));
            }
        }

        fn send(&mut self, bytes: &[u8]) {
            self.session.inbox()[..bytes.len()].copy_from_slice(bytes);
            self.tell(Input::ClientSent(bytes.len()));
        }

        fn answer(&mut self, answer: &str, close: bool) {
            let answer = Some(answer.as_bytes().to_vec()).filter(|bytes| !bytes.is_empty());
            self.tell(Input::Answered { answer, close });
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
            self.tell(Input::Time);
        }

        /// The bytes to send, once they are sent.
        fn receive(&mut self) -> String {
            let mut all = Vec::new();
            while self.session.interest().client_write {
                let Piece::Bytes(bytes) = self.session.reply() else {
                    panic!("an answer in a file");
                };
                let n = bytes.len();
                all.extend_from_slice(bytes);
                self.tell(Input::ReplySent(n));
            }
            String::from_utf8_lossy(&all).into_owned()
        }
    }

    #[test]
    fn commands_come_one_by_one_however_they_were_sent() {
        let three = b"\0\0\0\x03:one\0\0\0\x03:two\0\0\0\x05:three";
        for cut in 0..=three.len() {
            let mut conversation = Conversation::new();
            conversation.send(&three[..cut]);
            let mut rest = Some(&three[cut..]);
            for (name, answer) in [("one", "1"), ("two", ""), ("three", "3")] {
                if conversation.session.interest().client_read {
                    if let Some(rest) = rest.take() {
                        conversation.send(rest);
                    }
                }
                assert_eq!(conversation.seen, [name], "cut at {cut}");
                conversation.seen.clear();
                if !answer.is_empty() {
                    conversation.answer(answer, name == "three");
                    // The next one waits until this answer has gone.
                    assert!(conversation.seen.is_empty());
                    assert_eq!(conversation.receive(), answer);
                } else {
                    conversation.answer("", false);
                }
            }
            assert_eq!(conversation.seen, ["ShutdownReply"]);
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_reason() {
        for (bytes, ends, reason) in [
            (&b"\0\0\0\0"[..], false, "a message of 0 bytes"),
            (b"\0\x10\0\x01", false, "a message of 1048577 bytes"),
            (b"GET / HTTP/1.0\r\n", false, "1 to 1048576 bytes"),
            (b"\0\0\0\x02{}", false, "'{' instead of the ':'"),
            (b"\0\0\0\x02:{", true, "the input ends inside a message"),
        ] {
            let mut conversation = Conversation::new();
            conversation.send(bytes);
            if ends {
                conversation.tell(Input::ClientEnded);
            }
            let answer = conversation.receive();
            assert!(
                answer.contains("\"status\":\"failure\"") && answer.contains(reason),
                "{answer}"
            );
            assert_eq!(conversation.seen[0], "ShutdownReply");
            conversation.pass(Duration::from_secs(1));
            assert!(conversation.session.is_done());
        }
    }

    #[test]
    fn half_a_message_waits_for_the_answer_to_the_one_before() {
        let mut conversation = Conversation::new();
        conversation.send(&[ONE, &ONE[..6]].concat());
        assert!(!conversation.session.interest().client_read);
        conversation.answer("1", false);
        assert_eq!(conversation.receive(), "1");
        assert!(conversation.session.interest().client_read);
        conversation.tell(Input::ClientEnded);
        assert!(conversation.receive().contains("ends inside a message"));
        assert_eq!(conversation.seen, ["one", "ShutdownReply", "CloseClient"]);
    }

    #[test]
    fn an_answer_is_not_lost_when_the_server_stops_meanwhile() {
        for stop in [Input::Stop, Input::StopNow] {
            let mut conversation = Conversation::new();
            conversation.send(ONE);
            conversation.tell(stop);
            assert_eq!(conversation.seen, ["one"]);
            conversation.answer("1", false);
            assert_eq!(conversation.receive(), "1");
            assert_eq!(conversation.seen, ["one", "ShutdownReply"]);
        }
        // Nor when it has begun to go, and the next one is not waited for.
        let mut conversation = Conversation::new();
        conversation.send(&[ONE, ONE].concat());
        conversation.answer("1", false);
        conversation.tell(Input::Stop);
        assert_eq!(conversation.receive(), "1");
        assert_eq!(conversation.seen, ["one", "ShutdownReply"]);
        let mut idle = Conversation::new();
        idle.tell(Input::Stop);
        assert_eq!(idle.seen, ["CloseClient"]);
    }

    #[test]
    fn every_wait_for_the_client_has_an_end() {
        // It sends nothing.
        let mut conversation = Conversation::new();
        conversation.pass(IDLE - Duration::from_millis(1));
        assert!(conversation.seen.is_empty());
        conversation.pass(Duration::from_millis(1));
        assert_eq!(conversation.seen, ["CloseClient"]);
        // It sends half of a message, and more bytes do not help.
        let mut conversation = Conversation::new();
        conversation.pass(IDLE / 2);
        conversation.send(&ONE[..3]);
        conversation.pass(IDLE / 2);
        assert!(conversation.receive().contains("not complete within 5 s"));
        // It sends a command, and does not read the answer.
        let mut conversation = Conversation::new();
        conversation.send(ONE);
        conversation.pass(IDLE * 10);
        assert_eq!(conversation.session.poll_timeout(), None);
        conversation.answer("1", false);
        conversation.pass(IDLE);
        assert_eq!(conversation.seen, ["one", "CloseClient"]);
        // It reads the answer, and sends nothing more.
        let mut conversation = Conversation::new();
        conversation.send(ONE);
        conversation.pass(IDLE);
        conversation.answer("1", false);
        assert_eq!(conversation.receive(), "1");
        conversation.pass(IDLE - Duration::from_millis(1));
        assert_eq!(conversation.seen, ["one"]);
        conversation.pass(Duration::from_millis(1));
        assert_eq!(conversation.seen, ["one", "CloseClient"]);
    }

    #[test]
    fn an_answer_finds_nobody_who_is_gone_or_has_not_asked() {
        let mut conversation = Conversation::new();
        conversation.answer("1", true);
        assert_eq!(conversation.receive(), "");
        conversation.send(ONE);
        conversation.tell(Input::ClientGone);
        conversation.answer("1", false);
        assert_eq!(conversation.receive(), "");
        assert_eq!(conversation.seen, ["one", "CloseClient"]);
        assert!(conversation.session.is_done());
    }
}
