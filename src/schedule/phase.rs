//! The phases of a server's life: it serves, lets running jobs finish, makes them end, and is over.
//!
//! | phase | new connections | running programs | leaves by |
//! |---|---|---|---|
//! | `Serving` | accepted | run | a drain, a stop, the idle exit |
//! | `Finishing` | only for control | continue, perhaps for a time of grace | the last of them, the time, an undrain |
//! | `Ending` | none | must end | the last connection, the time |
//! | `Over` | none | | |

use std::time::Instant;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Clients are served.
    Serving,
    /// No connection for a program is accepted any more.
    Finishing {
        /// Running jobs may continue until then; `None`: within their own limits.
        until: Option<Instant>,
    },
    /// All running programs must end.
    Ending {
        /// After this moment the server waits for nothing any more.
        until: Instant,
    },
    /// The server must exit.
    Over,
}
