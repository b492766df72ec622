//! Values that have no effect where they are, for warnings: a mistake would be harmless, and nobody
//! would see it.

use super::{Config, execution};
use crate::execution::{Execution, Limits, Resource};
use crate::os::limits as process;
use crate::settings::{LogTo, Settings};

impl Config {
    /// Warnings about values without effect, for people.
    pub(super) fn without_effect(&self) -> Vec<String> {
        let (own, default) = (&self.settings, Settings::default());
        let mut executions = self.rules.executions();
        let detaches = executions.any(|execution| execution.detach == Some(true));
        let all = [
            (
                own.burst != default.burst
                    && own.requests_per_second == default.requests_per_second,
                "burst has no effect without requests-per-second",
            ),
            (
                own.detached_max != default.detached_max && !detaches,
                "detached-max has no effect without detach = true",
            ),
            (
                own.log_facility != default.log_facility && own.log == LogTo::Stderr,
                "log-facility has no effect with log = \"stderr\"",
            ),
            (
                self.cgroup.is_some() && !self.rules.contain(),
                "--cgroup has no effect without contain = true",
            ),
        ];
        let all = all.into_iter().filter(|(is, _)| *is);
        let mut all: Vec<_> = all.map(|(_, what)| what.to_owned()).collect();
        for (index, rule) in self.rules.iter().enumerate() {
            if limits_processes_of_root(&rule.execution) {
                let heading = self.rules.heading(index);
                all.push(format!(
                    "{heading}: limits.processes has no effect on programs of root"
                ));
            }
        }
        all
    }

    /// Warnings about limits of programs that are above this process's own, for people.
    pub fn warnings_of_limits(&self) -> Vec<String> {
        let general = self.rules.general().limits;
        let mut all = above_own("", general, Limits::default());
        for (index, rule) in self.rules.iter().enumerate() {
            let heading = format!("{}: ", self.rules.heading(index));
            all.extend(above_own(&heading, rule.execution.limits, general));
        }
        all
    }
}

fn limits_processes_of_root(execution: &Execution) -> bool {
    execution::is_root(execution) && execution.limits.get(Resource::Processes).is_some()
}

/// About those that are above this process's own, and are not reported as general ones.
fn above_own(heading: &str, limits: Limits, general: Limits) -> Vec<String> {
    let differs = |&resource: &Resource| limits.get(resource) != general.get(resource);
    let all = Resource::ALL.into_iter().filter(differs);
    let all = all.filter_map(|resource| {
        let (limit, hard) = (limits.get(resource)?, process::hard(resource)?);
        (limit > hard).then(|| {
            format!(
                "{heading}limits.{resource}: {limit} is above the server's own limit, {hard}, which holds"
            )
        })
    });
    all.collect()
}
