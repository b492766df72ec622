//! The consequences: after every fact, what follows from all facts together.

use std::time::Instant;

use super::timers::Timer;
use super::verdict::{Fault, KILLED, exit_pair};
use super::{Action, Ask, Client, Excerpt, NAME_MAX, Program, Reply, Session, Stopping};
use crate::program::{Arguments, Exit, SpawnError};
use crate::wire::exec::pair;
use crate::wire::{Decoded, Protocol, WireError};

/// Pieces of standard input that are joined before they are written. More would keep the
/// others waiting, and fewer would cost more system calls.
const JOINED_MAX: usize = 1024;

impl Session {
    pub(super) fn settle(&mut self, now: Instant) {
        self.decode();
        let unwanted = self.client == Client::Gone || self.late || self.faulty();
        if unwanted && self.program != Program::None {
            self.stop(now);
        }
        if self.stdin_open
            && self.inbox.ready().is_empty()
            && (self.stdin_complete || self.exit.is_some() || self.stopping > Stopping::No)
        {
            self.close_stdin();
        }
        if self.reply_state == Reply::Streaming {
            self.conclude();
        }
        self.settle_process();
        self.settle_reply(now);
        if !self.is_active() {
            for timer in [Timer::Request, Timer::Deadline, Timer::Kill, Timer::GiveUp] {
                self.timers.stop(timer);
            }
        }
    }

    /// Whether something other than a failed start is wrong: that one ends by itself.
    pub(super) fn faulty(&self) -> bool {
        !matches!(self.fault, None | Some(Fault::Spawn(_)))
    }

    /// Takes what can be taken from the inbox, with pieces of standard input joined.
    pub(super) fn decode(&mut self) {
        let mut pieces = 0;
        while self.listens() && !self.is_busy() && self.malformed.is_none() && pieces < JOINED_MAX {
            match self.codec.poll(self.inbox.raw()) {
                Err(WireError::NoMemory) => self.fault = Some(Fault::NoMemory),
                Err(error) => self.malformed = Some(error),
                Ok((used, found)) => {
                    self.inbox.skip(used);
                    match found {
                        Decoded::More => break,
                        Decoded::Request(arguments) => self.begin(arguments),
                        Decoded::Stdin(n) => pieces += self.take_piece(n),
                        Decoded::End => self.stdin_complete = true,
                        Decoded::Message(message) => self.command(message),
                    }
                }
            }
        }
        if self.malformed.is_some() && self.inbox.ready().is_empty() {
            self.fault = self.fault.take().or(self.malformed.map(Fault::Wire));
        }
        if !self.listens() {
            self.inbox.clear();
            self.codec.forget();
        }
    }

    /// Takes a piece of standard input. Returns how many are to be written because of it:
    /// none when nobody reads them.
    fn take_piece(&mut self, n: usize) -> usize {
        self.codec.advance(n);
        if self.stdin_open {
            self.inbox.take(n);
            return 1;
        }
        self.inbox.skip(n);
        0
    }

    pub(super) fn begin(&mut self, arguments: Arguments) {
        let program = arguments.program();
        self.name = program[..program.len().min(NAME_MAX)].to_vec();
        self.excerpt = Excerpt::of(&arguments);
        self.arguments = arguments.footprint();
        self.program = Program::Waiting;
        self.timers.stop(Timer::Request);
        self.stdin_open = true;
        self.ask = Some(Ask::Program(arguments));
    }

    /// The client will send nothing more.
    pub(super) fn finish_input(&mut self) {
        debug_assert!(self.inbox.is_empty(), "read only into an empty inbox");
        match self.codec.finish() {
            Ok(()) => self.stdin_complete = true,
            Err(error) => self.fault = Some(Fault::Wire(error)),
        }
    }

    /// Makes the program end, if there is one: politely.
    pub(super) fn stop(&mut self, now: Instant) {
        if self.program == Program::None {
            self.fault.get_or_insert(Fault::Stopping);
        }
        if !self.lives() || self.stopping > Stopping::No {
            return;
        }
        self.stopping = Stopping::Terminated;
        match self.program {
            Program::Waiting => self.withdraw(),
            _ => self.actions.push_back(Action::Terminate),
        }
        self.timers.stop(Timer::Deadline);
        self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
    }

    /// There is no process yet, so there will be none.
    fn withdraw(&mut self) {
        self.ask = match self.ask.take() {
            // Nobody has heard of it.
            Some(Ask::Program(_)) => None,
            _ => Some(Ask::Withdraw),
        };
        self.fault
            .get_or_insert(Fault::Spawn(SpawnError::Cancelled));
        self.program = Program::Gone;
        self.close_outputs();
    }

    /// Ends the reply, when there is no more to wait for.
    pub(super) fn conclude(&mut self) {
        let Some(exit) = self.verdict() else { return };
        if self.client == Client::Gone {
            return;
        }
        let reason = self.fault.as_ref().map(|fault| self.reason(fault));
        match self.protocol {
            Protocol::Exec => {
                let mut end = match reason {
                    Some(reason) => pair("stderr", &reason),
                    None => Vec::new(),
                };
                end.extend_from_slice(&exit_pair(exit, self.limits.termsig));
                match self.reply.footprint() {
                    // Nobody lent it any: there may be no memory for so much.
                    0 => self.tail.put(end),
                    _ => self.reply.append(&end),
                }
            }
            Protocol::Sockproc => self.complete(exit, &reason.unwrap_or_default()),
            Protocol::Control => self.refuse(),
        }
        self.reply_state = Reply::Ended;
    }

