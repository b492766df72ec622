//! The rate of requests of each user.

use super::*;

/// A server in which each user may have one request, and then one in a second.
fn server() -> Server {
    Server::new(Capacity {
        rate: Rate::new(1.0, 1),
        ..LIMITS
    })
}

fn pass(server: &mut Server, time: Duration) {
    server.now += time;
    server.schedule.tick(server.now);
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_request_over_the_rate_is_parked_and_the_loop_wakes_for_it() {
    let mut server = server();
    let (first, second) = (server.ask(1), server.ask(1));
    assert_eq!(server.orders(), [Order::Launch(first)]);
    assert_eq!(server.schedule.wait(second), Wait::Token);
    assert_eq!(server.schedule.counts().throttled, 1);
    let due = server.schedule.poll_timeout(server.now).unwrap();
    assert_eq!(due, server.now + SECOND);
    pass(&mut server, SECOND - Duration::from_nanos(1));
    assert_eq!(server.orders(), []);
    pass(&mut server, Duration::from_nanos(1));
    assert_eq!(server.orders(), [Order::Launch(second)]);
    let counts = server.schedule.counts();
    assert_eq!(
        (counts.throttled, server.schedule.throttled_total()),
        (0, 1)
    );
    assert_eq!(server.schedule.poll_timeout(server.now), None);
}

#[test]
fn another_user_is_not_delayed() {
    let mut server = server();
    let [first, _parked, other] = [1, 1, 2].map(|user| server.ask(user));
    let expected = [first, other].map(Order::Launch);
    assert_eq!(server.orders(), expected);
}

#[test]
fn a_parked_request_that_is_given_up_takes_no_token() {
    for leaves in [true, false] {
        let mut server = server();
        let [first, second, third] = [1, 1, 1].map(|user| server.ask(user));
        server.orders();
        server.finish(first);
        match leaves {
            true => server.leave(second),
            false => server.schedule.withdraw(second),
        }
        pass(&mut server, SECOND);
        assert_eq!(server.orders(), [Order::Launch(third)]);
    }
}

#[test]
fn a_request_takes_its_token_when_its_connection_has_a_slot() {
    let mut server = server();
    // Two are the share of a user.
    let [first, second, third] = [1, 1, 1].map(|user| server.ask(user));
    server.orders();
    assert_eq!(server.schedule.wait(third), Wait::Slot);
    server.finish(first);
    server.orders();
    assert_eq!(server.schedule.wait(third), Wait::Token);
    pass(&mut server, SECOND);
    assert_eq!(server.orders(), [Order::Launch(second)]);
    pass(&mut server, SECOND);
    assert_eq!(server.orders(), [Order::Launch(third)]);
}

#[test]
fn other_rules_decide_about_a_parked_request_when_it_goes_on() {
    let mut server = server();
    let (_first, second) = (server.ask(1), server.ask(1));
    server.orders();
    server.schedule.set_rules(&[(RULE, Some(0))]);
    server.quota = Some(RULE);
    pass(&mut server, SECOND);
    assert_eq!(server.orders(), []);
    assert_eq!(server.schedule.wait(second), Wait::Turn);
}

#[test]
fn another_rate_applies_at_once_and_a_drain_serves_those_who_are_parked() {
    let mut server = server();
    let (_first, second) = (server.ask(1), server.ask(1));
    server.orders();
    server.schedule.drain(None, server.now);
    assert_eq!(server.orders(), [Order::PauseListeners]);
    server.schedule.configure(LIMITS, server.now);
    assert_eq!(server.orders(), [Order::Launch(second)]);
}

#[test]
fn a_control_connection_has_no_rate() {
    let mut server = server();
    server.ask(1);
    let control = server.arrive(1, Class::Control);
    server.orders();
    assert_eq!(server.schedule.wait(control), Wait::Nothing);
}
