//! Scenarios, most of them named after a fault that this bookkeeping once had.

use super::*;

mod rates;

const LIMITS: Capacity = Capacity {
    connections: 4,
    programs: 2,
    over_quota: 4,
    lingering: 2,
    detached: 0,
    control: 2,
    user_share: 50,
    rate: Rate::UNLIMITED,
    requests_memory: 100,
    spool_total: 100,
    idle_exit: None,
    stop_time: Duration::from_secs(10),
};

const RULE: QuotaId = QuotaId(1);
const OTHER: QuotaId = QuotaId(2);

/// A server that carries out orders as far as it must.
struct Server {
    schedule: Schedule,
    now: Instant,
    /// Its next connection.
    next: ConnectionId,
    /// The decision of the rules about every request.
    quota: Option<QuotaId>,
}

impl Server {
    fn new(capacity: Capacity) -> Self {
        let now = Instant::now();
        let mut schedule = Schedule::new(capacity, now);
        schedule.listen();
        Self {
            schedule,
            now,
            next: ConnectionId::FIRST,
            quota: None,
        }
    }

    /// A server whose only rule allows this number of programs.
    fn with_rule(limit: u32) -> Self {
        let mut server = Self::new(LIMITS);
        server.schedule.set_rules(&[(RULE, Some(limit))]);
        server.quota = Some(RULE);
        server
    }

    fn arrive(&mut self, user: u32, class: Class) -> ConnectionId {
        let id = self.next;
        self.next = id.next();
        self.schedule.arrive(id, Some(user), class);
        id
    }

    /// A client of this user, which asks for its program.
    fn ask(&mut self, user: u32) -> ConnectionId {
        let id = self.arrive(user, Class::Job);
        self.schedule.ask(id, self.now);
        id
    }

    fn update(&mut self, id: ConnectionId, has_process: bool, is_active: bool) -> bool {
        let need = Need::Nothing;
        let news = News {
            has_process,
            need,
            is_active,
        };
        self.schedule.update(id, news)
    }

    /// Its client has the reply, and lingers.
    fn finish(&mut self, id: ConnectionId) {
        assert!(self.update(id, false, false));
    }

    fn leave(&mut self, id: ConnectionId) {
        self.schedule.leave(id, self.now);
    }

    fn needs_room(&mut self, id: ConnectionId, held: u64) {
        let news = News {
            has_process: false,
            need: Need::Room { held },
            is_active: true,
        };
        self.schedule.update(id, news);
    }

    /// Carries out all orders. Returns them without `Serve` and `Judge`.
    fn orders(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some(order) = self.schedule.poll(true) {
            match order {
                Order::Serve(_) => {}
                Order::Judge(id) => self.schedule.permit(id, self.quota),
                order => orders.push(order),
            }
            assert!(orders.len() < 100, "{orders:?} and so on");
        }
        orders
    }

    fn waiting(&self) -> usize {
        self.schedule.counts().waiting
    }
}

#[test]
fn a_held_request_goes_on_as_soon_as_another_by_its_rule_has_ended() {
    let mut server = Server::with_rule(1);
    let (first, second) = (server.ask(1), server.ask(2));
    assert_eq!(server.orders(), [Order::Launch(first)]);
    assert_eq!(server.schedule.wait(second), Wait::Turn);
    server.update(first, false, true);
    assert_eq!(server.orders(), [Order::Launch(second)]);
    assert_eq!(server.schedule.wait(second), Wait::Nothing);
}

#[test]
fn a_held_request_holds_up_no_request_of_another_rule() {
    let mut server = Server::with_rule(1);
    let rules = [(RULE, Some(1)), (OTHER, None)];
    server.schedule.set_rules(&rules);
    let (first, _held) = (server.ask(1), server.ask(1));
    assert_eq!(server.orders(), [Order::Launch(first)]);
    server.quota = Some(OTHER);
    let third = server.ask(2);
    assert_eq!(server.orders(), [Order::Launch(third)]);
}

#[test]
fn a_launch_that_fails_makes_room_for_the_next_one_in_the_same_turn() {
    let mut server = Server::with_rule(1);
    let (first, second) = (server.ask(1), server.ask(2));
    while let Some(order) = server.schedule.poll(true) {
        match order {
            Order::Judge(id) => server.schedule.permit(id, Some(RULE)),
            Order::Launch(id) if id == first => assert!(server.update(id, false, false)),
            Order::Launch(id) => assert_eq!(id, second),
            _ => {}
        }
    }
    assert_eq!(server.schedule.counts().programs, 1);
    assert_eq!(server.schedule.wait(second), Wait::Nothing);
}

