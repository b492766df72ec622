//! How the life of a server goes: it serves, lets what runs come to its end, makes it end,
//! and is over.
//!
//! | phase | new connections | running programs | leaves by |
//! |---|---|---|---|
//! | `Serving` | accepted | run | a drain, a stop, the idle exit |
//! | `Finishing` | only for control | run on for the time of grace, if there is one | the last of them, the time |
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
