//! The consequences of time, and of a stop of the server.

use std::time::Instant;

use super::super::event::Action;
use super::super::facts::{Facts, Prompt};
use super::super::job::{Job, Stop};
use super::super::timers::GIVE_UP;
use super::super::timers::Timer;
use super::super::verdict::Fault;
use super::orders::Orders;

/// Draws the consequences of a prompt.
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
                    let limit = facts.timeout.unwrap_or_default();
                    facts.blame(Fault::RequestLate(limit));
                }
                // A process that holds an output has delayed the reply long enough.
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

/// Makes the program end: with SIGTERM. Without a program, none will be started.
fn stop(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    match facts.job {
        Some(_) => stop_job(facts, orders, now),
        None => facts.blame(Fault::Stopping),
    }
}

/// Makes the program end, if there is one: with SIGTERM.
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

/// Makes the program end, if there is one: with SIGKILL.
fn kill(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    if let Some(job) = &mut facts.job {
        if job.kill() {
            orders.act(Action::Kill);
        }
        job.outputs.release();
    }
    facts.timers.set(Timer::GiveUp, now + GIVE_UP);
}

/// Stops waiting for a program that does not end, or for a client that does not read.
fn give_up(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    if facts.job.as_mut().is_some_and(Job::give_up) {
        orders.act(Action::Abandon);
        // The client has the same time once more to read the rest of its reply.
        facts.timers.set(Timer::GiveUp, now + GIVE_UP);
    } else if !facts.outbox.is_shut() {
        facts.client.lose();
    }
}

/// The wait for the client of a control connection is over.
fn be_silent_too_long(facts: &mut Facts) {
    let waits = facts.outbox.is_sent() && facts.outbox.is_streaming();
    if waits && facts.codec.finish().is_err() {
        facts.blame(Fault::MessageLate(facts.settings.control_idle));
    } else {
        facts.client.lose();
    }
}

/// The server has no more time for commands; a command in progress is still answered.
fn dismiss(facts: &mut Facts) {
    if facts.is_busy() {
        facts.outbox.end();
    } else {
        facts.client.lose();
    }
}
