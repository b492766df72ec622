//! Small worlds around one schedule: connections of a few users, rules, settings and a clock,
//! which do what chance, or a fuzzer, says, and a server that carries out orders as the real
//! one does. A world keeps an account of its own, by lists, of where each connection is. It
//! checks each order against that, and whenever there are no more orders, that nothing waits
//! which could go on. Used by the simulation and by a fuzz target.
//!
//! | file | what it knows |
//! |---|---|
//! | `client` | a connection, and how far its request has come |
//! | `world` | the lists, and what they say should be |
//! | `events` | what is reported to the schedule, and written down |
//! | `orders` | each order: whether it is right, and how it is carried out |
//! | `moves` | what chance does |
//! | `checks` | what must hold when there are no more orders |
//! | `finale` | how a world comes to its end |

mod checks;
mod client;
mod events;
mod finale;
mod moves;
mod orders;
mod world;

use crate::chance::Chance;

/// Lets `steps` things happen, then lets everything come to its end.
pub fn live(chance: impl Chance, steps: usize) {
    let mut world = world::World::new(chance);
    for _ in 0..steps {
        if world.is_over() {
            break;
        }
        world.step();
    }
    world.finish();
}
