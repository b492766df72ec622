//! The consequences: after every fact, the actions that follow from all facts together.
//!
//! This is the only place that decides about actions: only code here can add to the [`Orders`].
//!
//! | file | content |
//! |---|---|
//! | `mod` | the order of the steps; the reply, the process and the client |
//! | `decode` | the client's input |
//! | `expire` | due timers |
//! | `orders` | the actions and requests |

mod decode;
mod expire;
mod orders;

use std::time::Instant;

pub(super) use self::orders::Orders;
use super::event::Action;
use super::facts::Facts;
use super::job::{Job, Reaping};
use super::timers::Timer;
use crate::program::Stream;
use crate::wire::{Ending, ReplyPart};

/// Draws all consequences.
pub(super) fn settle(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    expire::take_prompt(facts, orders, now);
    close_stdin(facts, orders, Job::close_refused_stdin);
    decode::finish(facts);
    decode::decode(facts, orders);
    let is_unwanted = facts.client.is_gone() || facts.late;
    if is_unwanted || facts.job.as_ref().is_some_and(Job::is_faulty) {
        expire::stop_job(facts, orders, now);
    }
    if facts.inbox.ready().is_empty() {
        close_stdin(facts, orders, Job::close_stdin);
    }
    if !facts.discards() {
        spool(facts, orders);
        conclude(facts);
    }
    reap(facts, orders);
    if !facts.client.is_gone() {
        converse(facts, now);
        end_reply(facts, orders, now);
    }
    close_client(facts, orders);
    if !facts.is_active() {
        for timer in [Timer::Request, Timer::Deadline, Timer::Kill, Timer::GiveUp] {
            facts.timers.stop(timer);
        }
    }
}

/// Closes standard input, if `closes`.
fn close_stdin(facts: &mut Facts, orders: &mut Orders, closes: fn(&mut Job) -> bool) {
    if facts.job.as_mut().is_some_and(closes) {
        facts.inbox.drop_ready();
        orders.act(Action::CloseStdin);
    }
}

/// Asks for a file for output of which too much is in memory.
fn spool(facts: &mut Facts, orders: &mut Orders) {
    let Some(job) = &mut facts.job else { return };
    for stream in Stream::BOTH {
        if job.outputs.spool(stream, facts.settings.output_memory) {
            orders.act(Action::Spool(stream));
        }
    }
}

/// Ends the reply, if there is nothing more to wait for.
fn conclude(facts: &mut Facts) {
    let Some(exit) = facts.verdict() else { return };
    let fault = facts.fault().map(ToString::to_string);
    let job = facts.job.as_mut();
    let mut kept = job.map(|job| job.outputs.take_kept()).unwrap_or_default();
    let ending = Ending {
        exit,
        fault: fault.as_deref(),
        program: facts.job.as_ref().map(Job::name),
        kept: kept.each_ref().map(|kept| kept.len()),
        termsig: facts.settings.termsig,
    };
    let outbox = &mut facts.outbox;
    facts.codec.end(&ending, |part| match part {
        ReplyPart::Bytes(bytes) => outbox.put(bytes),
        ReplyPart::Kept(stream) => {
            outbox.put_kept(stream, std::mem::take(&mut kept[stream as usize]));
        }
    });
    outbox.end();
}

/// Reaps a program that has ended, as soon as its number is not needed any more.
fn reap(facts: &mut Facts, orders: &mut Orders) {
    let is_over = facts.discards();
    let Some(job) = &mut facts.job else { return };
    if let Some(Reaping { kill }) = job.reap(is_over) {
        if kill {
            orders.act(Action::Kill);
        }
        orders.act(Action::Reap);
    }
}

/// Bounds every wait for the client of a control connection, and ends the connection when no
/// further command can come.
fn converse(facts: &mut Facts, now: Instant) {
    let Some(commands) = &facts.commands else {
        return;
    };
    if commands.is_in_hand() {
        // This does not wait for the client.
        facts.timers.stop(Timer::Deadline);
        return;
    }
    if facts.outbox.is_streaming() && facts.outbox.is_sent() && facts.client.has_ended() {
        facts.outbox.end();
    }
    if facts.timers.at(Timer::Deadline).is_none() {
        let idle = facts.settings.control_idle;
        facts.timers.set(Timer::Deadline, now + idle);
    }
}

