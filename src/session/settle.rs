//! The consequences: after every fact, what follows from all facts together.

use std::time::Instant;

use super::summary::title;
use super::timers::Timer;
use super::verdict::{Fault, KILLED, exit_pair};
use super::{Action, Client, NAME_MAX, Program, Reply, Session, Stopping};
use crate::program::{Arguments, Exit};
use crate::wire::exec::pair;
use crate::wire::{Decoded, Protocol};

impl Session {
    pub(super) fn settle(&mut self, now: Instant) {
        self.decode();
        let unwanted = self.client == Client::Gone || self.late || self.faulty();
        if unwanted && self.program != Program::None {
            self.stop(now);
        }
        if self.stdin_open
            && self.stdin_ready == 0
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
            for timer in [Timer::Deadline, Timer::Kill, Timer::GiveUp] {
                self.timers.stop(timer);
            }
        }
    }

    /// Whether something other than a failed start is wrong: that one ends by itself.
    pub(super) fn faulty(&self) -> bool {
        !matches!(self.fault, None | Some(Fault::Spawn(_)))
    }

    /// Takes what can be taken from the inbox.
    pub(super) fn decode(&mut self) {
        while self.listens() && self.stdin_ready == 0 && !self.is_busy() {
            match self.codec.poll(self.inbox.bytes()) {
                Err(error) => self.fault = Some(Fault::Wire(error)),
                Ok((used, found)) => {
                    self.inbox.consume(used);
                    match found {
                        Decoded::More => break,
                        Decoded::Request(arguments) => self.begin(arguments),
                        Decoded::Stdin(n) => {
                            self.stdin_ready = n;
                            if !self.stdin_open {
                                self.take_stdin(n);
                            }
                        }
                        Decoded::End => self.stdin_complete = true,
                        Decoded::Message(message) => self.command(message),
                    }
                }
            }
        }
        if !self.listens() {
            self.inbox.clear();
            self.stdin_ready = 0;
        }
    }

    pub(super) fn begin(&mut self, arguments: Arguments) {
        let program = arguments.program();
        self.name = program[..program.len().min(NAME_MAX)].to_vec();
        self.title = title(&arguments);
        self.program = Program::Waiting;
        self.stdin_open = true;
        self.actions.push_back(Action::Spawn(arguments));
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
        self.actions.push_back(Action::Terminate);
        self.timers.stop(Timer::Deadline);
        self.timers.set(Timer::Kill, now + self.limits.kill_timeout);
    }

    /// Ends the reply, when there is no more to wait for.
    pub(super) fn conclude(&mut self) {
        let Some(exit) = self.verdict() else { return };
        if self.client == Client::Gone {
            return;
        }
        let reason = self.fault.map(|fault| self.reason(fault));
        match self.protocol {
            Protocol::Exec => {
                if let Some(reason) = reason {
                    self.reply.append(&pair("stderr", &reason));
                }
                self.reply.append(&exit_pair(exit, self.limits.termsig));
            }
            Protocol::Sockproc => self.complete(exit, &reason.unwrap_or_default()),
            Protocol::Control => self.refuse(),
        }
        self.reply_state = Reply::Ended;
    }

    /// What stderr says about a fault.
    fn reason(&self, fault: Fault) -> Vec<u8> {
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
        match (self.fault, self.program) {
            (Some(fault @ Fault::Spawn(_)), _) => fault.exit(),
            (Some(fault), Program::None) => fault.exit(),
            (fault, Program::Exited | Program::Gone) if outputs_done => {
                // One without a status of its own leaves the program's.
                fault.and_then(Fault::exit).or(self.exit).or(Some(KILLED))
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