#[test]
fn a_connection_that_has_gone_does_not_count_as_lingering() {
    let mut server = Server::new(LIMITS);
    for _ in 0..2 {
        let id = server.arrive(1, Class::Job);
        server.finish(id);
        server.leave(id);
    }
    let lingering: Vec<_> = (0..3).map(|_| server.arrive(1, Class::Job)).collect();
    server.finish(lingering[0]);
    server.finish(lingering[1]);
    assert_eq!(server.schedule.counts().lingering, 2);
    assert_eq!(server.orders(), []);
    server.finish(lingering[2]);
    server.arrive(1, Class::Job);
    assert_eq!(server.orders(), [Order::Drop(lingering[0])]);
}

#[test]
fn a_reply_does_not_end_the_lingering_of_earlier_ones() {
    let mut server = Server::new(LIMITS);
    let all: Vec<_> = (0..4).map(|_| server.arrive(1, Class::Job)).collect();
    assert_eq!(server.orders(), []);
    all.iter().for_each(|&id| server.finish(id));
    assert_eq!(server.orders(), []);
    server.arrive(1, Class::Job);
    assert_eq!(server.orders(), [Order::Drop(all[0]), Order::Drop(all[1])]);
}

#[test]
fn a_request_about_which_the_rules_could_not_decide_is_judged_again() {
    let mut server = Server::new(LIMITS);
    let (first, second) = (server.ask(1), server.ask(2));
    let orders: Vec<_> = std::iter::from_fn(|| server.schedule.poll(true)).collect();
    assert_eq!(orders[1], Order::Judge(first));
    assert_eq!(server.orders(), []);
    assert_eq!(server.schedule.wait(first), Wait::Turn);
    server.schedule.withdraw(first);
    server.schedule.judge_again(first);
    server.schedule.judge_again(second);
    assert_eq!(server.orders(), [Order::Launch(second)]);
    server.schedule.judge_again(second);
    assert_eq!(server.orders(), []);
}

#[test]
fn a_request_that_is_given_up_leaves_the_queue() {
    let mut server = Server::new(LIMITS);
    let all: Vec<_> = [1, 1, 2, 2].map(|user| server.ask(user)).into();
    assert_eq!(server.orders().len(), 2);
    assert_eq!(server.waiting(), 2);
    server.schedule.withdraw(all[2]);
    assert_eq!(server.waiting(), 1);
    server.update(all[0], false, true);
    assert_eq!(server.orders(), [Order::Launch(all[3])]);
    assert_eq!(server.waiting(), 0);
}

#[test]
fn a_held_request_that_is_given_up_leaves_the_queue_of_its_rule() {
    for gone in [false, true] {
        let mut server = Server::with_rule(1);
        let [first, second, third] = [1, 1, 2].map(|user| server.ask(user));
        server.orders();
        assert_eq!(server.waiting(), 2);
        match gone {
            true => server.leave(second),
            false => server.schedule.withdraw(second),
        }
        assert_eq!(server.waiting(), 1);
        server.update(first, false, true);
        assert_eq!(server.orders(), [Order::Launch(third)]);
    }
}

#[test]
fn a_queued_request_that_is_given_up_gives_back_the_place_by_its_rule() {
    let mut server = Server::with_rule(1);
    let (first, second) = (server.ask(1), server.ask(2));
    while let Some(order) = server.schedule.poll(false) {
        if let Order::Judge(id) = order {
            server.schedule.permit(id, Some(RULE));
        }
    }
    server.schedule.withdraw(first);
    assert_eq!(server.orders(), [Order::Launch(second)]);
}

#[test]
fn a_draining_server_keeps_no_slots_for_other_users() {
    let mut server = Server::new(LIMITS);
    let all: Vec<_> = (0..3).map(|_| server.arrive(1, Class::Job)).collect();
    server.orders();
    assert_eq!(server.schedule.wait(all[2]), Wait::Slot);
    assert!(server.schedule.drain(None, server.now));
    assert_eq!(server.orders(), [Order::PauseListeners]);
    assert_eq!(server.schedule.wait(all[2]), Wait::Nothing);
    assert_eq!(server.schedule.counts().active, 3);
}

