//! Plain values: the server's reports about a connection, and the schedule's counts.

use super::memory::Need;

/// The report about a connection after it has worked.
#[derive(Clone, Copy, Debug)]
pub struct News {
    /// A process of its own is there.
    pub has_process: bool,
    /// Its need for the memory of requests.
    pub need: Need,
    /// A client waits for a reply, or there is a process.
    pub is_active: bool,
}

/// The state of a waiting connection, as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does not wait for anything here.
    Nothing,
    /// For a slot.
    Slot,
    /// For its user's rate to let it go on.
    Token,
    /// For its program's turn.
    Turn,
}

/// The number of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that have a slot.
    pub active: usize,
    /// Connections that wait for one.
    pub over_quota: usize,
    /// Requests that wait because of their user's rate.
    pub throttled: usize,
    /// Requests that wait for their program's turn.
    pub waiting: usize,
    /// Programs, orphans included.
    pub programs: usize,
    /// Connections that linger.
    pub lingering: usize,
    /// Control connections.
    pub control: usize,
}
