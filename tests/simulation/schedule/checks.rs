//! The invariants when there are no more orders, and those that always hold.

use std::time::Instant;

use sockexec::schedule::{Class, Order, Phase, QuotaId, Wait};

use super::client::{Client, Job, Place};
use super::rates::MOMENT;
use super::world::{World, all_rules};
use crate::chance::Chance;

impl<C: Chance> World<C> {
    pub(super) fn check_counts(&self) {
        assert_eq!(self.schedule.counts(), self.counts());
        // From the moment at which its end is due it does nothing else.
        let phase = match self.due.contains(&Order::End) {
            true => Phase::Over,
            false => self.phase,
        };
        assert_eq!(self.schedule.phase(), phase);
        assert_eq!(self.schedule.request_bytes(), self.memory());
        let spooled = self.clients.values().map(|client| client.spooled);
        assert_eq!(self.schedule.spool_bytes(), spooled.sum::<u64>());
        assert!(self.count(|client| client.beyond) <= 1);
    }

    pub(super) fn check_that_nothing_waits(&mut self) {
        assert!(self.due.is_empty(), "{:?} did not come", self.due);
        assert!(!self.is_served(), "the server does not end");
        assert!(self.new.is_empty(), "{:?} wait for an answer", self.new);
        for (id, client) in &self.clients {
            let waits = match (client.place, client.job) {
                (Place::OverQuota, _) => Wait::Slot,
                (_, Job::Parked { .. }) => Wait::Token,
                (_, Job::Permitted(_) | Job::Postponed) => Wait::Turn,
                (_, Job::Judged { .. }) => panic!("{id} was not judged"),
                _ => Wait::Nothing,
            };
            assert_eq!(self.schedule.wait(*id), waits, "{id}");
            if waits == Wait::Slot {
                assert!(!self.has_slot_for(client.user), "{id} could have a slot");
            }
        }
        for quota in all_rules().map(Some).chain([None]) {
            self.check_queue(quota);
        }
        self.check_what_is_accepted();
        self.check_that_parked_ones_have_no_token();
    }

    /// Of the requests that one rule permits, or that no rule counts.
    fn check_queue(&mut self, quota: Option<QuotaId>) {
        let running = quota.map_or(0, |id| self.count(|client| client.runs_by(id)));
        let limit = quota.and_then(|id| self.rules.get(&id).copied().flatten());
        let room = limit
            .map_or(usize::MAX, |limit| limit as usize)
            .saturating_sub(running);
        let turn = self.turns;
        let mut waiting: Vec<_> = self
            .clients
            .values_mut()
            .filter_map(Client::permit_mut)
            .collect();
        waiting.retain(|permit| permit.quota == quota);
        waiting.sort_by_key(|permit| permit.number);
        let ready = room.min(waiting.len());
        for permit in &mut waiting[..ready] {
            permit.ready.get_or_insert(turn);
        }
        if ready > 0 {
            let may_launch = self.can_launch && self.programs() < self.capacity.programs;
            assert!(!may_launch, "a program by {quota:?} could be launched");
        }
        if let Some(quota) = quota {
            assert_eq!(self.schedule.uses(quota), running + ready > 0, "{quota:?}");
        }
    }

    fn check_what_is_accepted(&self) {
        let (jobs, control) = match self.phase {
            Phase::Serving => (true, true),
            Phase::Finishing { .. } => (false, true),
            Phase::Ending { .. } | Phase::Over => (false, false),
        };
        let jobs = jobs && self.at(Place::Slot) < self.capacity.connections;
        let control = control && self.at(Place::Control) < self.capacity.control;
        assert_eq!(self.schedule.accepts(Class::Job), jobs);
        assert_eq!(self.schedule.accepts(Class::Control), control);
    }

    /// It wants to be woken up for what will be due, and for nothing else.
    pub(super) fn check_timeout(&self, next: Option<Instant>) {
        let due = match self.phase {
            Phase::Serving => self.idle_ends(),
            Phase::Finishing { until } => until,
            Phase::Ending { until } => Some(until),
            Phase::Over => None,
        };
        match self.next_token() {
            Some(token) if due.is_none_or(|due| token < due) => {
                let next = next.expect("a token is due");
                let difference = next.max(token) - next.min(token);
                assert!(difference < MOMENT, "{difference:?} too early or late");
            }
            _ => assert_eq!(next, due),
        }
    }

    /// Clients are read, unless there is no room and what would give some back can go on.
    pub(super) fn check_memory(&self) {
        for (id, client) in &self.clients {
            let room = self.room_of(client.user);
            assert!(!client.starves || room == 0, "{id} could be read");
        }
        let goes_beyond = self.count(|client| client.beyond) > 0;
        let stuck = self.stuck();
        assert!(
            goes_beyond || stuck.is_empty(),
            "{stuck:?} wait for each other"
        );
    }

    /// All have left: nothing is held any more.
    pub(super) fn check_that_nothing_is_left(&self) {
        assert!(self.clients.is_empty() && self.orphans.is_empty());
        self.check_counts();
        for quota in all_rules() {
            assert!(!self.schedule.uses(quota), "{quota:?} is used by nothing");
        }
    }
}
