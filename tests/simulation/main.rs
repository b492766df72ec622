//! Seeded lives of a session of each protocol: many small worlds, each by its own number.
//!
//! `SOCKEXEC_SIM_SEED=N` lives one of them again; `SOCKEXEC_SIM_WORLDS=N` says how many.

mod world;

use std::panic;

use world::Chance;

/// Numbers that look random, the same ones for the same seed (SplitMix64).
struct Seeded(u64);

impl Chance for Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

fn live(seed: u64) {
    let mut chance = Seeded(seed);
    let steps = [50, 500, 3000][chance.below(3)];
    world::live(chance, steps);
}

#[test]
fn worlds_come_to_an_end_and_lose_nothing() {
    if let Some(seed) = number("SOCKEXEC_SIM_SEED") {
        live(seed);
        return;
    }
    for seed in 0..number("SOCKEXEC_SIM_WORLDS").unwrap_or(6000) {
        if let Err(panic) = panic::catch_unwind(|| live(seed)) {
            eprintln!("to live this again: SOCKEXEC_SIM_SEED={seed} cargo test --test simulation");
            panic::resume_unwind(panic);
        }
    }
}
