//! The worlds of the simulation, of all protocols, where the fuzzer is chance.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/simulation/world/mod.rs"]
mod world;

use world::Chance;

/// The fuzzer's bytes, then a sequence that goes on for ever.
struct Bytes<'a> {
    data: &'a [u8],
    after: usize,
}

impl Chance for Bytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let mut number = 0;
        let wanted = if bound > 256 { 3 } else { 1 };
        for _ in 0..wanted {
            let byte = match self.data.split_first() {
                Some((&byte, rest)) => {
                    self.data = rest;
                    usize::from(byte)
                }
                None => {
                    self.after = self
                        .after
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (self.after >> 33) & 0xff
                }
            };
            number = number << 8 | byte;
        }
        number % bound
    }
}

fuzz_target!(|data: &[u8]| {
    world::live(Bytes { data, after: 1 }, data.len());
});
