//! The limits in effect on shared resources.

use std::time::Duration;

use super::rates::Rate;

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
    /// Jobs at once of which processes live on.
    pub detached: usize,
    /// Control connections at once.
    pub control: usize,
    /// The share of one user of each of these totals, in percent.
    pub user_share: u8,
    /// The rate of each user's requests.
    pub rate: Rate,
    /// The memory of all requests together before their programs are started.
    pub requests_memory: u64,
    /// The size of all temporary files together.
    pub spool_total: u64,
    /// The time without any connection after which the server exits.
    pub idle_exit: Option<Duration>,
    /// The longest wait of the server for the programs that it has stopped.
    pub stop_time: Duration,
}
