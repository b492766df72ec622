//! What a session wants to be done, until its caller has taken it. Only `settle` can add to it.

use std::collections::VecDeque;

use super::super::event::{Action, Ask};

/// There is never more to do at a time.
const ACTIONS_MAX: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::session) struct Orders {
    actions: VecDeque<Action>,
    /// What the server is asked for. There is never more than one thing.
    ask: Option<Ask>,
}

impl Orders {
    /// The next thing to do.
    pub(in crate::session) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is asked of the server next.
    pub(in crate::session) fn poll_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.ask = Some(ask);
    }

    /// The program that was asked for is not wanted any more.
    pub(super) fn withdraw(&mut self) {
        self.ask = match self.ask.take() {
            // Nobody has heard of it.
            Some(Ask::Program(_)) => None,
            _ => Some(Ask::Withdraw),
        };
    }

    /// What always holds.
    pub(in crate::session) fn check(&self) {
        assert!(self.actions.len() <= ACTIONS_MAX, "{:?}", self.actions);
    }
}
