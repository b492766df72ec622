//! The number of a connection: a plain value for all layers.

use std::fmt;

/// Names a connection. A number is never used again, so that an event for a connection that has
/// gone finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The first of a server.
    pub const FIRST: Self = Self(1);

    /// The number, counted from 1, which users see.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The connection of this number; `None` for 0, which names none.
    pub const fn numbered(number: u64) -> Option<Self> {
        match number {
            0 => None,
            _ => Some(Self(number)),
        }
    }

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
