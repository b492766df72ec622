//! The answers to control clients: their form, when they are sent, and those that wait for events.

use std::time::Duration;

use super::Server;
use super::control::Held;
use super::history::EVENTS_MAX;
use crate::control::history::Since;
use crate::control::message::{Request, Response};
use crate::id::ConnectionId;
use crate::os::memory;
use crate::schedule::Phase;
use crate::session::Input;
use crate::wire::control;

/// The maximum memory for the answer about one job that has ended, in bytes.
const ENDED_EACH: usize = 32 * 1024;

impl Server {
    /// The events behind a number; none if the question waits for them.
    pub(super) fn events(
        &mut self,
        asked: (ConnectionId, &Request),
        since: &Since,
    ) -> Result<Option<String>, String> {
        let control = &mut self.control;
        if control.history.kept() == 0 {
            return Err("the server keeps no events, since recent-jobs is 0".into());
        }
        let wait = match self.schedule.phase() {
            Phase::Serving | Phase::Finishing { .. } => since.wait,
            Phase::Ending { .. } | Phase::Over => Duration::ZERO,
        };
        let after = control.known(since);
        match control.hold(asked, (after, wait), self.io.now())? {
            true => Ok(None),
            false => self.events_behind(after).map(Some),
        }
    }

    fn events_behind(&self, after: u64) -> Result<String, String> {
        let history = &self.control.history;
        // As many as there is memory for: the client asks again.
        let mut most = history.behind(after).min(EVENTS_MAX);
        while most > 1 && has_memory(most).is_err() {
            most /= 2;
        }
        has_memory(most)?;
        json(&history.events(after, most))
    }

    /// Answers the questions about events that are due.
    pub(super) fn answer_held(&mut self) -> Vec<(ConnectionId, Input)> {
        let due = self.control.take_due(self.io.now()).into_iter();
        let answer = |held: Held| {
            let response = response(self.events_behind(held.after));
            (held.id, answered(held.request, response))
        };
        due.map(answer).collect()
    }

    /// Sends answers.
    pub(super) fn send_answers(&mut self, answers: Vec<(ConnectionId, Input)>) {
        for (id, answered) in answers {
            self.work(id, |connection, context| {
                connection.inform(answered, context);
            });
        }
    }
}

/// Whether there is memory for an answer about this number of jobs.
pub(super) fn has_memory(jobs: usize) -> Result<(), String> {
    match memory::has(jobs * ENDED_EACH) {
        true => Ok(()),
        false => Err("the server has no memory for it".into()),
    }
}

pub(super) fn response(result: Result<String, String>) -> Response {
    match result {
        Ok(payload) => Response::success(payload),
        Err(error) => Response::failure(error),
    }
}

pub(super) fn answered(request: Request, response: Response) -> Input {
    let close = request.close;
    let answer = request.respond.then(|| {
        let mut answer = Vec::new();
        control::encode(&mut answer, &request.answered(response).to_json());
        answer
    });
    Input::Answered { answer, close }
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}
