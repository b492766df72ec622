//! The random moves.

use std::time::Duration;

use sockexec::id::ConnectionId;
use sockexec::quota::User;
use sockexec::schedule::{Class, Need, News, Phase};

use super::client::{Client, Job, Place};
use super::rates::Limit;
use super::world::{World, any_capacity, any_rules};
use crate::chance::Chance;

impl<C: Chance> World<C> {
    /// Something happens; after that the server mostly has a turn, or has it later.
    pub(super) fn step(&mut self) {
        match self.chance.below(32) {
            0..=6 if self.chance.once_in(self.pace) => self.client_comes(),
            7..=11 => self.one(Client::collects, Self::receives),
            12 => self.one(|client| client.may_give_up(), Self::gives_up),
            13..=15 => self.one(Client::runs, Self::program_ends),
            16 => self.one(Client::runs, Self::process_is_given_up),
            17..=18 => self.one(Client::is_answered, Self::concludes),
            19..=20 => self.one(|client| client.place == Place::Lingers, Self::leaves),
            21 => self.orphans_change(),
            22..=23 => self.one(|client| client.place == Place::Slot, Self::spools),
            24 => self.can_launch = !self.can_launch,
            25 => self.late_news(),
            26 if self.chance.once_in(2) => self.limits_change(),
            27 if self.chance.once_in(2) => self.reloads(),
            28 => self.time_passes(),
            29 if self.chance.once_in(20) => self.is_to_stop(),
            29 => self.undrains(),
            30..=31 => self.one(|client| matches!(client.job, Job::Postponed), Self::resumes),
            _ => {}
        }
        self.check_counts();
        if self.chance.once_in(2) {
            self.turn();
        }
    }

    fn one(&mut self, applies: impl Fn(&Client) -> bool, act: impl Fn(&mut Self, ConnectionId)) {
        if let Some(id) = self.any(applies) {
            act(self, id);
        }
    }

    fn client_comes(&mut self) {
        // Now and then there is one more than there should be.
        if self.schedule.accepts(Class::Job) || self.chance.once_in(10) {
            self.arrives();
            if self.chance.once_in(8) {
                self.one(|client| client.greeting.is_some(), Self::leaves);
            }
        }
    }

    pub(super) fn concludes(&mut self, id: ConnectionId) {
        match self.chance.once_in(4) {
            true => self.leaves(id),
            false => self.reports(id, false),
        }
    }

    fn orphans_change(&mut self) {
        let first = self.orphans.first().copied();
        match (first, self.chance.once_in(4)) {
            (_, true) => self.process_is_adopted(),
            (Some(id), false) => self.orphan_ends(id),
            (None, false) => {}
        }
    }

    /// The size of its temporary files changes.
    fn spools(&mut self, id: ConnectionId) {
        let all: u64 = self.clients.values().map(|client| client.spooled).sum();
        let total = self.capacity.spool_total;
        let more = self.chance.below(60) as u64;
        let client = self.client(id);
        if client.spools.grow(more).is_ok() {
            client.spooled += more;
            assert!(
                more == 0 || all + more <= total,
                "temporary files are too large"
            );
        } else {
            client.spooled = 0;
            client.spools.set(0);
        }
    }

    fn limits_change(&mut self) {
        let limit = Limit::any(&mut self.chance);
        let capacity = any_capacity(&mut self.chance, limit);
        self.takes_limits(capacity, limit);
    }

    pub(super) fn reloads(&mut self) {
        self.rules = any_rules(&mut self.chance);
        if self.chance.once_in(2) {
            self.limits_change();
        }
        self.takes_rules();
    }

    fn time_passes(&mut self) {
        // No event is left to a turn at another time.
        self.turn();
        if self.is_over() {
            return;
        }
        let next = self.schedule.poll_timeout(self.now);
        self.now += match (self.chance.below(3), next) {
            (0, Some(at)) => at.saturating_duration_since(self.now),
            _ => Duration::from_millis(self.chance.below(4000) as u64),
        };
        self.turn();
    }

    /// A signal, or the command to drain.
    pub(super) fn is_to_stop(&mut self) {
        let grace = Duration::from_secs(self.chance.below(4) as u64 * 10);
        let by_signal = self.chance.once_in(2);
        match self.phase {
            _ if !by_signal => self.drains(None),
            Phase::Serving | Phase::Finishing { until: None } => self.drains(Some(grace)),
            Phase::Finishing { .. } | Phase::Ending { .. } => self.hurries(),
            Phase::Over => {}
        }
    }

    /// News that comes twice, or too late, and must change nothing.
    fn late_news(&mut self) {
        let number = 1 + self.chance.below(self.next.number() as usize) as u64;
        let Some(id) = ConnectionId::numbered(number) else {
            return;
        };
        let job = self.clients.get(&id).map(|client| client.job);
        match self.chance.below(7) {
            0 if !matches!(job, Some(Job::Collects | Job::Over)) => self.schedule.ask(id, self.now),
            1 if !matches!(job, Some(Job::Judged { .. } | Job::Postponed)) => {
                self.schedule.permit(id, None)
            }
            2 if job.is_none_or(|job| matches!(job, Job::Runs { .. } | Job::Over)) => {
                self.schedule.withdraw(id);
            }
            6 if !matches!(job, Some(Job::Judged { .. } | Job::Postponed)) => {
                self.schedule.judge_again(id);
            }
            3 if !matches!(job, Some(Job::Runs { .. })) => self.schedule.orphan(id),
            4 if !self.orphans.contains(&id) => self.schedule.bury(id),
            5 if job.is_none() => {
                self.schedule.leave(id, self.now);
                let news = News {
                    has_process: true,
                    need: Need::Nothing,
                    is_active: false,
                };
                assert!(!self.schedule.update(id, news));
            }
            _ => {}
        }
    }

    /// The oldest connection that is not read can wait no longer.
    pub(super) fn request_is_late(&mut self, user: User) {
        let late = self.all(|client| client.starves && client.user == user);
        late.into_iter().take(1).for_each(|id| self.gives_up(id));
    }
}
