//! The limits in effect.

use std::time::Duration;

use crate::config::Config;
use crate::schedule::{Budget, CONTROL_MAX, Capacity, Demand};
use crate::session::policy::{GIVE_UP, Limits};

/// What stays as it is while the server runs.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// How many descriptors there may be.
    pub descriptors: usize,
    /// How many listening sockets there are.
    pub listeners: usize,
    /// Whether output may be kept until the end, which takes more of them.
    pub spools: bool,
    /// Whether there may be control connections.
    pub control: bool,
    /// After how long without any connection the server ends, where nobody says it.
    pub idle_exit: Option<Duration>,
}

impl Frame {
    /// What the server is asked to carry.
    pub fn demand(&self, connections: usize, user_share: u8) -> Demand {
        Demand {
            connections,
            listeners: self.listeners,
            shares: user_share < 100,
            spools: self.spools,
            control: self.control,
        }
    }

    /// Shares the descriptors out, and says so where they do not carry what is asked.
    fn budget(&self, connections: usize, user_share: u8) -> Budget {
        let demand = self.demand(connections, user_share);
        let budget = Budget::new(demand, self.descriptors);
        if self.descriptors < demand.descriptors() {
            log::warn!(
                "{connections} connections need {} descriptors and the hard limit is {}: serving \
                 {} connections with {} programs at once",
                demand.descriptors(),
                self.descriptors,
                budget.connections_max,
                budget.programs_max
            );
        }
        budget
    }
}

/// How the server behaves now.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What each connection may use.
    pub(super) limits: Limits,
    /// What all may use.
    pub(super) budget: Budget,
    /// How many of a hundred connections may be one user's.
    pub(super) user_share: u8,
    /// How many bytes requests may take together before their programs are started.
    pub(super) requests_memory: u64,
    /// How many bytes temporary files may have together.
    pub(super) spool_total: u64,
    /// How long those who are connected may go on after the server was told to stop.
    pub(super) stop_grace: Duration,
    /// After how long without any connection the server ends.
    pub(super) idle_exit: Option<Duration>,
}

impl Settings {
    pub(super) fn new(config: &Config, frame: &Frame) -> Self {
        let idle_exit = match config.idle_exit {
            Some(idle) => Some(idle).filter(|idle| !idle.is_zero()),
            None => frame.idle_exit,
        };
        Self {
            limits: config.limits.clone(),
            budget: frame.budget(config.max_connections as usize, config.user_share),
            user_share: config.user_share,
            requests_memory: config.requests_memory,
            spool_total: config.spool_total,
            stop_grace: config.stop_grace,
            idle_exit,
        }
    }

    /// What all connections share.
    pub(super) fn capacity(&self) -> Capacity {
        Capacity {
            connections: self.budget.connections_max,
            programs: self.budget.programs_max,
            over_quota: self.budget.over_quota_max,
            lingering: self.budget.lingering_max,
            control: CONTROL_MAX,
            user_share: self.user_share,
            requests_memory: self.requests_memory,
            spool_total: self.spool_total,
            idle_exit: self.idle_exit,
            stop_time: self.limits.kill_timeout + self.limits.linger + 2 * GIVE_UP,
        }
    }
}
