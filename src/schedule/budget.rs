//! The budget of descriptors: the limits of connections, programs and lingering clients that
//! follow from the limit of descriptors.

/// The maximum number of descriptors of the server itself: standard streams, poller, timer,
/// signals, log, listeners, the places of programs being started, questions about accounts, and
/// a few spare ones.
const DESCRIPTORS_OWN: usize = 56;

/// The listening sockets among them.
const LISTENERS_USUAL: usize = 3;

/// Control connections at once; they take no slots from others.
pub const CONTROL_MAX: usize = 16;

/// The maximum number of connections over quota: enough that the jobs of one user seldom keep
/// other users' connections waiting in the queue.
const OVER_QUOTA_MAX: usize = 256;

/// The descriptors of a running program besides its client's socket: three pipes and its pidfd.
const DESCRIPTORS_PROGRAM: usize = 4;

/// The descriptors of a program whose output is kept until its end: a temporary file for each output.
const DESCRIPTORS_SPOOL: usize = 2;

/// The descriptors of a cgroup: its directory, and the files of its processes' end and time.
const DESCRIPTORS_CGROUP: usize = 4;

/// The cgroups that are kept for the next programs, and a few that are not empty yet.
const CGROUPS_KEPT: usize = 80;

/// The configured demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Connections at once, each with a program.
    pub connections: usize,
    /// Listening sockets.
    pub listeners: usize,
    /// Connections may be over quota: they wait although there is room.
    pub shares: bool,
    /// Output may be kept until the end.
    pub spools: bool,
    /// There may be control connections.
    pub control: bool,
    /// Programs may have cgroups of their own.
    pub cgroups: bool,
    /// Cgroups in which processes live on after their job.
    pub detached: usize,
}

impl Demand {
    /// The number of descriptors for it.
    pub fn descriptors(&self) -> usize {
        let lingering = self.connections.min(256);
        let over_quota = if self.shares { OVER_QUOTA_MAX } else { 0 };
        self.own()
            + lingering
            + over_quota
            + self.detached * DESCRIPTORS_CGROUP
            + self.connections * (1 + self.each())
    }

    /// The number that belongs to no single connection.
    fn own(&self) -> usize {
        let listeners = self.listeners.saturating_sub(LISTENERS_USUAL);
        let control = if self.control { CONTROL_MAX } else { 0 };
        DESCRIPTORS_OWN
            + listeners
            + control
            + if self.cgroups {
                CGROUPS_KEPT * DESCRIPTORS_CGROUP
            } else {
                0
            }
    }

    /// The number for each program.
    fn each(&self) -> usize {
        let spools = if self.spools { DESCRIPTORS_SPOOL } else { 0 };
        let cgroup = if self.cgroups { DESCRIPTORS_CGROUP } else { 0 };
        DESCRIPTORS_PROGRAM + spools + cgroup
    }
}

/// How the descriptors are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Connections that may be active at once.
    pub connections_max: usize,
    /// Programs that may run at once; requests beyond that wait.
    pub programs_max: usize,
    /// Connections that may linger after their reply.
    pub lingering_max: usize,
    /// The maximum number of connections over quota.
    pub over_quota_max: usize,
    /// The maximum number of cgroups in which processes live on.
    pub detached_max: usize,
}

impl Budget {
    /// Shares `descriptors` out. Where they do not carry all, connections come first, since
    /// they may be idle, but some programs always fit.
    pub fn new(demand: Demand, descriptors: usize) -> Self {
        let wanted = demand.connections;
        let eighth = descriptors.saturating_sub(demand.own()) / 8;
        let lingering_max = wanted.min(256).min(eighth).max(1);
        let over_quota_max = match demand.shares {
            true => OVER_QUOTA_MAX.min(eighth).max(1),
            false => 0,
        };
        let detached_max = demand.detached.min(eighth / DESCRIPTORS_CGROUP);
        let kept = lingering_max + over_quota_max + detached_max * DESCRIPTORS_CGROUP;
        let free = descriptors.saturating_sub(demand.own() + kept);
        let programs_kept = wanted.min(64).min(free / 8).max(1);
        let connections_max = wanted
            .min(free.saturating_sub(programs_kept * demand.each()))
            .max(1);
        let programs_max =
            (free.saturating_sub(connections_max) / demand.each()).clamp(1, connections_max);
        Self {
            connections_max,
            programs_max,
            lingering_max,
            over_quota_max,
            detached_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_never_exceeds_the_descriptors() {
        for descriptors in [0, 64, 128, 256, 1024, 20_000, 1 << 20] {
            for connections in [1, 2, 100, 1000, 10_000, 100_000] {
                for choice in 0..64 {
                    let demand = Demand {
                        connections,
                        listeners: [1, 1000][(choice >> 3) & 1],
                        cgroups: choice & 16 != 0,
                        detached: [0, 5000][(choice >> 5) & 1],
                        shares: choice & 1 != 0,
                        spools: choice & 2 != 0,
                        control: choice & 4 != 0,
                    };
                    check(demand, descriptors);
                }
            }
        }
    }

    fn check(demand: Demand, descriptors: usize) {
        let wanted = demand.connections;
        let b = Budget::new(demand, descriptors);
        assert!(b.connections_max <= wanted && b.programs_max <= b.connections_max);
        let used = demand.own()
            + b.lingering_max
            + b.over_quota_max
            + b.detached_max * DESCRIPTORS_CGROUP
            + b.connections_max
            + b.programs_max * demand.each();
        assert!(
            used <= descriptors.max(demand.own() + 13),
            "{demand:?} {descriptors} {b:?}"
        );
        if descriptors >= demand.descriptors() {
            let all = (b.connections_max, b.programs_max);
            assert_eq!(all, (wanted, wanted));
        }
    }
}
