//! The timers of a session. Reads no clock.

use std::time::{Duration, Instant};

/// How long the server waits for a program after SIGKILL before it stops waiting. Only a
/// program that is stuck in the kernel takes longer; its process is reaped when it ends.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// A timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The request timeout.
    Request,
    /// The deadline of the connection.
    Deadline,
    /// The kill timeout after SIGTERM.
    Kill,
    /// The time after SIGKILL, or the time for the client to read the rest of its reply.
    GiveUp,
    /// The time for the client to close after the reply.
    Linger,
}

impl Timer {
    const ALL: [Self; 5] = [
        Self::Request,
        Self::Deadline,
        Self::Kill,
        Self::GiveUp,
        Self::Linger,
    ];
}

/// The deadline of each running [`Timer`].
#[derive(Clone, Debug, Default)]
pub struct Timers {
    at: [Option<Instant>; Timer::ALL.len()],
}

impl Timers {
    /// Starts `timer`, or moves it.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.at[timer as usize] = Some(at);
    }

    /// Stops `timer`.
    pub fn stop(&mut self, timer: Timer) {
        self.at[timer as usize] = None;
    }

    /// The deadline of `timer`, if it runs.
    pub fn at(&self, timer: Timer) -> Option<Instant> {
        self.at[timer as usize]
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Takes one due timer at `now`, the earliest first.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL
            .into_iter()
            .filter_map(|timer| Some((self.at[timer as usize]?, timer)))
            .filter(|&(at, _)| at <= now)
            .min_by_key(|&(at, _)| at)?
            .1;
        self.stop(due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn due_timers_come_in_their_order_and_once() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::GiveUp, at(3));
        timers.set(Timer::Deadline, at(2));
        timers.set(Timer::Kill, at(9));
        timers.set(Timer::Kill, at(1));
        timers.set(Timer::Linger, at(2));
        timers.stop(Timer::Linger);
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.take_due(start), None);
        assert_eq!(timers.take_due(at(2)), Some(Timer::Kill));
        assert_eq!(timers.take_due(at(2)), Some(Timer::Deadline));
        assert_eq!(timers.take_due(at(2)), None);
        assert_eq!(timers.next(), Some(at(3)));
    }
}
