//! Processor time and memory of running jobs, from the system's own figures.
//!
//! A job is a session, whose number is that of its program, a child of the server; with `contain`
//! it has a cgroup too, which also counts what has left the session. Where neither can be read, or
//! the server's processes have other numbers here (in a container), nothing is known.

use std::collections::BTreeMap;
use std::time::Instant;

use sockexec::control::payload::Job;

use super::processes::{self, Process, Processes, Units};

/// The beginning of the names of jobs' cgroups.
const CGROUP: &str = "job-";

/// What a job uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processors at once, since the update before.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Its processes.
    pub processes: Option<u64>,
    /// The cgroup of its program.
    pub cgroup: Option<String>,
}

/// Seconds of processor time until now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    /// Of the session since its start.
    Session(f64),
    /// Of the cgroup, which may have had other jobs before.
    Cgroup(f64),
}

/// The counts of the update before.
#[derive(Debug)]
pub struct Meter {
    units: Option<Units>,
    hierarchy: Option<String>,
    before: Option<(Instant, BTreeMap<u64, Count>)>,
}

impl Meter {
    pub fn new() -> Self {
        Self {
            units: Units::read(),
            hierarchy: processes::hierarchy(),
            before: None,
        }
    }

    /// Reads what the jobs of this server use.
    pub fn read(&mut self, server: u32, jobs: &[Job]) -> BTreeMap<u64, Usage> {
        let running = jobs.iter().any(|job| job.pid.is_some());
        let Some(units) = self.units.filter(|_| running) else {
            self.before = None;
            return BTreeMap::new();
        };
        let processes = processes::read(units);
        let now = Instant::now();
        let before = self.before.take();
        let elapsed = before.as_ref().map(|(then, _)| (now - *then).as_secs_f64());
        let earlier = before.map(|(_, counts)| counts).unwrap_or_default();
        let (mut usages, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for job in jobs {
            let pid = job.pid.unwrap_or_default();
            let sessions = &processes.sessions;
            let Some(session) = sessions.get(&pid).filter(|all| are_of(all, pid, server)) else {
                continue;
            };
            let (mut usage, count) = self.used(pid, session, &processes);
            usage.cpu = share(earlier.get(&job.id), count, elapsed, job.age);
            usages.insert(job.id, usage);
            counts.insert(job.id, count);
        }
        self.before = Some((now, counts));
        usages
    }

    fn used(&self, pid: u32, session: &[Process], processes: &Processes) -> (Usage, Count) {
        let cgroup = processes::cgroup(pid);
        let own = cgroup.as_deref().filter(|path| {
            let name = path.rsplit('/').next();
            name.is_some_and(|name| name.starts_with(CGROUP))
        });
        let root = self.hierarchy.as_deref();
        let own = own.and_then(|path| Some(format!("{}{path}", root?)));
        // Some have left the session and not the cgroup.
        let members = own.as_deref().and_then(processes::members);
        let members = members.map(|members| {
            let known = members
                .iter()
                .filter_map(|pid| processes.all.get(pid).copied());
            known.collect::<Vec<_>>()
        });
        let members = members.as_deref().unwrap_or(session);
        let resident = members.iter().map(|process| process.memory).sum();
        let (count, memory) = match own.as_deref().and_then(processes::used) {
            Some((cpu, memory)) => (Count::Cgroup(cpu), memory),
            None => {
                let cpu = session.iter().map(|process| process.cpu).sum();
                (Count::Session(cpu), None)
            }
        };
        let usage = Usage {
            cpu: None,
            memory: Some(memory.unwrap_or(resident)),
            processes: Some(members.len() as u64),
            cgroup,
        };
        (usage, count)
    }
}

/// Whether a session is that of a program of this server, and not another one of that number.
fn are_of(session: &[Process], pid: u32, server: u32) -> bool {
    let mut all = session.iter();
    all.any(|process| process.pid == pid && process.parent == server)
}

/// The processors that a job has used at once between two updates, or since its start if it has
/// started between them.
fn share(before: Option<&Count>, now: Count, elapsed: Option<f64>, age: f64) -> Option<f64> {
    let (used, time) = match (before, now) {
        (Some(Count::Session(before)), Count::Session(now)) => (now - before, elapsed?),
        (Some(Count::Cgroup(before)), Count::Cgroup(now)) => (now - before, elapsed?),
        (_, Count::Session(now)) => (now, elapsed.map_or(age, |elapsed| elapsed.min(age))),
        (_, Count::Cgroup(_)) => return None,
    };
    // What a process has used vanishes if its parent does not wait for it.
    (time > 0.0).then(|| used.max(0.0) / time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    #[test]
    fn shares_are_differences_or_since_the_start() {
        use Count::{Cgroup, Session};
        for (before, now, elapsed, age, wanted) in [
            (
                Some(Session(1.0)),
                Session(2.0),
                Some(2.0),
                100.0,
                Some(0.5),
            ),
            (
                Some(Session(2.0)),
                Session(1.0),
                Some(2.0),
                100.0,
                Some(0.0),
            ),
            (None, Session(2.0), Some(2.0), 1.0, Some(2.0)),
            (None, Session(2.0), Some(2.0), 100.0, Some(1.0)),
            (None, Session(2.0), None, 4.0, Some(0.5)),
            (None, Session(2.0), None, 0.0, None),
            (None, Cgroup(2.0), Some(2.0), 4.0, None),
            (Some(Session(1.0)), Cgroup(2.0), Some(2.0), 4.0, None),
            (Some(Cgroup(1.0)), Cgroup(4.0), Some(2.0), 4.0, Some(1.5)),
        ] {
            assert_eq!(share(before.as_ref(), now, elapsed, age), wanted, "{now:?}");
        }
    }

    #[test]
    fn only_a_session_of_a_child_of_the_server_is_a_job() {
        let process = |pid, parent| Process {
            pid,
            parent,
            session: 7,
            cpu: 0.0,
            memory: 0,
        };
        assert!(are_of(&[process(8, 7), process(7, 1)], 7, 1));
        assert!(!are_of(&[process(8, 1), process(7, 2)], 7, 1));
        assert!(!are_of(&[process(8, 1)], 7, 1));
    }

    #[test]
    fn a_busy_job_uses_processor_and_memory() {
        // The shell is the leader of a group only: its session is that of this test.
        let mut child = Command::new("setsid")
            .args(["--wait", "sh", "-c", "while :; do :; done"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut meter = Meter::new();
        let setsid = child.id();
        let usage = loop {
            let all = processes::read(meter.units.unwrap()).all;
            let mut own = all.values();
            let Some(shell) = own.find(|process| process.parent == setsid && process.cpu > 0.05)
            else {
                std::thread::yield_now();
                continue;
            };
            let job = Job {
                id: 1,
                pid: Some(shell.pid),
                age: 1.0,
                ..Job::default()
            };
            let usage = meter.read(setsid, std::slice::from_ref(&job)).remove(&1);
            // A bare system has no program for it.
            let shell = Pid::from_raw(shell.pid.try_into().unwrap());
            kill(shell, Signal::SIGKILL).unwrap();
            break usage.unwrap();
        };
        child.wait().unwrap();
        assert!(usage.cpu.unwrap() > 0.04, "{usage:?}");
        assert!(
            usage.memory.unwrap() > 100_000 && usage.processes == Some(1),
            "{usage:?}"
        );
    }
}