#[test]
fn a_draining_server_takes_other_limits_and_rules() {
    let mut server = Server::with_rule(1);
    let (first, second) = (server.ask(1), server.ask(2));
    server.orders();
    server.schedule.drain(None, server.now);
    server.schedule.set_rules(&[(RULE, Some(2))]);
    server.schedule.configure(LIMITS, server.now);
    let orders = server.orders();
    assert!(orders.contains(&Order::Launch(second)));
    // Other limits do not bring the share back.
    let third = server.arrive(1, Class::Job);
    assert_eq!(server.orders(), [Order::Refuse(third, Rejection::Stopping)]);
    for id in [first, second, third] {
        server.finish(id);
        server.leave(id);
    }
    assert_eq!(server.orders(), [Order::End]);
}

#[test]
fn limits_taken_while_draining_bring_no_share_back() {
    let mut server = Server::new(Capacity {
        connections: 2,
        ..LIMITS
    });
    let all: Vec<_> = (0..3).map(|_| server.arrive(1, Class::Job)).collect();
    server.schedule.drain(None, server.now);
    server.schedule.configure(LIMITS, server.now);
    server.orders();
    for id in all {
        assert_eq!(server.schedule.wait(id), Wait::Nothing);
    }
}

#[test]
fn connections_over_quota_wait_for_a_slot_while_the_server_finishes() {
    let mut server = Server::new(Capacity {
        connections: 2,
        ..LIMITS
    });
    let all: Vec<_> = [1, 1, 2, 2].map(|user| server.ask(user)).into();
    server.schedule.drain(None, server.now);
    server.orders();
    assert_eq!(server.schedule.counts().active, 2);
    assert_eq!(server.schedule.counts().over_quota, 2);
    server.finish(all[2]);
    assert_eq!(server.orders(), [Order::Launch(all[1])]);
    assert_eq!(server.schedule.wait(all[3]), Wait::Slot);
}

#[test]
fn a_late_client_of_a_draining_server_only_hears_that_it_stops() {
    let mut server = Server::new(Capacity {
        connections: 1,
        ..LIMITS
    });
    server.ask(1);
    server.schedule.drain(None, server.now);
    server.orders();
    let late = server.arrive(1, Class::Job);
    assert_eq!(server.orders(), [Order::Refuse(late, Rejection::Stopping)]);
}

#[test]
fn a_drain_is_taken_back_while_a_job_runs() {
    let mut server = Server::new(LIMITS);
    let first = server.ask(1);
    server.schedule.drain(None, server.now);
    server.orders();
    assert!(!server.schedule.accepts(Class::Job));
    assert!(server.schedule.undrain() && server.schedule.undrain());
    assert_eq!(server.schedule.phase(), Phase::Serving);
    assert!(server.schedule.accepts(Class::Job));
    // The share holds again: two of four slots.
    server.arrive(1, Class::Job);
    let third = server.arrive(1, Class::Job);
    server.orders();
    assert_eq!(server.schedule.wait(third), Wait::Slot);
    // It does not end with its last job.
    for id in [first, first.next(), third] {
        server.finish(id);
        server.leave(id);
    }
    assert!(!server.orders().contains(&Order::End));
}

#[test]
fn a_drain_that_is_taken_back_at_once_pauses_nothing() {
    let mut server = Server::new(LIMITS);
    server.ask(1);
    server.orders();
    server.schedule.drain(None, server.now);
    server.schedule.undrain();
    assert_eq!(server.orders(), []);
    server.schedule.drain(None, server.now);
    server.schedule.undrain();
    server.schedule.drain(None, server.now);
    assert_eq!(server.orders(), [Order::PauseListeners]);
}

#[test]
fn a_stop_is_not_taken_back_and_closes_what_a_drain_has_paused() {
    let mut server = Server::new(LIMITS);
    server.ask(1);
    server.schedule.drain(None, server.now);
    server.orders();
    server.schedule.drain(Some(HURRY), server.now);
    assert_eq!(server.orders(), [Order::CloseListeners { control: false }]);
    assert!(!server.schedule.undrain());
    assert!(!server.schedule.accepts(Class::Job));
    server.schedule.hurry(server.now);
    assert!(!server.schedule.undrain());
}

#[test]
fn a_server_that_has_ended_its_last_job_does_not_come_back() {
    let mut server = Server::new(LIMITS);
    let job = server.ask(1);
    server.schedule.drain(None, server.now);
    server.orders();
    server.finish(job);
    server.leave(job);
    assert_eq!(server.orders(), [Order::End]);
    assert!(!server.schedule.undrain());
}

#[test]
fn a_rule_that_goes_and_comes_back_counts_what_still_runs_by_it() {
    let mut server = Server::with_rule(1);
    let first = server.ask(1);
    assert_eq!(server.orders(), [Order::Launch(first)]);
    server.schedule.set_rules(&[]);
    assert!(server.schedule.uses(RULE));
    server.schedule.set_rules(&[(RULE, Some(1))]);
    let second = server.ask(2);
    assert_eq!(server.orders(), []);
    server.update(first, false, true);
    assert_eq!(server.orders(), [Order::Launch(second)]);
    server.update(second, false, true);
    assert!(!server.schedule.uses(RULE));
}

