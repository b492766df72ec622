//! Real programs under a real daemon: their start, their environment, their end, and all of
//! their bytes.

#[path = "../common/mod.rs"]
mod common;

mod ending;
mod errors;
mod flow;
mod hanging;
mod lookup;
mod neighbours;
mod surroundings;