/// Shuts down the writing side, once the whole reply is sent.
fn end_reply(facts: &mut Facts, orders: &mut Orders, now: Instant) {
    let is_whole = facts.outbox.has_ended() && facts.outbox.is_sent() && !facts.is_busy();
    if is_whole {
        facts.outbox.shut();
        orders.act(Action::ShutdownReply);
        facts.timers.set(Timer::Linger, now + facts.settings.linger);
    }
    if facts.outbox.is_shut() && facts.client.has_ended() {
        facts.client.lose();
    }
}

/// Closes the socket of a client that has gone or must go, and drops the rest of its reply.
fn close_client(facts: &mut Facts, orders: &mut Orders) {
    if facts.client.close(facts.outbox.is_shut()) {
        facts.outbox.clear();
        if let Some(job) = &mut facts.job {
            job.outputs.take_kept();
        }
        facts.timers.stop(Timer::Linger);
        orders.act(Action::CloseClient);
    }
}

#[cfg(test)]
mod tests {
    use super::decode::JOINED_MAX;
    use super::*;
    use crate::session::{Ask, Input, Piece, Session};
    use crate::settings::Settings;
    use crate::wire::Protocol;

    fn begin(request: &[u8], now: Instant) -> Session {
        let mut session = Session::new(Protocol::Exec, Settings::default(), now);
        session.inbox()[..request.len()].copy_from_slice(request);
        session.handle(Input::ClientSent(request.len()), now);
        session.handle(Input::Launched, now);
        session.handle(Input::Started, now);
        session
    }

    /// Writes all of standard input. Returns it, and the number of writes.
    fn write_all(session: &mut Session, now: Instant) -> (Vec<u8>, usize) {
        let (mut written, mut writes) = (Vec::new(), 0);
        while session.interest().stdin_write {
            let bytes = session.stdin().to_vec();
            session.handle(Input::StdinTaken(bytes.len()), now);
            written.extend_from_slice(&bytes);
            writes += 1;
        }
        (written, writes)
    }

    #[test]
    fn a_program_that_has_no_process_yet_is_withdrawn_and_the_reply_made_at_once() {
        let now = Instant::now();
        for asked in [true, false] {
            let mut session = Session::new(Protocol::Exec, Settings::default(), now);
            let request = b"1:1,3:cat,";
            session.inbox()[..request.len()].copy_from_slice(request);
            session.handle(Input::ClientSent(request.len()), now);
            if asked {
                assert!(matches!(session.poll_ask(), Some(Ask::Program(_))));
            }
            session.handle(Input::Stop, now);
            // A request that was not passed on needs no withdrawal.
            assert_eq!(session.poll_ask(), asked.then_some(Ask::Withdraw));
            assert_eq!(session.poll_action(), Some(Action::CloseStdin));
            assert_eq!(session.poll_action(), None);
            let Piece::Bytes(reply) = session.reply() else {
                panic!("no reply");
            };
            assert!(reply.ends_with(b",8:exitcode,3:111,"));
            assert!(!session.is_done());
        }
    }

    #[test]
    fn pieces_of_one_byte_do_not_cost_a_write_each() {
        let now = Instant::now();
        let pieces = 10_000;
        let request = format!("1:1,3:cat,{}", "1:x,".repeat(pieces));
        let mut session = begin(request.as_bytes(), now);
        let (written, writes) = write_all(&mut session, now);
        assert_eq!(written, "x".repeat(pieces).as_bytes());
        assert!(writes <= pieces.div_ceil(JOINED_MAX), "{writes}");
    }

    #[test]
    fn what_comes_before_a_malformed_piece_is_written() {
        let now = Instant::now();
        for (malformed, reason) in [("x", "'x' in the length"), ("1:ab", "'b' where")] {
            let request = format!("1:1,3:cat,2:he,3:llo,{malformed}");
            let mut session = begin(request.as_bytes(), now);
            assert_eq!(session.summary(now).fault, None);
            let (written, writes) = write_all(&mut session, now);
            assert!(written.starts_with(b"hello"), "{written:?}");
            assert_eq!(writes, 1);
            let fault = session.summary(now).fault.unwrap().to_string();
            assert!(fault.contains(reason), "{fault}");
        }
    }
}