    /// What stderr says about a fault.
    fn reason(&self, fault: &Fault) -> Vec<u8> {
        let mut reason = b"sockexec: ".to_vec();
        if self.program != Program::None {
            reason.extend_from_slice(&self.name);
            reason.extend_from_slice(b": ");
        }
        reason.extend_from_slice(format!("{fault}\n").as_bytes());
        reason
    }

    /// What the last pair is to say, once that is certain.
    pub(super) fn verdict(&self) -> Option<Exit> {
        let outputs_done = self
            .outputs
            .iter()
            .all(|output| output.ended || (self.released && output.dry));
        match (&self.fault, self.program) {
            (Some(fault @ Fault::Spawn(_)), _) => fault.exit(),
            (Some(fault), Program::None) => fault.exit(),
            (fault, Program::Exited | Program::Gone) if outputs_done => {
                // One without a status of its own leaves the program's.
                fault
                    .as_ref()
                    .and_then(Fault::exit)
                    .or(self.exit)
                    .or(Some(KILLED))
            }
            _ => None,
        }
    }

    /// Reaps a program that has ended, as soon as nothing more hangs on its number.
    pub(super) fn settle_process(&mut self) {
        if self.program != Program::Exited {
            return;
        }
        let spawn_failed = matches!(self.fault, Some(Fault::Spawn(_)));
        let outputs_ended = self.outputs.iter().all(|output| output.ended);
        let killed = self.stopping == Stopping::Killed
            && (self.reply_state != Reply::Streaming || self.client == Client::Gone);
        if !(spawn_failed || outputs_ended || killed) {
            return;
        }
        // The last moment at which the number is certainly ours.
        if self.stopping == Stopping::Terminated {
            self.actions.push_back(Action::Kill);
        }
        self.program = Program::Gone;
        self.actions.push_back(Action::Reap);
    }

    pub(super) fn settle_reply(&mut self, now: Instant) {
        if self.client == Client::Gone {
            self.reply.clear();
            return;
        }
        self.settle_commands(now);
        if self.reply_state == Reply::Ended && self.is_sent() && !self.commanded {
            self.reply_state = Reply::Shut;
            self.actions.push_back(Action::ShutdownReply);
            self.timers.set(Timer::Linger, now + self.limits.linger);
        }
        if self.reply_state == Reply::Shut && self.client == Client::Ended {
            self.lose_client();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::policy::Limits;
    use crate::session::{Input, Piece};

    fn begin(request: &[u8], now: Instant) -> Session {
        let mut session = Session::new(Protocol::Exec, Limits::default(), now);
        session.inbox()[..request.len()].copy_from_slice(request);
        session.handle(Input::ClientSent(request.len()), now);
        session.handle(Input::Launched, now);
        session.handle(Input::Started, now);
        session
    }

    /// Writes all of standard input. Returns it, and how many writes that took.
    fn write_all(session: &mut Session, now: Instant) -> (Vec<u8>, usize) {
        let (mut written, mut writes) = (Vec::new(), 0);
        while session.interest().stdin_write {
            let bytes = session.stdin().to_vec();
            session.handle(Input::StdinTaken(bytes.len()), now);
            written.extend_from_slice(&bytes);
            writes += 1;
        }
        (written, writes)
    }

    #[test]
    fn a_program_that_has_no_process_yet_is_withdrawn_and_the_reply_made_at_once() {
        let now = Instant::now();
        for asked in [true, false] {
            let mut session = Session::new(Protocol::Exec, Limits::default(), now);
            let request = b"1:1,3:cat,";
            session.inbox()[..request.len()].copy_from_slice(request);
            session.handle(Input::ClientSent(request.len()), now);
            if asked {
                assert!(matches!(session.poll_ask(), Some(Ask::Program(_))));
            }
            session.handle(Input::Stop, now);
            // What nobody has heard of needs no second word.
            assert_eq!(session.poll_ask(), asked.then_some(Ask::Withdraw));
            assert_eq!(session.poll_action(), Some(Action::CloseStdin));
            assert_eq!(session.poll_action(), None);
            let Piece::Bytes(reply) = session.reply() else {
                panic!("no reply");
            };
            assert!(reply.ends_with(b",8:exitcode,3:111,"));
            assert!(!session.is_done());
        }
    }

    #[test]
    fn pieces_of_one_byte_do_not_cost_a_write_each() {
        let now = Instant::now();
        let pieces = 10_000;
        let request = format!("1:1,3:cat,{}", "1:x,".repeat(pieces));
        let mut session = begin(request.as_bytes(), now);
        let (written, writes) = write_all(&mut session, now);
        assert_eq!(written, "x".repeat(pieces).as_bytes());
        assert!(writes <= pieces.div_ceil(JOINED_MAX), "{writes}");
    }

    #[test]
    fn what_comes_before_a_malformed_piece_is_written() {
        let now = Instant::now();
        for (malformed, reason) in [("x", "'x' in the length"), ("1:ab", "'b' where")] {
            let request = format!("1:1,3:cat,2:he,3:llo,{malformed}");
            let mut session = begin(request.as_bytes(), now);
            assert_eq!(session.summary(now).fault, None);
            let (written, writes) = write_all(&mut session, now);
            assert!(written.starts_with(b"hello"), "{written:?}");
            assert_eq!(writes, 1);
            let fault = session.summary(now).fault.unwrap().to_string();
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
