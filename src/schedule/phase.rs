//! How the life of a server goes: it serves, lets what runs come to its end, makes it end,
//! and is over.
//!
//! | phase | new connections | running programs | leaves by |
//! |---|---|---|---|
//! | `Serving` | accepted | run | a drain, a stop, the idle exit |
//! | `Finishing` | only for control | run on for the time of grace, if there is one | the last of them, the time |
//! | `Ending` | none | must end | the last connection, the time |
//! | `Over` | none | | |

use std::time::{Duration, Instant};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Clients are served.
    Serving,
    /// No connection for a program is accepted any more.
    Finishing {
        /// What runs may go on until then; `None`: as long as its own limits let it.
        until: Option<Instant>,
    },
    /// All running programs must end.
    Ending {
        /// After this moment nothing is waited for any more.
        until: Instant,
    },
    /// The server is to end.
    Over,
}

impl Phase {
    /// The moment at which it ends by itself, if there is one.
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Finishing { until } => until,
            Self::Ending { until } => Some(until),
            Self::Serving | Self::Over => None,
        }
    }
}

/// How long the server has been without any connection.
#[derive(Debug, Default)]
pub(super) struct Idle {
    since: Option<Instant>,
}

impl Idle {
    /// Takes the news of whether there is no connection at `now`.
    pub(super) fn update(&mut self, idle: bool, now: Instant) {
        self.since = match idle {
            true => self.since.or(Some(now)),
            false => None,
        };
    }

    /// A connection has come in, whether or not it is still there.
    pub(super) fn interrupt(&mut self) {
        self.since = None;
    }

    /// When it has lasted for `exit`, if it is known since when it lasts.
    pub(super) fn ends(&self, exit: Duration) -> Option<Instant> {
        Some(self.since? + exit)
    }
}
