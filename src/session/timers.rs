//! The moments at which a session wants to be woken. Reads no clock.

use std::time::{Duration, Instant};

/// How long the server waits for a program after SIGKILL before it stops waiting. Only a
/// program that is stuck in the kernel takes longer; its process is reaped when it ends.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The request has had its time to be complete.
    Request,
    /// The connection has lasted as long as it may.
    Deadline,
    /// The program has had its time after SIGTERM.
    Kill,
    /// The program did not even end after SIGKILL, or the client does not take the rest
    /// of its reply.
    GiveUp,
    /// The client has had its time to close after the reply.
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

/// One moment for each [`Timer`] that runs.
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

    /// The moment at which `timer` is due, if it runs.
    pub fn at(&self, timer: Timer) -> Option<Instant> {
        self.at[timer as usize]
    }

    /// The next moment at which something is due.
    pub fn next(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Takes one timer that is due at `now`, the earliest first.
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
