//! The worlds of sessions of the simulation, of all protocols, where the fuzzer is chance.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod bytes;
#[path = "../../tests/simulation/chance.rs"]
mod chance;
#[path = "../../tests/simulation/world/mod.rs"]
mod world;

fuzz_target!(|data: &[u8]| {
    world::live(bytes::Bytes::new(data), data.len());
});
