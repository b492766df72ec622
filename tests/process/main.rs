//! Real programs under a real daemon: how they start, what they see, how they end, and
//! that nothing on their way is lost.

#[path = "../common/mod.rs"]
mod common;

mod ending;
mod errors;
mod flow;
mod hanging;
mod lookup;
mod neighbours;
mod surroundings;
