//! The cgroup of one job: its files, which stay open, since jobs end more often than it is made.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use super::files::{self, value};
use crate::os::process;

/// Processor time that the processes in a cgroup have used since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cpu {
    user: Duration,
    system: Duration,
}

/// What a job has used, as its cgroup knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of all its processes, in themselves.
    pub user: Duration,
    /// The same in the kernel.
    pub system: Duration,
    /// The peak of its memory in bytes, if its memory is limited.
    pub memory: Option<u64>,
    /// The limit that it has met, by its name in the configuration.
    pub limit: Option<&'static str>,
}

/// The cgroup of one job.
#[derive(Debug)]
pub struct Cgroup {
    name: String,
    directory: OwnedFd,
    events: OwnedFd,
    /// Open from the start, so that a shortage of descriptors cannot keep it from being killed.
    kill: OwnedFd,
    stat: OwnedFd,
    /// It has limits of its own.
    pub(super) limited: bool,
    /// It was killed. On some kernels it then kills all that start in it later: they compare its count
    /// of kills with that of the cgroup of the process that starts them (seen on Linux 6.18).
    killed: Cell<bool>,
    /// A process of its job has changed it, or removed it. Those of the server's user may.
    spoiled: Cell<bool>,
    /// What earlier jobs have used in it.
    before: Cell<Cpu>,
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Cgroup {
    /// Opens the cgroup of this name in a directory.
    pub(super) fn open(parent: impl AsFd, name: String) -> Result<Self, Errno> {
        let directory = files::open(parent, &name, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Self {
            events: files::open(&directory, "cgroup.events", OFlag::O_RDONLY)?,
            kill: files::open(&directory, "cgroup.kill", OFlag::O_WRONLY)?,
            stat: files::open(&directory, "cpu.stat", OFlag::O_RDONLY)?,
            name,
            directory,
            limited: false,
            killed: Cell::new(false),
            spoiled: Cell::new(false),
            before: Cell::default(),
        })
    }

    /// Whether another job may have it: it is as it was made.
    pub(super) fn is_reusable(&self) -> bool {
        let is_changed = self.limited || self.killed.get() || self.spoiled.get();
        !is_changed && self.has_none_below()
    }

    /// Whether it is there, empty, and as it was made.
    pub(super) fn is_sound(&self) -> bool {
        self.is_populated() == Ok(false) && self.is_reusable()
    }

    /// Whether no job has made cgroups in it: a directory has a link from each one below.
    fn has_none_below(&self) -> bool {
        fstat(&self.directory).is_ok_and(|status| status.st_nlink <= 2)
    }

    /// No later job may have it: it is not certain that it is as it was made.
    pub fn spoil(&self) {
        self.spoiled.set(true);
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a process in it that has not ended.
    ///
    /// # Errors
    ///
    /// When that is unknown.
    pub fn is_populated(&self) -> Result<bool, Errno> {
        let [populated, frozen] = match files::values(&self.events, ["populated", "frozen"]) {
            // It was removed, which needs it to be empty.
            Err(Errno::ENODEV) => [Some(0), Some(1)],
            values => values?,
        };
        if frozen.is_some_and(|frozen| frozen != 0) {
            self.spoil();
        }
        populated.map(|count| count != 0).ok_or(Errno::EPROTO)
    }

    /// Ends all processes in it, by SIGKILL, whatever they start meanwhile.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<(), Errno> {
        self.killed.set(true);
        files::put(&self.kill, "1")
    }

    /// Whether that was done.
    pub fn was_killed(&self) -> bool {
        self.killed.get()
    }

    /// Kills them, with a line in the log if the kernel refuses.
    pub fn kill_all(&self) {
        if let Err(errno) = self.kill() {
            log::warn!("cgroup {}: cgroup.kill: {}", self.name, errno.desc());
        }
    }

    /// Sends the signal of this number to each process that is in it now. Returns their numbers.
    ///
    /// # Errors
    ///
    /// When they are unknown, or one of them may not be signalled.
    pub fn signal(&self, signal: i32) -> Result<Vec<i32>, Errno> {
        let processes = self.processes()?;
        if signal == libc::SIGKILL {
            return self.kill().map(|()| processes);
        }
        for &pid in &processes {
            let is_one = || self.processes().is_ok_and(|all| all.contains(&pid));
            match process::signal_if(pid, is_one, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(processes)
    }

    /// The numbers of the processes in it.
    ///
    /// # Errors
    ///
    /// When they are unknown.
    pub fn processes(&self) -> Result<Vec<i32>, Errno> {
        let all = files::read(self, "cgroup.procs")?;
        Ok(all.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// The job is over: kills all that is left, unless it may live on. Returns whether there was
    /// nothing.
    pub fn finish(&self, may_live_on: bool) -> bool {
        let empty = self.is_populated() == Ok(false);
        if !empty && !may_live_on {
            self.kill_all();
        }
        empty
    }

    /// What the job has used since the last call.
    ///
    /// # Errors
    ///
    /// When the kernel does not report it.
    pub fn take_usage(&self) -> Result<Usage, Errno> {
        let now = self.cpu()?;
        let before = self.before.replace(now);
        let mut usage = Usage {
            user: now.user.saturating_sub(before.user),
            system: now.system.saturating_sub(before.system),
            ..Usage::default()
        };
        if self.limited {
            let peak = files::read(self, "memory.peak").ok();
            usage.memory = peak.and_then(|bytes| bytes.trim().parse().ok());
            let met = |file, key| {
                let events = files::read(self, file).ok();
                events.and_then(|events| value(&events, key)) > Some(0)
            };
            if met("memory.events", "oom_kill") {
                usage.limit = Some("memory-max");
            } else if met("pids.events", "max") {
                usage.limit = Some("tasks-max");
            }
        }
        Ok(usage)
    }

    fn cpu(&self) -> Result<Cpu, Errno> {
        let times = files::values(&self.stat, ["user_usec", "system_usec"])?;
        let [user, system] = times.map(|time| Duration::from_micros(time.unwrap_or_default()));
        Ok(Cpu { user, system })
    }
}
