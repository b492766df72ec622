//! A client of the control socket, and the server that carries out its commands.

use std::time::{Duration, Instant};

use sockexec::session::verdict::Fault;
use sockexec::session::{Action, Ask, Input, Piece, Session};
use sockexec::settings::Settings;
use sockexec::wire::Protocol;
use sockexec::wire::control::encode;

use super::messages::{Messages, failure};
use crate::chance::Chance;

/// One session and what is around it.
#[derive(Debug)]
pub struct World<C> {
    chance: C,
    session: Session,
    now: Instant,
    settings: Settings,
    messages: Messages,
    sent: usize,
    /// The client does not even take its answers.
    deaf: bool,
    /// The client sends no more when it ought to.
    mute: bool,
    client_ended: bool,
    client_gone: bool,
    /// How many messages the server has seen.
    taken: usize,
    /// The server is at work on the last one.
    working: bool,
    /// All answers, in their order.
    answers: Vec<u8>,
    /// There was one after which nothing more is answered.
    answered_last: bool,
    /// Since when the client is waited for.
    waiting_since: Instant,
    received: Vec<u8>,
    dismissed: bool,
    shut: bool,
    closed: bool,
    /// Actions wait until what is going on is over.
    acting: bool,
}

impl<C: Chance> World<C> {
    /// A world in which nothing has happened yet.
    pub fn new(mut chance: C) -> Self {
        let now = Instant::now();
        let settings = Settings {
            control_message_max: 1 + [100, 100_000][chance.below(2)],
            ..Settings::default()
        };
        Self {
            session: Session::new(Protocol::Control, settings, now),
            now,
            messages: Messages::any(&mut chance, settings.control_message_max),
            settings,
            sent: 0,
            deaf: chance.once_in(10),
            mute: chance.once_in(6),
            chance,
            client_ended: false,
            client_gone: false,
            taken: 0,
            working: false,
            answers: Vec::new(),
            answered_last: false,
            waiting_since: now,
            received: Vec::new(),
            dismissed: false,
            shut: false,
            closed: false,
            acting: false,
        }
    }

