//! Small worlds around one schedule: connections of a few users, rules, settings and a clock,
//! which make random moves, or those of a fuzzer, and a server that carries out orders as the
//! real one does. A world keeps lists of its own of the state of each connection. It checks each
//! order against them, and whenever there are no more orders, that no request waits that could
//! run. Used by the simulation and by a fuzz target.
//!
//! | file | content |
//! |---|---|
//! | `client` | a connection, and the state of its request |
//! | `world` | the lists, and the expectations from them |
//! | `events` | events, reported and recorded |
//! | `rates` | a model of the rate of each user's requests |
//! | `orders` | each order: its check, and its execution |
//! | `moves` | the random moves |
//! | `checks` | the invariants |
//! | `finale` | the end of a world |

mod checks;
mod client;
mod events;
mod finale;
mod moves;
mod orders;
mod rates;
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
