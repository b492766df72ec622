//! How many cgroups have been in use at once lately.

use std::time::{Duration, Instant};

/// What "lately" means: the part of this time that runs, and the one before.
const LATELY: Duration = Duration::from_secs(60);

/// The most in use at once, lately.
#[derive(Debug, Default)]
pub(super) struct Peak {
    /// In the time that runs, and in the one before.
    most: [usize; 2],
    until: Option<Instant>,
}

impl Peak {
    /// This number is in use now.
    pub(super) fn note(&mut self, count: usize, now: Instant) {
        if self.until.is_none_or(|until| until <= now) {
            self.most = [0, self.most[0]];
            self.until = Some(now + LATELY);
        }
        self.most[0] = self.most[0].max(count);
    }

    /// The most.
    pub(super) fn most(&self) -> usize {
        self.most[0].max(self.most[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_the_time_that_runs_and_of_the_one_before() {
        let (mut peak, start) = (Peak::default(), Instant::now());
        peak.note(9, start);
        peak.note(3, start + LATELY / 2);
        assert_eq!(peak.most(), 9);
        peak.note(4, start + LATELY);
        assert_eq!(peak.most(), 9);
        peak.note(2, start + 2 * LATELY);
        assert_eq!(peak.most(), 4);
    }
}
