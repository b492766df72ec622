//! Handles the bytes from a client: a request, standard input, a command, or a fault.

use super::super::event::Ask;
use super::super::facts::Facts;
use super::super::job::Job;
use super::super::timers::Timer;
use super::super::verdict::Fault;
use super::orders::Orders;
use crate::program::Arguments;
use crate::wire::{Decoded, WireError};

/// The number of pieces of standard input that are joined before they are written. More would
/// delay other connections, and fewer would cost more system calls.
pub(super) const JOINED_MAX: usize = 1024;

/// Decodes the inbox as far as possible, and joins pieces of standard input.
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
    facts.job = Some(Job::new(&arguments, facts.settings.log_arguments));
    facts.timers.stop(Timer::Request);
    orders.ask(Ask::Program(arguments));
}

/// Takes a piece of standard input. Returns the number of pieces to write because of it: none
/// if the program does not read them.
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

/// Handles the end of the client's input.
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
