//! The worlds of a server's schedule of the simulation, where the fuzzer is chance.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod bytes;
#[path = "../../tests/simulation/chance.rs"]
mod chance;
#[path = "../../tests/simulation/schedule/mod.rs"]
mod schedule;

fuzz_target!(|data: &[u8]| {
    schedule::live(bytes::Bytes::new(data), data.len());
});
