//! What follows from the bytes that a client has sent: a request, standard input, a command, or
//! that they are none of these.

use super::super::event::Ask;
use super::super::facts::Facts;
use super::super::job::Job;
use super::super::timers::Timer;
use super::super::verdict::Fault;
use super::orders::Orders;
use crate::program::Arguments;
use crate::wire::{Decoded, WireError};

/// Pieces of standard input that are joined before they are written. More would keep the
/// others waiting, and fewer would cost more system calls.
pub(super) const JOINED_MAX: usize = 1024;

/// Takes what can be taken from the inbox, with pieces of standard input joined.
pub(super) fn decode(facts: &mut Facts, orders: &mut Orders) {
    let mut pieces = 0;
    while facts.listens() && !facts.is_busy() && facts.malformed.is_none() && pieces < JOINED_MAX {
        match facts.codec.poll(facts.inbox.raw()) {
            Err(WireError::NoMemory) => facts.blame(Fault::NoMemory),
            Err(error) => facts.malformed = Some(error),
            Ok((used, found)) => {
                facts.inbox.skip(used);
                match found {
                    Decoded::More => break,
                    Decoded::Request(arguments) => begin(facts, arguments, orders),
                    Decoded::Stdin(n) => pieces += take_piece(facts, n),
                    Decoded::End => complete_stdin(facts),
                    Decoded::Message(message) => {
                        if let Some(commands) = &mut facts.commands {
                            commands.begin();
                        }
                        orders.ask(Ask::Command(message));
                    }
                }
            }
        }
    }
    if let Some(error) = facts.malformed.filter(|_| facts.inbox.ready().is_empty()) {
        facts.blame(Fault::Wire(error));
    }
    if !facts.listens() {
        facts.inbox.clear();
        facts.codec.forget();
    }
}

/// The request is complete.
fn begin(facts: &mut Facts, arguments: Arguments, orders: &mut Orders) {
    facts.job = Some(Job::new(&arguments));
    facts.timers.stop(Timer::Request);
    orders.ask(Ask::Program(arguments));
}

/// Takes a piece of standard input. Returns how many are to be written because of it:
/// none when nobody reads them.
#[inline]
fn take_piece(facts: &mut Facts, n: usize) -> usize {
    facts.codec.advance(n);
    if facts.job.as_ref().is_some_and(|job| job.stdin.is_open()) {
        facts.inbox.take(n);
        return 1;
    }
    facts.inbox.skip(n);
    0
}

/// What follows from it that the client sends no more.
pub(super) fn finish(facts: &mut Facts) {
    let known = facts
        .job
        .as_ref()
        .is_some_and(|job| job.stdin.is_complete());
    if !facts.client.has_ended() || known || !facts.listens() {
        return;
    }
    debug_assert!(facts.inbox.is_empty(), "read only into an empty inbox");
    match facts.codec.finish() {
        Ok(()) => complete_stdin(facts),
        Err(error) => facts.blame(Fault::Wire(error)),
    }
}

fn complete_stdin(facts: &mut Facts) {
    if let Some(job) = &mut facts.job {
        job.stdin.complete();
    }
}
