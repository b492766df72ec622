//! Events, reported to the schedule and recorded in the lists of the world.

use std::time::Duration;

use sockexec::id::ConnectionId;
use sockexec::quota::User;
use sockexec::schedule::{Capacity, Class, HURRY, News, Order, Phase, Rejection, Wait};

use super::client::{Client, Greeting, Job, Place};
use super::rates::Limit;
use super::world::World;
use crate::chance::Chance;

impl<C: Chance> World<C> {
    pub(super) fn arrives(&mut self) {
        let user = self.any_user();
        let class = match self.chance.once_in(8) {
            true => Class::Control,
            false => Class::Job,
        };
        self.arrive(user, class);
    }

    pub(super) fn arrive(&mut self, user: User, class: Class) {
        let id = self.next;
        self.next = id.next();
        let (request, spools) = (
            self.schedule.open_request(user),
            self.schedule.open_spools(user),
        );
        self.schedule.arrive(id, user, class);
        self.arrived = true;
        self.idle_since = None;
        self.give_slots();
        let (place, greeting) = self.place(user, class);
        if greeting == Greeting::Serve && class == Class::Job {
            for (other, client) in &self.clients {
                let passed = client.place == Place::OverQuota && self.has_slot_for(client.user);
                assert!(!passed, "{id} comes before {other}");
            }
        }
        let waits = self.schedule.wait(id) == Wait::Slot;
        assert_eq!(waits, place == Place::OverQuota, "{id} should be {place:?}");
        let to_come = match self.chance.below(3) {
            0 => 1 + self.chance.below(200) as u64,
            _ => 1 + self.chance.below(20) as u64,
        };
        let client = Client {
            user,
            place,
            greeting: Some(greeting),
            job: match class {
                Class::Job => Job::Collects,
                Class::Control => Job::Over,
            },
            to_come,
            held: 0,
            request,
            spooled: 0,
            spools,
            starves: false,
            beyond: false,
        };
        self.clients.insert(id, client);
        self.new.push_back(id);
    }

    fn place(&self, user: User, class: Class) -> (Place, Greeting) {
        if class == Class::Control {
            return (Place::Control, Greeting::Serve);
        }
        if self.phase != Phase::Serving {
            return (Place::Slot, Greeting::Refuse(Rejection::Stopping));
        }
        if self.has_slot_for(user) {
            return (Place::Slot, Greeting::Serve);
        }
        let limit = match () {
            () if self.at(Place::OverQuota) >= self.capacity.over_quota => self.capacity.over_quota,
            () if self.of_user_at(user, Place::OverQuota) >= self.places_of_user() => {
                self.places_of_user()
            }
            () => return (Place::OverQuota, Greeting::Serve),
        };
        let limit = limit as u64;
        (
            Place::Refused,
            Greeting::Refuse(Rejection::Crowded { limit }),
        )
    }

    /// Looks which connections have a slot now, and whether it is theirs.
    pub(super) fn give_slots(&mut self) {
        let mut newest = None;
        for id in self.all(|client| client.place == Place::OverQuota) {
            if self.schedule.wait(id) == Wait::Slot {
                continue;
            }
            let user = self.clients[&id].user;
            assert!(self.has_slot_for(user), "{id} has a slot and may not");
            newest = Some(id);
            self.client(id).place = Place::Slot;
            if matches!(self.client(id).job, Job::Asked) {
                self.needs_token(id);
            }
        }
        self.give_tokens();
        for id in self.all(|client| client.place == Place::OverQuota) {
            let user = self.clients[&id].user;
            let passed =
                Some(id) < newest && self.of_user_at(user, Place::Slot) < self.slots_of_user();
            assert!(!passed, "{id} was passed over by {newest:?}");
        }
    }

    /// Some of its request comes.
    pub(super) fn receives(&mut self, id: ConnectionId) {
        let room = self.room_of(self.clients[&id].user);
        let client = self.clients.get_mut(&id).expect("a client");
        if !client.collects() || client.starves {
            return;
        }
        assert_eq!(client.request.room(), room);
        let room = match client.beyond {
            true => u64::MAX,
            false => room,
        };
        let sent = match self.chance.below(3) {
            0 => 1,
            _ => client.to_come,
        };
        let taken = sent.min(room);
        client.held += taken;
        client.request.set(client.held);
        client.to_come -= taken;
        client.starves = taken < sent;
        if client.to_come == 0 {
            self.asks(id);
        }
        self.reports(id, true);
    }

    fn asks(&mut self, id: ConnectionId) {
        self.schedule.ask(id, self.now);
        match self.client(id).place {
            Place::Slot => self.needs_token(id),
            Place::OverQuota => self.client(id).job = Job::Asked,
            Place::Refused | Place::Control | Place::Lingers => unreachable!("it may not ask"),
        }
        self.give_tokens();
    }

    /// The rules can decide about a request now.
    pub(super) fn resumes(&mut self, id: ConnectionId) {
        self.schedule.judge_again(id);
        self.groups += 1;
        let (group, before) = (self.groups, None);
        self.client(id).job = Job::Judged { group, before };
    }

    /// The schedule takes the news of a connection.
    pub(super) fn reports(&mut self, id: ConnectionId, is_active: bool) {
        let client = self.client(id);
        client.beyond &= client.held > 0 || client.collects();
        let news = News {
            has_process: client.runs(),
            need: client.needs(),
            is_active,
        };
        let concludes = !is_active && client.place != Place::Lingers;
        if concludes {
            client.place = Place::Lingers;
            self.lingering.push(id);
        }
        assert_eq!(
            self.schedule.update(id, news),
            concludes,
            "{id} is over once"
        );
    }

