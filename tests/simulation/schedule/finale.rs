//! The end of a world.

use std::time::Duration;

use sockexec::schedule::Phase;

use super::client::{Client, Job, Place};
use super::rates::MOMENT;
use super::world::World;
use crate::chance::Chance;

impl<C: Chance> World<C> {
    pub(super) fn finish(&mut self) {
        match self.chance.below(4) {
            _ if self.is_over() => {}
            0 => self.stop_in_time(),
            1 => {
                self.drains(None);
                self.serve_all();
            }
            _ => self.serve_all(),
        }
        for id in self.all(|_| true) {
            self.leaves(id);
        }
        while let Some(id) = self.orphans.first().copied() {
            self.orphan_ends(id);
        }
        self.check_that_nothing_is_left();
    }

    /// No client comes any more, programs end and clients take what they get. Then each
    /// request has its turn.
    fn serve_all(&mut self) {
        let most = 50 + 30 * self.clients.len();
        let mut before = Vec::new();
        for _ in 0..most {
            self.can_launch = true;
            while let Some(id) = self.orphans.first().copied() {
                self.orphan_ends(id);
            }
            self.turn();
            if self.is_over() || self.clients.is_empty() {
                break;
            }
            self.everyone_goes_on();
            if let Some(at) = self.next_token() {
                self.now = at + MOMENT;
            }
            // Three times in a row, since one may go when another comes.
            before.retain(|before| *before == self.progress());
            before.push(self.progress());
            if before.len() == 3 {
                self.break_circle();
            }
        }
        assert!(
            self.is_over() || (self.phase == Phase::Serving && self.listens),
            "a drain does not end"
        );
        assert!(
            self.is_over() || self.clients.is_empty(),
            "some are not served"
        );
    }

    fn everyone_goes_on(&mut self) {
        for id in self.all(|_| true) {
            let client = self.client(id);
            match client.job {
                _ if client.place == Place::Lingers => self.leaves(id),
                Job::Runs { .. } => self.program_ends(id),
                Job::Over => self.concludes(id),
                Job::Collects => self.receives(id),
                Job::Postponed => self.resumes(id),
                _ => {}
            }
        }
    }

    /// What changes when anything goes on.
    fn progress(&self) -> (u64, usize, usize, usize) {
        (
            self.memory(),
            self.clients.len(),
            self.count(|client| matches!(client.job, Job::Over)),
            self.lingering.len(),
        )
    }

    /// Requests without a slot may fill the memory which those with a slot wait for. That
    /// ends when the time for one of them is over.
    fn break_circle(&mut self) {
        let holds = |client: &Client| matches!(client.job, Job::Asked) && client.held > 0;
        assert!(
            self.count(holds) > 0,
            "nothing goes on: {:#?}",
            self.clients
        );
        let starving = self
            .any(|client| client.starves)
            .map(|id| self.clients[&id].user);
        self.request_is_late(starving.expect("something waits for room"));
    }

    /// The server ends at the latest when its times are over, whatever clients do.
    fn stop_in_time(&mut self) {
        let grace = Duration::from_secs(self.chance.below(20) as u64);
        self.drains(Some(grace));
        for _ in 0..4 + self.clients.len() {
            self.turn();
            if self.is_over() {
                return;
            }
            if self.chance.once_in(3) {
                self.hurries();
                self.turn();
            }
            if let Some(at) = self.schedule.poll_timeout(self.now) {
                self.now = self.now.max(at);
            }
        }
        assert!(self.is_over(), "a stop does not end in time");
    }
}
