//! The state machine of one connection, between a client and its program.
//!
//! A session takes one fact at a time ([`Session::handle`]): it stores the fact, and `settle` draws
//! all consequences; only `settle` can add actions. The caller then takes actions until there are
//! none ([`Session::poll_action`]), passes on requests to the server ([`Session::poll_ask`]), arms
//! the descriptors in [`Session::interest`], and calls again at [`Session::poll_timeout`] with
//! [`Input::Time`]. Spurious calls do nothing. A session makes no system call, reads no clock and
//! never logs.
//!
//! # States
//!
//! There are three facets, each with its own states; the consequences depend on all of them.
//!
//! | client | means |
//! |---|---|
//! | `Open` | may send and receive |
//! | `Ended` | has shut down its writing side |
//! | `Gone` | has hung up, or was closed by us |
//!
//! | program | means | leaves by |
//! |---|---|---|
//! | none | the request is not complete: there is no job | a request |
//! | `Waiting` | was asked for, and has no process yet | `Launched`, `SpawnFailed`, `Ask::Withdraw` |
//! | `Launched` | has a process, whose exec is yet to come or has failed | `Started`, `Exited`, `Action::Abandon` |
//! | `Running` | runs | `Exited`, `Action::Abandon` |
//! | `Exited` | is a zombie that pins its process group's number | `Action::Reap` |
//! | `Gone` | has been reaped or given up, or never was | |
//!
//! | reply | means | leaves by |
//! |---|---|---|
//! | `Streaming` | output is sent or kept as it comes; commands are answered | the verdict; the last answer |
//! | `Ended` | the reply is complete | all of it sent |
//! | `Shut` | our writing side is shut down, the client may still send | its end, or the linger timer |
//!
//! [`Codec`](crate::wire::Codec) has the differences between protocols: the form of a request, and
//! whether output is sent at once or kept. A control connection has no job, but commands, one after
//! another.
//!
//! A program that must end (`stopping`) gets SIGTERM for its group, and SIGKILL after the
//! kill timeout. Its leader is reaped last: before that, the rest of the group gets SIGKILL, so
//! that a number is never signalled after it may belong to another process.
//!
//! # Files
//!
//! | file | content |
//! |---|---|
//! | `mod` | a fact in, its consequences out |
//! | `event` | inputs and outputs |
//! | `flow`, `summary` | possible moves of bytes; the report |
//! | `settle` | the consequences of the facts, and the actions |
//! | `facts` | all facts |
//! | `client`, `job`, `commands` | one side each: the client; the program it asks for, or its commands |
//! | `inbox`, `outbox`, `outgoing` | bytes in transit |
//! | `stdin`, `output`, `tail` | those of a job |
//! | `timers`, `verdict` | moments, faults |
//! | `excerpt`, `quoting` | the arguments for a record, and their text |
//!
//! Each object owns its fields, and calls go down this list only.

mod client;
mod commands;
mod event;
mod excerpt;
mod facts;
mod flow;
mod inbox;
mod job;
mod outbox;
mod outgoing;
mod output;
mod quoting;
mod settle;
mod stdin;
mod summary;
mod tail;
pub mod timers;
pub mod verdict;

use std::rc::Rc;
use std::time::Instant;

pub use self::event::{Action, Ask, Input, JobState, ProcessLeft, Trouble};
pub use self::excerpt::{Excerpt, escaped, in_one, in_pieces};
use self::facts::Facts;
pub use self::flow::Interest;
pub use self::outgoing::Piece;
pub use self::quoting::Quoted;
use self::settle::{Orders, settle};
pub use self::summary::{Summary, Traffic};
pub use self::tail::TAIL_MAX;
use crate::settings::Settings;
use crate::wire::Protocol;

/// One client and its program.
#[derive(Debug)]
pub struct Session {
    facts: Facts,
    orders: Orders,
}

impl Session {
    /// A session for a connection that was accepted at `now`.
    pub fn new(protocol: Protocol, settings: impl Into<Rc<Settings>>, now: Instant) -> Self {
        Self {
            facts: Facts::new(protocol, settings.into(), now),
            orders: Orders::default(),
        }
    }

    /// Stores a fact and draws the consequences.
    ///
    /// # Panics
    ///
    /// When the fact is impossible, such as more bytes than there was room for.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.facts.store(input, now);
        settle(&mut self.facts, &mut self.orders, now);
        if cfg!(debug_assertions) {
            self.facts.check();
            self.orders.check();
        }
    }

    /// The next action.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.orders.poll_action()
    }

    /// The next request to the server.
    pub fn poll_ask(&mut self) -> Option<Ask> {
        self.orders.poll_ask()
    }

    /// When [`Input::Time`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.facts.timers.next()
    }
}
