//! The command `kill`: signals to jobs, by their numbers, or to all that match.

use std::collections::BTreeSet;

use super::Server;
use crate::control::kill::{Filter, Hit, Missed, Signalled, Target};
use crate::control::payload::Killed;
use crate::id::ConnectionId;
use crate::record::JobRecord;
use crate::session::JobState;
use crate::signal;

use super::replies::json;

impl Server {
    /// Sends a signal. Returns the payload of the answer.
    pub(super) fn kill(&self, target: &Target, number: i32) -> Result<String, String> {
        match target {
            Target::One(id) => json(&self.kill_one(*id, number)?),
            Target::These(ids) => json(&self.kill_these(ids, number)?),
            Target::Matching(filter) => json(&self.kill_matching(filter, number)?),
        }
    }

    fn kill_one(&self, id: u64, number: i32) -> Result<Killed, String> {
        let job = ConnectionId::numbered(id).and_then(|id| self.table.get(id));
        let name = signal::name_or_number(number);
        let Some(entry) = job.filter(|entry| entry.connection.session().is_active()) else {
            return self.kill_detached(id, number, name);
        };
        match entry.connection.kill(number) {
            None => Err(format!("job {id} has no program that runs")),
            Some(Err(errno)) => Err(format!("job {id}: {name}: {}", errno.desc())),
            Some(Ok(pid)) => {
                log::info!("job {id}: {name} to group {pid}, by command");
                Ok(Killed {
                    pid: pid.unsigned_abs(),
                    signal: name,
                })
            }
        }
    }

    /// Sends a signal to what a job has left.
    fn kill_detached(&self, id: u64, number: i32, name: String) -> Result<Killed, String> {
        let cgroups = &self.orphans.cgroups;
        let signalled = ConnectionId::numbered(id).and_then(|id| cgroups.signal(id, number));
        match signalled {
            None => Err(format!("there is no job {id}")),
            Some(Err(errno)) => Err(format!("job {id}: {name}: {}", errno.desc())),
            Some(Ok(processes)) => {
                let count = processes.len();
                log::info!("job {id}: {name} to {count} detached processes, by command");
                let pid = processes.first().map_or(0, |pid| pid.unsigned_abs());
                Ok(Killed { pid, signal: name })
            }
        }
    }

    /// Each of them once. It succeeds if one has got the signal.
    fn kill_these(&self, ids: &[u64], number: i32) -> Result<Signalled, String> {
        let mut answer = Signalled {
            signal: signal::name_or_number(number),
            ..Signalled::default()
        };
        // A client may name a hundred thousand.
        let mut seen = BTreeSet::new();
        for &id in ids.iter().filter(|id| seen.insert(**id)) {
            match self.kill_one(id, number) {
                Ok(Killed { pid, .. }) => answer.jobs.push(Hit { id, pid }),
                Err(error) => answer.failed.push(Missed { id, error }),
            }
        }
        if answer.jobs.is_empty() {
            let errors = answer.failed.into_iter().map(|missed| missed.error);
            return Err(errors.collect::<Vec<_>>().join("; "));
        }
        Ok(answer)
    }

    /// All that match and have a program. What ends at that moment has not failed.
    fn kill_matching(&self, filter: &Filter, number: i32) -> Result<Signalled, String> {
        let (mut running, mut waiting) = (Vec::new(), 0);
        for record in self.jobs_answer() {
            match (matches(filter, &record), record.summary.state) {
                (false, _) | (true, JobState::Replying | JobState::Lingering) => {}
                (
                    true,
                    JobState::Request | JobState::Parked | JobState::Waiting | JobState::Starting,
                ) if record.program.is_none() => waiting += 1,
                (true, _) => running.push(record.id.number()),
            }
        }
        if running.is_empty() {
            return Err(nothing(filter, waiting));
        }
        let answer = self.kill_these(&running, number)?;
        Ok(Signalled { waiting, ..answer })
    }
}

/// Whether all conditions hold for a job.
fn matches(filter: &Filter, record: &JobRecord) -> bool {
    let holds = |condition: &Option<String>, check: &dyn Fn(&str) -> bool| {
        condition.as_deref().is_none_or(check)
    };
    holds(&filter.user, &|user| record.is_of_user(user))
        && holds(&filter.program, &|program| record.is_of_program(program))
        && holds(&filter.rule, &|rule| record.is_by_rule(rule))
}

/// Why no job has got the signal.
fn nothing(filter: &Filter, waiting: u64) -> String {
    let which = match filter.is_empty() {
        true => String::new(),
        false => format!(" that matches {filter}"),
    };
    match waiting {
        0 => format!("there is no job{which}"),
        1 => format!("no program runs for a job{which}; 1 job waits for its start"),
        more => format!("no program runs for a job{which}; {more} jobs wait for their start"),
    }
}
