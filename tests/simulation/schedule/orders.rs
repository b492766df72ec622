//! Each order of the schedule: its check, and its execution by the server.

use sockexec::id::ConnectionId;
use sockexec::schedule::{Class, Order, Phase, QuotaId};

use super::client::{Client, Greeting, Job, Permit, Place};
use super::world::World;
use crate::chance::Chance;

impl<C: Chance> World<C> {
    /// Takes the time and carries out all orders, again as long as the schedule has something
    /// to do at once.
    pub(super) fn turn(&mut self) {
        for _ in 0..10 + 4 * self.clients.len() {
            self.ticks();
            self.carry_out_orders();
            if self.is_over() {
                return;
            }
            self.check_that_nothing_waits();
            let next = self.schedule.poll_timeout(self.now);
            if next.is_none_or(|at| at > self.now) {
                self.check_timeout(next);
                self.check_memory();
                return;
            }
        }
        panic!("the schedule has always something to do");
    }

    pub(super) fn carry_out_orders(&mut self) {
        while let Some(order) = self.schedule.poll(self.can_launch) {
            self.give_slots();
            self.carry_out(order);
            self.check_counts();
        }
        self.give_slots();
        self.check_counts();
        let arrived = std::mem::take(&mut self.arrived);
        assert!(!arrived || self.lingering.len() <= self.capacity.lingering);
        self.turns += 1;
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Serve(id) => {
                self.greets(id, Greeting::Serve);
                match self.client(id).collects() {
                    true => self.receives(id),
                    false => self.reports(id, true),
                }
            }
            Order::Refuse(id, reason) => {
                self.greets(id, Greeting::Refuse(reason));
                self.client(id).job = Job::Over;
                let is_active = self.chance.once_in(2);
                self.reports(id, is_active);
            }
            Order::Judge(id) => self.judges(id),
            Order::Launch(id) => self.launches(id),
            Order::Read { id, beyond } => self.reads(id, beyond),
            Order::Drop(id) => {
                assert!(self.arrived && self.lingering.len() > self.capacity.lingering);
                assert_eq!(self.lingering.first(), Some(&id), "the longest gives way");
                self.leaves(id);
            }
            Order::End => self.ends(),
            Order::PauseListeners
            | Order::CloseListeners { .. }
            | Order::Leave
            | Order::Stop { .. }
            | Order::StopNow => {
                assert_eq!(self.due.pop_front(), Some(order));
                self.obeys(order);
            }
        }
    }

    fn greets(&mut self, id: ConnectionId, greeting: Greeting) {
        assert_eq!(
            self.new.pop_front(),
            Some(id),
            "in the order in which they came"
        );
        assert_eq!(self.client(id).greeting.take(), Some(greeting));
    }

    fn judges(&mut self, id: ConnectionId) {
        let Job::Judged { group, before } = self.client(id).job else {
            panic!("{id} is judged unasked");
        };
        for (other, client) in &self.clients {
            if let Job::Judged {
                group: g,
                before: b,
            } = client.job
            {
                let earlier = g < group
                    || (g == group && b.zip(before).is_some_and(|(b, own)| b.is_before(&own)));
                assert!(!earlier, "{id} is judged before {other}");
            }
        }
        match self.chance.below(12) {
            // It is refused, or its time is over by now.
            0 | 1 => self.gives_up(id),
            2 => self.client(id).job = Job::Postponed,
            _ => self.permits(id),
        }
    }

    fn permits(&mut self, id: ConnectionId) {
        let in_force: Vec<QuotaId> = self.rules.keys().copied().collect();
        let quota = match self.chance.below(in_force.len() + 1) {
            0 => None,
            n => Some(in_force[n - 1]),
        };
        self.schedule.permit(id, quota);
        self.permits += 1;
        self.client(id).job = Job::Permitted(Permit {
            quota,
            number: self.permits,
            ready: None,
        });
    }

    fn launches(&mut self, id: ConnectionId) {
        assert!(self.can_launch, "there is no place for a child");
        assert!(
            matches!(self.phase, Phase::Serving | Phase::Finishing { .. }),
            "{id} is launched by a server that stops"
        );
        let permit = *self.client(id).permit().expect("launched with a permit");
        for (other, client) in &self.clients {
            let passed = client.permit().is_some_and(|p| p.is_before(&permit));
            assert!(!passed, "{id} is launched before {other}");
        }
        let quota = permit.quota;
        self.client(id).job = Job::Runs { quota };
        assert!(
            self.programs() <= self.capacity.programs,
            "too many programs"
        );
        if let Some(quota) = quota {
            let limit = self.rules[&quota].map_or(usize::MAX, |limit| limit as usize);
            let running = self.count(|client| client.runs_by(quota));
            assert!(running <= limit, "too many programs by {quota:?}");
        }
        self.forgets_request(id);
        self.can_launch = !self.chance.once_in(8);
        match self.chance.once_in(8) {
            true => self.program_ends(id),
            false => self.reports(id, true),
        }
    }

    fn reads(&mut self, id: ConnectionId, beyond: bool) {
        assert!(self.client(id).starves, "{id} can be read anyway");
        if beyond {
            let before = self.any(|client| client.beyond);
            assert_eq!(before, None, "one at a time goes beyond the limit");
            assert_eq!(self.stuck().into_iter().min(), Some(id));
        }
        let client = self.client(id);
        client.beyond |= beyond;
        client.starves = false;
        self.receives(id);
    }

    fn obeys(&mut self, order: Order) {
        match order {
            Order::PauseListeners | Order::CloseListeners { control: false } => {
                self.listens &= order == Order::PauseListeners;
                // The last of its queue.
                while self.chance.once_in(3) {
                    let user = self.any_user();
                    self.arrive(user, Class::Job);
                }
            }
            Order::Leave => self.drains(Some(std::time::Duration::ZERO)),
            Order::Stop { .. } | Order::StopNow => {
                for id in self.all(|client| !client.runs() && client.place != Place::Lingers) {
                    match self.client(id).job {
                        Job::Over => self.reports(id, true),
                        _ => self.gives_up(id),
                    }
                }
                for id in self.all(Client::runs) {
                    if self.chance.once_in(2) {
                        self.program_ends(id);
                    }
                }
            }
            _ => {}
        }
    }

    fn ends(&mut self) {
        assert!(!self.is_over(), "the server ends once");
        let is_due = self.due.front() == Some(&Order::End);
        assert!(is_due || self.is_served(), "the server ends too early");
        self.due.clear();
        self.phase = Phase::Over;
    }
}
