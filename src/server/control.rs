//! What control connections ask for: their commands, the history of jobs, and the questions about
//! events that are answered once there is one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::history::History;
use crate::control::history::Since;
use crate::control::message::Request;
use crate::id::ConnectionId;

/// How many questions wait at most: fewer than there may be control connections, so that those never
/// take all of these.
pub(super) const HELD_MAX: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Control {
    /// Messages to carry out.
    messages: VecDeque<(ConnectionId, Vec<u8>)>,
    /// Questions without an answer yet: one of a connection at most.
    held: Vec<Held>,
    pub(super) history: History,
}

/// A question about events.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: ConnectionId,
    pub(super) request: Request,
    /// The number of the last event that its client knows.
    pub(super) after: u64,
    until: Instant,
}

impl Control {
    /// Of a server that keeps this number of ended jobs.
    pub(super) fn new(jobs: u32) -> Self {
        Self {
            messages: VecDeque::new(),
            held: Vec::new(),
            history: History::new(jobs),
        }
    }

    /// A message came.
    pub(super) fn add(&mut self, id: ConnectionId, message: Vec<u8>) {
        self.messages.push_back((id, message));
    }

    /// Takes all messages.
    pub(super) fn take_messages(&mut self) -> VecDeque<(ConnectionId, Vec<u8>)> {
        std::mem::take(&mut self.messages)
    }

    /// The number of the last event that a question knows.
    pub(super) fn known(&self, since: &Since) -> u64 {
        since.after.unwrap_or_else(|| self.history.last_event())
    }

    /// Holds a question, if there is nothing new. Returns whether it does.
    ///
    /// # Errors
    ///
    /// When too many wait already.
    pub(super) fn hold(
        &mut self,
        (id, request): (ConnectionId, &Request),
        (after, wait): (u64, Duration),
        now: Instant,
    ) -> Result<bool, String> {
        if wait.is_zero() || after != self.history.last_event() {
            return Ok(false);
        }
        if self.held.len() >= HELD_MAX {
            return Err(format!("{HELD_MAX} clients wait for events already"));
        }
        self.held.push(Held {
            id,
            request: request.clone(),
            after,
            until: now + wait,
        });
        Ok(true)
    }

    /// Takes the questions that are to be answered now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Held> {
        let last = self.history.last_event();
        let (due, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.until <= now || held.after != last);
        self.held = held;
        due
    }

    /// Does not let any question wait longer.
    pub(super) fn release(&mut self, now: Instant) {
        for held in &mut self.held {
            held.until = now;
        }
    }

    /// A connection has gone.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.held.retain(|held| held.id != id);
    }

    /// When there is something to answer.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.messages.is_empty() {
            return Some(now);
        }
        let last = self.history.last_event();
        let moments = self.held.iter().map(|held| match held.after == last {
            true => held.until,
            false => now,
        });
        moments.min()
    }
}
