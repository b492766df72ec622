//! The limits in effect on what all connections share.

use std::time::Duration;

/// See the module. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections that may be active at once.
    pub connections: usize,
    /// Programs that may run at once; requests beyond that wait.
    pub programs: usize,
    /// Connections that may wait for a slot.
    pub over_quota: usize,
    /// Connections that may linger after their reply.
    pub lingering: usize,
    /// Control connections at once.
    pub control: usize,
    /// How many percent of each of these totals one user may have.
    pub user_share: u8,
    /// What requests may take together before their programs are started.
    pub requests_memory: u64,
    /// What temporary files may have together.
    pub spool_total: u64,
    /// After how long without any connection the server ends.
    pub idle_exit: Option<Duration>,
    /// How long the server waits at most for what it has stopped.
    pub stop_time: Duration,
}