    /// Its request is not wanted any more, or was refused; if it was complete, the server
    /// mostly withdraws it.
    pub(super) fn gives_up(&mut self, id: ConnectionId) {
        let complete = !matches!(self.client(id).job, Job::Collects);
        self.forgets_request(id);
        self.client(id).job = Job::Over;
        let leaves = self.chance.below(3);
        if complete && (leaves == 2 || !self.chance.once_in(3)) {
            self.schedule.withdraw(id);
        }
        match leaves {
            0 => self.leaves(id),
            1 => self.reports(id, false),
            _ => self.reports(id, true),
        }
    }

    pub(super) fn forgets_request(&mut self, id: ConnectionId) {
        let client = self.client(id);
        client.held = 0;
        client.request.set(0);
        client.starves = false;
    }

    pub(super) fn program_ends(&mut self, id: ConnectionId) {
        self.client(id).job = Job::Over;
        let is_active = !self.chance.once_in(2);
        self.reports(id, is_active);
    }

    /// The process does not end, and its connection is over with it.
    pub(super) fn process_is_given_up(&mut self, id: ConnectionId) {
        self.schedule.orphan(id);
        self.orphans.insert(id);
        self.program_ends(id);
    }

    pub(super) fn process_is_adopted(&mut self) {
        let id = self.next;
        self.next = id.next();
        self.schedule.adopt(id);
        self.orphans.insert(id);
    }

    pub(super) fn orphan_ends(&mut self, id: ConnectionId) {
        self.schedule.bury(id);
        self.orphans.remove(&id);
    }

    /// The connection is closed.
    pub(super) fn leaves(&mut self, id: ConnectionId) {
        self.schedule.leave(id, self.now);
        self.lingering.retain(|&lingers| lingers != id);
        self.new.retain(|&new| new != id);
        self.clients.remove(&id);
        if self.clients.is_empty() {
            self.idle_since = Some(self.now);
        }
    }

    pub(super) fn takes_limits(&mut self, capacity: Capacity, limit: Limit) {
        self.capacity = capacity;
        self.buckets.configure(limit);
        self.schedule.configure(capacity, self.now);
    }

    pub(super) fn takes_rules(&mut self) {
        let rules: Vec<_> = self.rules.iter().map(|(&id, &limit)| (id, limit)).collect();
        self.schedule.set_rules(&rules);
        self.groups += 1;
        let group = self.groups;
        for client in self.clients.values_mut() {
            if let Job::Permitted(permit) = client.job {
                let before = Some(permit);
                client.job = Job::Judged { group, before };
            }
        }
    }

    pub(super) fn drains(&mut self, grace: Option<Duration>) {
        let until = grace.map(|grace| self.now + grace);
        let expected = match self.phase {
            Phase::Serving => {
                self.phase = Phase::Finishing { until };
                self.due.push_back(match grace {
                    None => Order::PauseListeners,
                    Some(_) => Order::CloseListeners { control: false },
                });
                if grace.is_some_and(|grace| grace.is_zero()) {
                    self.stops(false);
                }
                true
            }
            Phase::Finishing { until: None } if until.is_some() => {
                self.phase = Phase::Finishing { until };
                self.due.push_back(Order::CloseListeners { control: false });
                true
            }
            _ => false,
        };
        assert_eq!(self.schedule.drain(grace, self.now), expected);
    }

    /// The command that takes a drain back, at any moment.
    pub(super) fn undrains(&mut self) {
        let serves = match self.phase {
            Phase::Serving => true,
            Phase::Finishing { until: None } => {
                self.phase = Phase::Serving;
                self.due.retain(|order| *order != Order::PauseListeners);
                true
            }
            _ => false,
        };
        assert_eq!(self.schedule.undrain(), serves);
        assert_eq!(self.schedule.phase(), self.phase);
    }

    fn stops(&mut self, grace_over: bool) {
        let until = self.now + self.capacity.stop_time;
        self.phase = Phase::Ending { until };
        self.due.push_back(Order::CloseListeners { control: true });
        self.due.push_back(Order::Stop { grace_over });
    }

    pub(super) fn hurries(&mut self) {
        let until = self.now + HURRY;
        let until = match self.phase {
            Phase::Ending { until: before } => before.min(until),
            _ => until,
        };
        self.phase = Phase::Ending { until };
        self.due.push_back(Order::StopNow);
        self.schedule.hurry(self.now);
    }

    /// The schedule takes the time.
    pub(super) fn ticks(&mut self) {
        let now = self.now;
        self.buckets.tick(now);
        match self.phase {
            Phase::Serving if self.idle_ends().is_some_and(|at| at <= now) => {
                self.due.push_back(Order::Leave);
            }
            Phase::Finishing { until: Some(until) } if until <= now => self.stops(true),
            Phase::Ending { until } if until <= now => self.due.push_back(Order::End),
            _ => {}
        }
        self.schedule.tick(now);
    }

    /// When the server leaves because it is idle.
    pub(super) fn idle_ends(&self) -> Option<std::time::Instant> {
        let since = self.idle_since.filter(|_| self.listens)?;
        Some(since + self.capacity.idle_exit?)
    }
}
