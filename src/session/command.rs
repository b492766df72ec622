//! A control connection: messages that are carried out one after the other, and answered.
//!
//! The timer that is a program's deadline elsewhere bounds every wait here: for a message
//! to be complete, and for the client to take an answer. Only while the server works on a
//! command is there none; that does not wait for anybody.

use std::time::Instant;

use super::event::Action;
use super::timers::Timer;
use super::verdict::Fault;
use super::{Client, Reply, Session};
use crate::control::message::{Request, Response};
use crate::wire::{Protocol, control};

impl Session {
    /// Whether the next message has to wait: for this one's answer, and until that is sent.
    pub(super) fn is_busy(&self) -> bool {
        self.commanded || (self.protocol == Protocol::Control && !self.tail.is_empty())
    }

    pub(super) fn command(&mut self, message: Vec<u8>) {
        self.commanded = true;
        self.actions.push_back(Action::Command(message));
    }

    pub(super) fn answered(&mut self, answer: Option<Vec<u8>>, close: bool, now: Instant) {
        let asked = std::mem::take(&mut self.commanded);
        if !asked || self.client == Client::Gone || self.reply_state != Reply::Streaming {
            return;
        }
        self.tail.put(answer.unwrap_or_default());
        if close {
            self.reply_state = Reply::Ended;
        }
        self.timers
            .set(Timer::Deadline, now + self.limits.control_idle);
    }

    /// Sees to it that every wait is bounded, and ends when the client will not ask again.
    pub(super) fn settle_commands(&mut self, now: Instant) {
        if self.protocol != Protocol::Control {
            return;
        }
        if self.commanded {
            self.timers.stop(Timer::Deadline);
            return;
        }
        if self.reply_state == Reply::Streaming && self.is_sent() && self.client == Client::Ended {
            self.reply_state = Reply::Ended;
        }
        if self.timers.at(Timer::Deadline).is_none() {
            self.timers
                .set(Timer::Deadline, now + self.limits.control_idle);
        }
    }

    /// The client has been waited for long enough.
    pub(super) fn silent_too_long(&mut self) {
        if self.is_sent() && self.reply_state == Reply::Streaming && self.codec.finish().is_err() {
            self.fault
                .get_or_insert(Fault::MessageLate(self.limits.control_idle));
        } else {
            self.lose_client();
        }
    }

    /// The server has no more time for commands.
    pub(super) fn dismiss(&mut self) {
        if self.is_sent() && !self.commanded {
            self.lose_client();
        } else {
            self.reply_state = Reply::Ended;
        }
    }

    /// Tells why the connection ends.
    pub(super) fn refuse(&mut self) {
        if let Some(fault) = self.fault {
            let failure = Response::failure(fault.to_string());
            let mut answer = Vec::new();
            control::encode(&mut answer, &Request::default().answered(failure).to_json());
            self.tail.put(answer);
        }
    }
}
