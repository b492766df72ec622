//! Small worlds around one session, in which clients, programs, the server and a clock make
//! random moves, or those of a fuzzer. After each step a world checks the invariants, and at its
//! end that everything has ended. Used by the simulation and by a fuzz target.
//!
//! | file | content |
//! |---|---|
//! | `jobs` | a client whose request becomes a program, and the server: exec and sockproc |
//! | `moves` | the moves of clients, programs and time |
//! | `acts` | the server's part |
//! | `program` | that program and its pipes |
//! | `request` | the requests of such a client |
//! | `outcome` | the expected reply |
//! | `commands` | a client of the control socket, and the server that answers |
//! | `messages` | the messages of that client, and the answer that reports a failure |

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

/// Makes `steps` random moves in a world of any protocol, then lets all parties finish, and
/// checks the outcome.
pub fn live(mut chance: impl Chance, steps: usize) {
    let protocol = Protocol::ALL[chance.below(Protocol::ALL.len())];
    match protocol.purpose() {
        Purpose::Program => jobs::World::new(chance, protocol).live(steps),
        Purpose::Commands => commands::World::new(chance).live(steps),
    }
}
