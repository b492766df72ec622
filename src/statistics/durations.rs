//! Durations: percentiles of the last minutes, and counts since the start.

use std::time::{Duration, Instant};

/// Buckets of one octave; a percentile is exact to an eighth.
const FINE: usize = 8;

/// Octaves, from one microsecond to more than a day.
const OCTAVES: usize = 38;

/// One slice of the window of the percentiles.
const SLICE: Duration = Duration::from_secs(60);

/// The number of slices, with the current one.
const SLICES: usize = 6;

/// Upper bounds of the buckets since the start, in seconds.
pub const BUCKETS: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 600.0,
];

#[derive(Clone, Debug)]
struct Slice {
    counts: Vec<u32>,
    longest: Duration,
}

impl Slice {
    fn new() -> Self {
        Self {
            counts: vec![0; FINE * OCTAVES],
            longest: Duration::ZERO,
        }
    }
}

/// A distribution of durations.
#[derive(Clone, Debug)]
pub struct Durations {
    started: Instant,
    /// The index of the newest slice, counted from the start.
    newest: u64,
    slices: Vec<Slice>,
    /// Since the start: at most as long as each of [`BUCKETS`].
    pub within: [u64; BUCKETS.len()],
    /// Since the start: their number.
    pub count: u64,
    /// Since the start: their sum.
    pub sum: Duration,
}

/// A summary of the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// The length of the window.
    pub window: Duration,
    /// The number of durations in it.
    pub count: u64,
    /// The percentiles 50, 90 and 99, and the longest.
    pub percentiles: Option<[Duration; 4]>,
}

impl Durations {
    /// None yet, at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            newest: 0,
            slices: vec![Slice::new(); SLICES],
            within: [0; BUCKETS.len()],
            count: 0,
            sum: Duration::ZERO,
        }
    }

    /// Counts a `duration` that ends at `now`.
    pub fn count(&mut self, duration: Duration, now: Instant) {
        self.advance(now);
        let slice = &mut self.slices[(self.newest % SLICES as u64) as usize];
        slice.counts[bucket(duration)] += 1;
        slice.longest = slice.longest.max(duration);
        self.count += 1;
        self.sum += duration;
        for (within, bound) in self.within.iter_mut().zip(BUCKETS) {
            *within += u64::from(duration.as_secs_f64() <= bound);
        }
    }

    /// A summary of the last five to six minutes.
    pub fn lately(&mut self, now: Instant) -> Lately {
        self.advance(now);
        let age = now.saturating_duration_since(self.started);
        let begun = Duration::from_secs(self.newest.saturating_sub(SLICES as u64 - 1) * 60);
        let mut counts = vec![0u64; FINE * OCTAVES];
        for slice in &self.slices {
            for (all, one) in counts.iter_mut().zip(&slice.counts) {
                *all += u64::from(*one);
            }
        }
        let count = counts.iter().sum();
        let longest = self.slices.iter().map(|s| s.longest).max();
        let percentiles = longest.filter(|_| count > 0).map(|longest| {
            let at = |percent| percentile(&counts, count, percent).min(longest);
            [at(50), at(90), at(99), longest]
        });
        Lately {
            window: age.saturating_sub(begun),
            count,
            percentiles,
        }
    }

    /// Empties the slices whose time has passed.
    fn advance(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.started);
        let newest = age.as_secs() / SLICE.as_secs();
        let passed = newest.saturating_sub(self.newest).min(SLICES as u64);
        self.newest = self.newest.max(newest);
        for back in 0..passed {
            self.slices[((newest - back) % SLICES as u64) as usize] = Slice::new();
        }
    }
}

/// The bucket of a duration: its octave, and its eighth in that.
fn bucket(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .max(1);
    let octave = micros.ilog2() as usize;
    let eighth = match octave {
        0..3 => (micros << (3 - octave)) as usize,
        _ => (micros >> (octave - 3)) as usize,
    } - FINE;
    (octave * FINE + eighth).min(FINE * OCTAVES - 1)
}

/// The longest that belongs to a bucket, in microseconds.
fn upper(bucket: usize) -> Duration {
    let (octave, eighth) = (bucket / FINE, (bucket % FINE) as u64);
    Duration::from_micros(((FINE as u64 + eighth + 1) << octave) / FINE as u64)
}

fn percentile(counts: &[u64], count: u64, percent: u64) -> Duration {
    let wanted = (count * percent).div_ceil(100);
    let mut seen = 0;
    for (bucket, n) in counts.iter().enumerate() {
        seen += n;
        if seen >= wanted {
            return upper(bucket);
        }
    }
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_hold_what_belongs_to_them() {
        let mut last = 0;
        for micros in (1..5000).chain((1..60).map(|n| n * 1_000_000_007)) {
            let duration = Duration::from_micros(micros);
            let found = bucket(duration);
            assert!(found >= last && duration <= upper(found), "{duration:?}");
            last = found;
        }
    }

    #[test]
    fn percentiles_are_those_of_the_last_minutes() {
        let start = Instant::now();
        let mut durations = Durations::new(start);
        assert_eq!(durations.lately(start).percentiles, None);
        for millis in 1..=100 {
            durations.count(Duration::from_millis(millis), start);
        }
        let lately = durations.lately(start + Duration::from_secs(200));
        assert_eq!((lately.count, lately.window.as_secs()), (100, 200));
        let percentiles = lately.percentiles.expect("there are some");
        for (found, exact) in percentiles.iter().zip([50.0, 90.0, 99.0, 100.0]) {
            let ratio = found.as_secs_f64() * 1000.0 / exact;
            assert!((1.0..1.13).contains(&ratio), "{percentiles:?}");
        }
        let later = start + Duration::from_secs(400);
        durations.count(Duration::from_secs(3), later);
        let lately = durations.lately(later);
        assert_eq!(lately.count, 1);
        assert_eq!(lately.percentiles, Some([Duration::from_secs(3); 4]));
        assert_eq!((durations.count, durations.within[5]), (101, 50));
        assert_eq!(durations.lately(later + Duration::from_secs(3600)).count, 0);
    }
}