#[test]
fn a_held_request_counts_as_waiting() {
    let mut server = Server::with_rule(1);
    server.ask(1);
    let held = server.ask(2);
    server.orders();
    assert_eq!(
        (server.waiting(), server.schedule.counts().programs),
        (1, 1)
    );
    server.leave(held);
    assert_eq!(server.waiting(), 0);
}

#[test]
fn a_control_connection_that_lingers_counts_as_lingering() {
    let mut server = Server::new(LIMITS);
    let all: Vec<_> = (0..2).map(|_| server.arrive(1, Class::Control)).collect();
    assert!(!server.schedule.accepts(Class::Control));
    all.iter().for_each(|&id| server.finish(id));
    let counts = server.schedule.counts();
    assert_eq!((counts.control, counts.lingering), (0, 2));
    assert!(server.schedule.accepts(Class::Control));
    let job = server.arrive(1, Class::Job);
    server.finish(job);
    server.arrive(1, Class::Job);
    assert_eq!(server.orders(), [Order::Drop(all[0])]);
}

#[test]
fn what_is_not_started_is_judged_by_other_rules_in_its_order() {
    let mut server = Server::new(Capacity {
        programs: 1,
        user_share: 100,
        ..LIMITS
    });
    server.schedule.set_rules(&[(RULE, Some(2))]);
    server.quota = Some(RULE);
    let [_running, queued, held, last] = [1, 1, 2, 3].map(|user| server.ask(user));
    assert_eq!(server.orders().len(), 1);
    assert_eq!(server.waiting(), 3);
    server.schedule.set_rules(&[(OTHER, None)]);
    let mut judged = Vec::new();
    while let Some(order) = server.schedule.poll(true) {
        match order {
            Order::Judge(id) if id == queued => {
                judged.push(id);
                server.schedule.withdraw(id);
            }
            Order::Judge(id) => {
                judged.push(id);
                server.schedule.permit(id, Some(OTHER));
            }
            order => panic!("{order:?}"),
        }
    }
    assert_eq!(judged, [queued, held, last]);
    assert_eq!(server.waiting(), 2);
    assert!(server.schedule.uses(RULE) && !server.schedule.uses(QuotaId(3)));
}

#[test]
fn a_new_connection_does_not_overtake_one_that_waits_for_a_slot() {
    let mut server = Server::new(LIMITS);
    let all: Vec<_> = (0..3).map(|_| server.arrive(1, Class::Job)).collect();
    server.orders();
    server.leave(all[0]);
    let new = server.arrive(1, Class::Job);
    assert_eq!(server.schedule.wait(all[2]), Wait::Nothing);
    assert_eq!(server.schedule.wait(new), Wait::Slot);
}

#[test]
fn no_order_names_a_connection_that_has_gone() {
    let mut server = Server::new(LIMITS);
    let served = server.arrive(1, Class::Job);
    let asked = server.ask(2);
    server.schedule.withdraw(asked);
    server.leave(served);
    assert_eq!(server.schedule.poll(true), Some(Order::Serve(asked)));
    assert_eq!(server.schedule.poll(true), None);
}

#[test]
fn late_and_repeated_news_change_nothing() {
    let mut server = Server::new(LIMITS);
    let id = server.ask(1);
    server.orders();
    server.schedule.ask(id, server.now);
    server.schedule.permit(id, None);
    server.schedule.withdraw(id);
    assert_eq!(server.orders(), []);
    assert_eq!(server.schedule.counts().programs, 1);
    server.schedule.orphan(id);
    server.schedule.orphan(id);
    server.finish(id);
    assert!(!server.update(id, false, false));
    server.leave(id);
    server.leave(id);
    assert_eq!(server.schedule.counts().programs, 1);
    server.schedule.bury(id);
    server.schedule.bury(id);
    server.schedule.ask(id, server.now);
    server.schedule.permit(id, None);
    assert!(!server.update(id, true, true));
    assert_eq!(server.orders(), []);
    assert_eq!(server.schedule.counts(), Counts::default());
}

const IDLE: Capacity = Capacity {
    idle_exit: Some(Duration::from_secs(5)),
    ..LIMITS
};

