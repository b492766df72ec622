//! Small worlds around one session, in which clients, programs, the server and a clock do
//! what chance, or a fuzzer, says. After each step a world checks what must always hold,
//! and at its end that everything came to one. Used by the simulation and by a fuzz target.
//!
//! | file | what it knows |
//! |---|---|
//! | `jobs` | a client whose request becomes a program, and the server: exec and sockproc |
//! | `moves` | what clients, programs and time do there |
//! | `acts` | what the server does there |
//! | `program` | that program and its pipes |
//! | `request` | what such a client sends |
//! | `outcome` | what it must have got in the end |
//! | `commands` | a client of the control socket, and the server that answers |
//! | `messages` | what that client sends, and the answer that tells of a failure |

mod acts;
mod commands;
mod jobs;
mod messages;
mod moves;
mod outcome;
mod program;
mod request;

use sockexec::wire::{Protocol, Purpose};

use crate::chance::Chance;

/// Lets `steps` things happen in a world of any protocol, then lets everybody finish, and
/// checks the outcome.
pub fn live(mut chance: impl Chance, steps: usize) {
    let protocol = Protocol::ALL[chance.below(Protocol::ALL.len())];
    match protocol.purpose() {
        Purpose::Program => jobs::World::new(chance, protocol).live(steps),
        Purpose::Commands => commands::World::new(chance).live(steps),
    }
}
