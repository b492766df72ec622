//! Seeded simulations: many small worlds, each with its own seed. One kind has a session of each
//! protocol, the other the schedule of a server.
//!
//! `SOCKEXEC_SIM_SEED=N` repeats one of them; `SOCKEXEC_SIM_WORLDS=N` sets their number.

mod chance;
mod schedule;
mod world;

use std::panic;

use chance::Chance;

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

/// Lives `worlds` of them, or what the environment asks for, each of one of three lengths.
fn live_all(test: &str, worlds: u64, steps: [usize; 3], live: fn(Seeded, usize)) {
    let one = |seed| {
        let mut chance = Seeded(seed);
        let steps = steps[chance.below(3)];
        live(chance, steps);
    };
    if let Some(seed) = number("SOCKEXEC_SIM_SEED") {
        return one(seed);
    }
    for seed in 0..number("SOCKEXEC_SIM_WORLDS").unwrap_or(worlds) {
        if let Err(panic) = panic::catch_unwind(|| one(seed)) {
            eprintln!(
                "to live this again: SOCKEXEC_SIM_SEED={seed} cargo test --test simulation {test}"
            );
            panic::resume_unwind(panic);
        }
    }
}

#[test]
fn worlds_come_to_an_end_and_lose_nothing() {
    live_all("worlds", 6000, [50, 500, 3000], world::live);
}

#[test]
fn schedules_let_nothing_wait_that_could_go_on() {
    live_all("schedules", 2000, [20, 200, 1000], schedule::live);
}
