//! The actions and requests of a session, until its caller takes them. Only `settle` can add to
//! them.

use std::collections::VecDeque;

use super::super::event::{Action, Ask};

/// The maximum number of pending actions.
const ACTIONS_MAX: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::session) struct Orders {
    actions: VecDeque<Action>,
    /// The request to the server. There is never more than one.
    ask: Option<Ask>,
}

impl Orders {
    /// The next action.
    pub(in crate::session) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next request to the server.
    pub(in crate::session) fn poll_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.ask = Some(ask);
    }

    /// The request for a program is withdrawn.
    pub(super) fn withdraw(&mut self) {
        self.ask = match self.ask.take() {
            // The server has not seen the request.
            Some(Ask::Program(_)) => None,
            _ => Some(Ask::Withdraw),
        };
    }

    /// The invariants.
    pub(in crate::session) fn check(&self) {
        assert!(self.actions.len() <= ACTIONS_MAX, "{:?}", self.actions);
    }
}
