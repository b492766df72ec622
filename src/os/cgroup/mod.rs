//! A cgroup for each job (cgroups(7), version 2): whatever a program starts stays in it, also what
//! leaves the process group, and can be ended with one write.
//!
//! Empty ones are kept, because to make and to remove one takes 80 us and to take a kept one 5. Those
//! with limits of their own are not, since the kernel's counts of what they have used cannot be reset;
//! nor are those that were killed.
//!
//! | file | content |
//! |---|---|
//! | `mod` | one cgroup, and all of them |
//! | `place` | where they are made |
//! | `files` | the kernel's files in them |

mod files;
mod place;

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use self::files::value;
use self::place::{OWN, Place};
use crate::execution::Execution;
use crate::os::launch;

/// The beginning of the names of jobs' cgroups.
const PREFIX: &str = "job-";

/// How many empty ones are kept.
const KEPT_MAX: usize = 64;

/// The controllers that limits of jobs need, each with the limit's name in the configuration and
/// its file.
const LIMITS: [(&str, &str, &str); 3] = [
    ("memory", "memory-max", "memory.max"),
    ("pids", "tasks-max", "pids.max"),
    ("cpu", "cpu-weight", "cpu.weight"),
];

/// The value for each of [`LIMITS`].
fn limits(execution: &Execution) -> [Option<u64>; 3] {
    [
        execution.memory_max,
        execution.tasks_max,
        execution.cpu_weight,
    ]
}

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
    /// `cgroup.events`.
    events: OwnedFd,
    /// `cpu.stat`.
    stat: OwnedFd,
    /// It has limits of its own.
    limited: bool,
    /// It was killed. On some kernels it then kills all that start in it later: they compare its count
    /// of kills with that of the cgroup of the process that starts them (seen on Linux 6.18).
    killed: Cell<bool>,
    /// What earlier jobs have used in it.
    before: Cpu,
    /// The same with this job, when it was last read.
    last: Cell<Cpu>,
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Cgroup {
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
        let events = files::reread(&self.events)?;
        value(&events, "populated")
            .map(|populated| populated != 0)
            .ok_or(Errno::EPROTO)
    }

    /// Ends all processes in it, by SIGKILL, whatever they start meanwhile.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<(), Errno> {
        self.killed.set(true);
        files::write(self, "cgroup.kill", "1")
    }

    /// The same, with a line in the log if the kernel refuses.
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
        for &process in &processes {
            // SAFETY: kill(2) touches no memory of ours. The process is of this cgroup, or ended
            // just now, and its number is not given to another so soon.
            match Errno::result(unsafe { libc::kill(process, signal) }) {
                Ok(_) | Err(Errno::ESRCH) => {}
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

    /// What the job has used. Later, when it is over, with all that it has left behind.
    ///
    /// # Errors
    ///
    /// When the kernel does not report it.
    pub fn usage(&self) -> Result<Usage, Errno> {
        let now = self.cpu()?;
        let mut usage = Usage {
            user: now.user.saturating_sub(self.before.user),
            system: now.system.saturating_sub(self.before.system),
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
        let stat = files::reread(&self.stat)?;
        let time = |key| Duration::from_micros(value(&stat, key).unwrap_or_default());
        let cpu = Cpu {
            user: time("user_usec"),
            system: time("system_usec"),
        };
        self.last.set(cpu);
        Ok(cpu)
    }
}

/// The directory in which cgroups of jobs are made, and those that are kept.
#[derive(Debug)]
pub struct Cgroups {
    path: PathBuf,
    /// Locked, so that no other server takes it.
    directory: Flock<OwnedFd>,
    kept: Vec<Cgroup>,
    next: u64,
    /// What is left of a server before this one.
    found: Vec<Cgroup>,
}

impl Cgroups {
    /// Takes the directory `given`, or the one that was delegated to the server.
    ///
    /// # Errors
    ///
    /// Why jobs cannot have cgroups, and the remedy.
    pub fn open(given: Option<&Path>) -> Result<Self, String> {
        let Place {
            directory: path,
            holds_us,
        } = Place::find(given)?;
        let shown = path.display().to_string();
        let failed = |what: &str, errno: Errno| format!("{shown}: {what}{}", errno.desc());
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(&path, flags, Mode::empty());
        let directory = directory.map_err(|errno| failed("", errno))?;
        let locked = Flock::lock(directory, FlockArg::LockExclusiveNonblock);
        let directory = locked.map_err(|(_, errno)| match errno {
            Errno::EWOULDBLOCK => format!("{shown}: another server has its jobs' cgroups there"),
            errno => failed("lock: ", errno),
        })?;
        if holds_us {
            move_us(&*directory).map_err(|errno| failed("cannot move the server: ", errno))?;
        }
        let mut cgroups = Self {
            path,
            directory,
            kept: Vec::new(),
            next: 1,
            found: Vec::new(),
        };
        let found = cgroups
            .find()
            .map_err(|error| format!("{shown}: {error}"))?;
        cgroups.found = found;
        cgroups
            .probe()
            .map_err(|reason| format!("{shown}: {reason}"))?;
        Ok(cgroups)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a server before this one has left here, once. Its processes must be ended.
    pub fn take_found(&mut self) -> Vec<Cgroup> {
        std::mem::take(&mut self.found)
    }

    /// Tries everything that a job needs.
    fn probe(&mut self) -> Result<(), String> {
        let cannot = |errno: Errno| format!("cannot make a cgroup there: {}", errno.desc());
        let cgroup = self.make().map_err(cannot)?;
        let started = launch::probe_cgroup(cgroup.as_fd());
        let started = started.map_err(|errno| match errno {
            Errno::EACCES => "the server may not start processes in cgroups there: it needs write \
                              permission to cgroup.procs in the directory above it and its own"
                .to_owned(),
            Errno::ENOSYS => "clone3(2) is missing in this kernel or on this processor".to_owned(),
            errno => format!("cannot start a process in a cgroup there: {}", errno.desc()),
        });
        let killed = cgroup.kill().map_err(|errno| match errno {
            Errno::ENOENT => "there is no cgroup.kill, which Linux has since 5.14".to_owned(),
            errno => format!("cgroup.kill: {}", errno.desc()),
        });
        self.give_back(cgroup);
        started.and(killed)
    }

    /// Checks that the limits of these executions can be set, and prepares that.
    ///
    /// # Errors
    ///
    /// The limit that cannot be set, and the reason.
    pub fn require<'a>(
        &self,
        executions: impl Iterator<Item = &'a Execution>,
    ) -> Result<(), String> {
        let mut wanted = [false; LIMITS.len()];
        for execution in executions {
            for (wanted, limit) in wanted.iter_mut().zip(limits(execution)) {
                *wanted |= limit.is_some();
            }
        }
        let shown = self.path.display();
        let available = files::read(&*self.directory, "cgroup.controllers")
            .map_err(|errno| format!("{shown}/cgroup.controllers: {}", errno.desc()))?;
        for ((controller, key, _), _) in LIMITS.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            if available.split_whitespace().all(|name| name != *controller) {
                return Err(format!(
                    "{key}: the controller {controller} is not delegated to {shown}"
                ));
            }
            let enable = format!("+{controller}");
            files::write(&*self.directory, "cgroup.subtree_control", &enable).map_err(|errno| {
                let reason = match errno {
                    Errno::EBUSY => "there are processes in that cgroup itself",
                    errno => errno.desc(),
                };
                format!("{key}: cannot enable {controller} in {shown}: {reason}")
            })?;
        }
        Ok(())
    }

    /// An empty cgroup with the limits of this execution.
    ///
    /// # Errors
    ///
    /// When the kernel gives none.
    pub fn take(&mut self, execution: &Execution) -> Result<Cgroup, Errno> {
        let limits = limits(execution);
        if limits.iter().all(Option::is_none) {
            return match self.kept.pop() {
                Some(kept) => Ok(kept),
                None => self.make(),
            };
        }
        let mut cgroup = self.make()?;
        cgroup.limited = true;
        for ((_, _, file), limit) in LIMITS.iter().zip(limits) {
            let Some(limit) = limit else { continue };
            if let Err(errno) = files::write(&cgroup, file, &limit.to_string()) {
                self.remove(&cgroup);
                return Err(errno);
            }
        }
        if execution.memory_max.is_some() {
            // A job without some of its processes would be a riddle. Older kernels have no such
            // file.
            let _ = files::write(&cgroup, "memory.oom.group", "1");
        }
        Ok(cgroup)
    }

    fn make(&mut self) -> Result<Cgroup, Errno> {
        loop {
            let name = format!("{PREFIX}{}", self.next);
            self.next += 1;
            match mkdirat(&*self.directory, &name[..], Mode::from_bits_truncate(0o755)) {
                // One of a server before this one, which does not end.
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
                Ok(()) => {
                    return self.enter(name.clone()).inspect_err(|_| {
                        let _ = unlinkat(&*self.directory, &name[..], UnlinkatFlags::RemoveDir);
                    });
                }
            }
        }
    }

    fn enter(&self, name: String) -> Result<Cgroup, Errno> {
        let directory = files::open(&*self.directory, &name, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Cgroup {
            name,
            events: files::open(&directory, "cgroup.events", OFlag::O_RDONLY)?,
            stat: files::open(&directory, "cpu.stat", OFlag::O_RDONLY)?,
            directory,
            limited: false,
            killed: Cell::new(false),
            before: Cpu::default(),
            last: Cell::default(),
        })
    }

    /// Takes back a cgroup in which no process is left, and whose usage was asked for since.
    pub fn give_back(&mut self, mut cgroup: Cgroup) {
        if !cgroup.limited && !cgroup.killed.get() && self.kept.len() < KEPT_MAX {
            cgroup.before = cgroup.last.get();
            self.kept.push(cgroup);
            return;
        }
        self.remove(&cgroup);
    }

    fn remove(&self, cgroup: &Cgroup) {
        let removed = unlinkat(&*self.directory, &cgroup.name[..], UnlinkatFlags::RemoveDir);
        if let Err(errno) = removed {
            log::warn!("cgroup {}: not removed: {}", cgroup.name, errno.desc());
        }
    }

    /// The cgroups of jobs that are there.
    fn find(&self) -> io::Result<Vec<Cgroup>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix(PREFIX);
            if number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
                all.push(self.enter(name)?);
            }
        }
        Ok(all)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for cgroup in std::mem::take(&mut self.kept) {
            self.remove(&cgroup);
        }
    }
}

/// Moves this process into a cgroup of its own below `directory`.
fn move_us(directory: impl AsFd) -> Result<(), Errno> {
    match mkdirat(directory.as_fd(), OWN, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    files::write(directory, &format!("{OWN}/cgroup.procs"), "0")
}