#[test]
fn a_server_to_which_no_client_comes_leaves_as_idle() {
    let mut server = Server::new(IDLE);
    let end = server.now + Duration::from_secs(5);
    assert_eq!(server.schedule.poll_timeout(server.now), Some(end));
    server.schedule.tick(end);
    assert_eq!(server.orders(), [Order::Leave]);
}

#[test]
fn a_server_is_not_idle_with_processes_that_would_end_with_it() {
    let mut server = Server::new(IDLE);
    let start = server.now;
    server.schedule.occupy(true, start);
    assert_eq!(server.schedule.poll_timeout(start), None);
    let later = start + Duration::from_secs(60);
    server.schedule.tick(later);
    assert_eq!(server.orders(), []);
    server.schedule.occupy(false, later);
    server
        .schedule
        .occupy(false, later + Duration::from_secs(1));
    let end = later + Duration::from_secs(5);
    assert_eq!(server.schedule.poll_timeout(later), Some(end));
    server.schedule.tick(end);
    assert_eq!(server.orders(), [Order::Leave]);
}

#[test]
fn a_server_of_one_client_waits_for_processes_that_would_end_with_it() {
    let now = Instant::now();
    let mut schedule = Schedule::new(LIMITS, now);
    schedule.occupy(true, now);
    assert_eq!(schedule.poll(true), None);
    schedule.occupy(false, now);
    assert_eq!(schedule.poll(true), Some(Order::End));
}

#[test]
fn a_connection_that_comes_and_goes_within_a_turn_ends_idleness() {
    let mut server = Server::new(IDLE);
    let second = Duration::from_secs(1);
    server.now += 4 * second;
    server.schedule.tick(server.now);
    let id = server.arrive(1, Class::Job);
    server.leave(id);
    assert_eq!(server.orders(), []);
    let end = server.now + 5 * second;
    assert_eq!(server.schedule.poll_timeout(server.now), Some(end));
    server.schedule.tick(end - second);
    assert_eq!(server.orders(), []);
    server.schedule.tick(end);
    assert_eq!(server.orders(), [Order::Leave]);
}

#[test]
fn to_be_hurried_again_gives_no_more_time() {
    let mut server = Server::new(LIMITS);
    server.arrive(1, Class::Job);
    let begin = server.now;
    server.schedule.drain(Some(Duration::ZERO), begin);
    for tenths in [1, 5, 9] {
        let now = begin + Duration::from_millis(100 * tenths);
        server.schedule.hurry(now);
    }
    let end = begin + Duration::from_millis(100) + HURRY;
    assert_eq!(server.schedule.poll_timeout(begin), Some(begin));
    assert!(server.orders().ends_with(&[Order::StopNow; 3]));
    assert_eq!(server.schedule.poll_timeout(begin), Some(end));
    server.schedule.tick(end);
    assert_eq!(server.orders(), [Order::End]);
    server.schedule.hurry(end);
    assert_eq!(server.orders(), []);
    assert_eq!(server.schedule.phase(), Phase::Over);
}

#[test]
fn time_of_grace_ends_in_a_stop_and_that_in_the_end() {
    let mut server = Server::new(LIMITS);
    server.ask(1);
    server.schedule.drain(None, server.now);
    assert!(server.schedule.drain(Some(HURRY), server.now));
    assert!(!server.schedule.drain(Some(2 * HURRY), server.now));
    server.orders();
    server.now += HURRY;
    server.schedule.tick(server.now);
    let stop = [
        Order::CloseListeners { control: true },
        Order::Stop { grace_over: true },
    ];
    assert_eq!(server.orders(), stop);
    server.now += LIMITS.stop_time;
    server.schedule.tick(server.now);
    assert_eq!(server.orders(), [Order::End]);
}

#[test]
fn requests_that_wait_for_each_other_go_beyond_the_limit_one_at_a_time() {
    let mut server = Server::new(LIMITS);
    let [one, two] = [1, 2].map(|user| server.arrive(user, Class::Job));
    let mut charges = [1, 2].map(|user| server.schedule.open_request(Some(user)));
    charges.iter_mut().for_each(|c| c.grow(50).unwrap());
    server.needs_room(one, 50);
    server.needs_room(two, 50);
    let read = |id, beyond| Order::Read { id, beyond };
    assert_eq!(server.orders(), [read(one, true)]);
    // It is complete and started.
    charges[0].set(0);
    server.update(one, true, true);
    assert_eq!(server.schedule.poll_timeout(server.now), Some(server.now));
    server.schedule.tick(server.now);
    assert_eq!(server.orders(), [read(two, false)]);
    server.needs_room(two, 50);
    assert_eq!(server.orders(), [read(two, true)]);
}
