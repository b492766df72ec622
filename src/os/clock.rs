//! The local time of day, for people.

use std::fmt;
use std::mem::MaybeUninit;

/// A time of day, where this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    hour: i32,
    minute: i32,
    second: i32,
}

impl TimeOfDay {
    /// That of this number of seconds since 1970. `None`: there is no such year.
    pub fn at(seconds: f64) -> Option<Self> {
        // A cast to the nearest of its numbers.
        let time = seconds as libc::time_t;
        let mut local = MaybeUninit::<libc::tm>::uninit();
        // SAFETY: both are there for the time of the call, which fills in the second or returns null.
        let local = unsafe {
            if libc::localtime_r(&raw const time, local.as_mut_ptr()).is_null() {
                return None;
            }
            local.assume_init()
        };
        Some(Self {
            hour: local.tm_hour,
            minute: local.tm_min,
            second: local.tm_sec,
        })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_later_it_is_the_same_time() {
        let text = |seconds| TimeOfDay::at(seconds).map(|time| time.to_string());
        // No zone changes its clock then.
        let now = 1_705_000_000.5;
        assert_eq!(text(now), text(now + 86_400.0));
        let minute = text(now).unwrap().split_off("00:".len());
        // A zone is off by quarters of an hour.
        assert!(minute.ends_with(":40"), "{minute}");
        assert_eq!(TimeOfDay::at(f64::MAX), None);
    }
}