    /// Makes `steps` random moves, then lets all parties finish, and checks the outcome.
    pub fn live(mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.check();
            if self.session.is_done() {
                break;
            }
        }
        self.finish();
        self.check_outcome();
    }

    fn step(&mut self) {
        match self.chance.below(16) {
            0..=5 => self.client_sends(),
            6 => self.client_ends(),
            7 if self.chance.once_in(20) => self.client_hangs_up(),
            8..=10 => self.client_receives(),
            11..=12 => self.server_answers(),
            13 => self.time_passes(),
            14 if self.chance.once_in(20) => self.stop(),
            _ => self.nothing_new(),
        }
    }

    /// Passes an input to the session, and carries out its actions: at once, or after all other
    /// bytes have been moved.
    fn handle(&mut self, input: Input) {
        self.session.handle(input, self.now);
        if self.acting {
            return;
        }
        self.acting = true;
        if self.chance.once_in(4) {
            self.client_receives();
            self.client_sends();
            self.client_ends();
        }
        loop {
            while let Some(action) = self.session.poll_action() {
                self.act(action);
            }
            match self.session.poll_ask() {
                Some(ask) => self.serve(ask),
                None => break,
            }
        }
        self.acting = false;
    }

    fn act(&mut self, action: Action) {
        assert!(!self.closed, "{action:?} after the end");
        match action {
            Action::ShutdownReply => {
                assert!(!self.shut && !self.replies());
                assert!(!self.working, "an answer is lost");
                self.shut = true;
            }
            Action::CloseClient => {
                self.check_close();
                self.closed = true;
            }
            other => unreachable!("there is no program for {other:?}"),
        }
    }

    fn serve(&mut self, ask: Ask) {
        assert!(!self.closed, "{ask:?} after the end");
        match ask {
            Ask::Command(message) => {
                assert!(!self.working, "two commands at once");
                let over = self.answered_last || self.shut || self.dismissed;
                assert!(!over, "a command too many");
                assert_eq!(self.received.len(), self.answers.len(), "not yet answered");
                assert_eq!(message, self.messages.all[self.taken]);
                self.taken += 1;
                self.working = true;
            }
            other => unreachable!("there is no program for {other:?}"),
        }
    }

    /// The client loses nothing that it has waited for in time.
    fn check_close(&self) {
        if self.shut || self.client_gone {
            return;
        }
        assert!(!self.working, "an answer is lost");
        let all_told = self.received.len() == self.answers.len();
        if self.now - self.waiting_since >= self.settings.control_idle {
            // Unless it does not take the word either.
            let told = !all_told || self.session.summary(self.now).fault.is_some();
            let whole = self.messages.ends_at(self.sent);
            assert!(told || whole, "half a message, and no word of it");
        } else {
            assert!(self.dismissed, "closed too early");
            assert!(all_told, "an answer is lost");
        }
    }

    fn client_sends(&mut self) {
        if self.client_ended || self.client_gone || !self.session.interest().client_read {
            return;
        }
        let left = &self.messages.bytes[self.sent..];
        if left.is_empty() {
            return;
        }
        let room = self.session.inbox();
        let most = left.len().min(room.len());
        let n = match self.chance.below(4) {
            0 => 1,
            1 => most,
            _ => 1 + self.chance.below(most),
        };
        room[..n].copy_from_slice(&left[..n]);
        self.sent += n;
        self.handle(Input::ClientSent(n));
    }

    fn client_ends(&mut self) {
        let early = self.sent < self.messages.bytes.len() && !self.chance.once_in(20);
        if !early && !self.client_ended && self.session.interest().client_read {
            self.client_ended = true;
            self.handle(Input::ClientEnded);
        }
    }

    fn client_hangs_up(&mut self) {
        self.client_gone = true;
        self.handle(Input::ClientGone);
    }

    fn client_receives(&mut self) {
        if self.deaf || self.client_gone || !self.session.interest().client_write {
            return;
        }
        let Piece::Bytes(bytes) = self.session.reply() else {
            unreachable!("no answer is in a file");
        };
        let n = match self.chance.below(3) {
            0 => 1 + self.chance.below(bytes.len()),
            _ => bytes.len(),
        };
        self.received.extend_from_slice(&bytes[..n]);
        self.handle(Input::ReplySent(n));
    }

    fn replies(&self) -> bool {
        self.session.reply() != Piece::Bytes(b"")
    }

    fn server_answers(&mut self) {
        if !std::mem::take(&mut self.working) {
            return;
        }
        let close = self.chance.once_in(4);
        let answer = (!self.chance.once_in(4)).then(|| {
            let n = [20, 20, 200_000][self.chance.below(3)];
            let mut answer = Vec::new();
            encode(&mut answer, &vec![self.taken as u8; n]);
            answer
        });
        if !self.closed {
            self.answers.extend(answer.iter().flatten());
            self.answered_last |= close;
            self.waiting_since = self.now;
        }
        self.handle(Input::Answered { answer, close });
    }

    fn time_passes(&mut self) {
        let step = match self.chance.below(4) {
            0 => self
                .session
                .poll_timeout()
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now)),
            _ => Duration::from_millis(self.chance.below(3000) as u64),
        };
        self.now += step;
        self.handle(Input::Time);
    }

    fn stop(&mut self) {
        self.dismissed = true;
        let now = self.chance.once_in(3);
        self.handle(if now { Input::StopNow } else { Input::Stop });
    }

    /// What has no consequences.
    fn nothing_new(&mut self) {
        if self.working {
            return self.handle(Input::Time);
        }
        self.handle(Input::Answered {
            answer: Some(b"to nobody".to_vec()),
            close: true,
        });
    }

    fn check(&self) {
        let interest = self.session.interest();
        if self.closed || self.client_gone {
            assert!(!interest.client_read && !interest.client_write);
        }
        if self.shut {
            assert!(!self.replies(), "a reply after its end");
        }
        if self.session.is_done() || self.working {
            return;
        }
        let due = self.session.poll_timeout().expect("every wait is bounded");
        let most = self.settings.control_idle.max(self.settings.linger);
        assert!(due <= self.now + most, "a wait too long");
    }

    /// All parties finish.
    fn finish(&mut self) {
        for _ in 0..4000 {
            if self.session.is_done() {
                return;
            }
            match self.sent < self.messages.bytes.len() {
                _ if self.mute => {}
                true => self.client_sends(),
                false => self.client_ends(),
            }
            self.client_receives();
            self.server_answers();
            if self.chance.once_in(20) {
                self.time_passes();
            }
            self.check();
        }
        panic!("never ends: {:?}", self.session);
    }

    fn check_outcome(&mut self) {
        assert!(self.closed && self.session.is_done());
        // A late answer finds no client.
        self.server_answers();
        self.handle(Input::Time);
        assert!(self.session.poll_timeout().is_none() && !self.replies());
        let fault = self.session.summary(self.now).fault;
        assert!(self.taken <= self.messages.whole(self.sent));
        if !self.shut {
            let told = self.received.len().min(self.answers.len());
            assert_eq!(self.received[..told], self.answers[..told]);
            return;
        }
        let rest = self.received.strip_prefix(&self.answers[..]);
        let rest = rest.expect("all answers in their order");
        match fault.as_ref().filter(|_| !self.answered_last) {
            Some(fault) => assert_eq!(failure(rest), fault.to_string()),
            None => assert!(rest.is_empty(), "an answer to nothing"),
        }
        // What was late came after all, and meant nothing any more.
        let late = matches!(fault, Some(Fault::MessageLate(_)));
        if !self.answered_last && !self.dismissed && !late {
            assert_eq!(self.taken, self.messages.whole(self.sent), "one is lost");
        }
    }
}
