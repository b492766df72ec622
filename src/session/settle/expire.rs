//! What follows from the time that has passed, and from it that the server stops.

use std::time::Instant;

use super::super::event::Action;
use super::super::facts::{Facts, Prompt};
use super::super::job::{Job, Stop};
use super::super::timers::GIVE_UP;
use super::super::timers::Timer;
use super::super::verdict::Fault;
use super::orders::Orders;

/// Draws the consequences of what has happened that changes nothing by itself.
pub(super) fn take_prompt(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    match facts.prompt.take() {
        None => {}
        Some(Prompt::Time) => {
            while let Some(timer) = facts.timers.take_due(now) {
                expire(timer, facts, orders, now);
            }
        }
        Some(Prompt::Stop | Prompt::StopNow) if facts.commands.is_some() => dismiss(facts),
        Some(Prompt::Stop) => {
            stop(facts, orders, now);
            facts
                .timers
                .set(Timer::Kill, now + facts.settings.kill_timeout);
        }
        Some(Prompt::StopNow) => {
            stop(facts, orders, now);
            facts.timers.stop(Timer::Kill);
            kill(facts, orders, now);
            if facts.outbox.is_shut() {
                facts.client.lose();
            }
        }
    }
}

fn expire(timer: Timer, facts: &mut Facts, orders: &mut Orders, now: Instant) {
    match timer {
        Timer::Deadline if facts.commands.is_some() => be_silent_too_long(facts),
        Timer::Deadline => {
            facts.late = true;
            match &mut facts.job {
                None => {
                    let limit = facts.settings.timeout.unwrap_or_default();
                    facts.blame(Fault::RequestLate(limit));
                }
                // What holds an output has held the reply long enough.
                Some(job) if job.is_zombie() => job.outputs.release(),
                Some(_) => {}
            }
            facts
                .timers
                .set(Timer::Kill, now + facts.settings.kill_timeout);
        }
        Timer::Request => {
            if facts.job.is_none() {
                facts.late = true;
                facts.blame(Fault::RequestTimeout(facts.settings.request_timeout));
                facts
                    .timers
                    .set(Timer::Kill, now + facts.settings.kill_timeout);
            }
        }
        Timer::Kill => kill(facts, orders, now),
        Timer::GiveUp => give_up(facts, orders, now),
        Timer::Linger => facts.client.lose(),
    }
}

/// Makes what runs end: politely. Without a program there will be none.
fn stop(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    match facts.job {
        Some(_) => stop_job(facts, orders, now),
        None => facts.blame(Fault::Stopping),
    }
}

/// Makes the program end, if there is one: politely.
pub(super) fn stop_job(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    match facts.job.as_mut().and_then(Job::stop) {
        None => return,
        Some(Stop::Withdraw) => orders.withdraw(),
        Some(Stop::Terminate) => orders.act(Action::Terminate),
    }
    facts.timers.stop(Timer::Deadline);
    facts
        .timers
        .set(Timer::Kill, now + facts.settings.kill_timeout);
}

/// Makes the program end, if there is one: at once.
fn kill(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    if let Some(job) = &mut facts.job {
        if job.kill() {
            orders.act(Action::Kill);
        }
        job.outputs.release();
    }
    facts.timers.set(Timer::GiveUp, now + GIVE_UP);
}

/// Waits no longer, for the program that does not end or for the client that takes nothing.
fn give_up(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    if facts.job.as_mut().is_some_and(Job::give_up) {
        orders.act(Action::Abandon);
        // Once more the same time for the client to take the rest of its reply.
        facts.timers.set(Timer::GiveUp, now + GIVE_UP);
    } else if !facts.outbox.is_shut() {
        facts.client.lose();
    }
}

/// The client of a control connection has been waited for long enough.
fn be_silent_too_long(facts: &mut Facts) {
    let waits = facts.outbox.is_sent() && facts.outbox.is_streaming();
    if waits && facts.codec.finish().is_err() {
        facts.blame(Fault::MessageLate(facts.settings.control_idle));
    } else {
        facts.client.lose();
    }
}

/// The server has no more time for commands; one that it is at is still answered.
fn dismiss(facts: &mut Facts) {
    if facts.is_busy() {
        facts.outbox.end();
    } else {
        facts.client.lose();
    }
}
