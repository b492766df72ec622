//! A cgroup for each job (cgroups(7), version 2): whatever a program starts stays in it, also what
//! leaves the process group, and can be ended with one write.
//!
//! Empty ones are kept, because to make and to remove one takes 80 us and to take a kept one 5. Those
//! with limits of their own are not, since the kernel's counts of what they have used cannot be reset;
//! nor are those that were killed.
//!
//! | file | content |
//! |---|---|
//! | `mod` | all of them |
//! | `job` | one of them |
//! | `limits` | those that a job's cgroup may have |
//! | `peak` | how many are in use at once |
//! | `place` | where they are made |
//! | `files` | the kernel's files in them |

mod files;
mod job;
mod limits;
mod peak;
mod place;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

pub use self::job::{Cgroup, Usage};
use self::peak::Peak;
use self::place::{OWN, Place};
use crate::execution::Execution;
use crate::os::errors::reason;
use crate::os::launch;

/// The beginning of the names of jobs' cgroups.
const PREFIX: &str = "job-";

/// How many are kept at least, with those in use, if there have been that many; as many as there
/// were at once lately, if that is more.
const KEPT_MIN: usize = 64;

/// How deep the cgroups are removed that a job has made in its own.
const DEPTH_MAX: u32 = 32;

/// The directory in which cgroups of jobs are made, and those that are kept.
#[derive(Debug)]
pub struct Cgroups {
    path: PathBuf,
    /// Locked, so that no other server takes it.
    directory: Flock<OwnedFd>,
    kept: Vec<Cgroup>,
    /// None are kept while no new job can have one.
    keeps: bool,
    /// How many are not kept.
    in_use: usize,
    peak: Peak,
    next: u64,
    /// What is left of a server before this one.
    found: Vec<Cgroup>,
    /// The names of those that could not be removed.
    stuck: VecDeque<String>,
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
            keeps: true,
            in_use: 0,
            peak: Peak::default(),
            next: 1,
            found: Vec::new(),
            stuck: VecDeque::new(),
        };
        let found = cgroups
            .find()
            .map_err(|error| format!("{shown}: {}", reason(error)))?;
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

    /// Whether new jobs may have one. Otherwise none are kept.
    pub fn set_keeps(&mut self, keeps: bool) {
        self.keeps = keeps;
        if !keeps {
            self.empty();
        }
    }

    /// Removes those that are kept.
    fn empty(&mut self) {
        for cgroup in std::mem::take(&mut self.kept) {
            self.remove(cgroup.name().to_owned());
        }
    }

    /// What a server before this one has left here, once. Its processes must be ended.
    pub fn take_found(&mut self) -> Vec<Cgroup> {
        let found = std::mem::take(&mut self.found);
        self.in_use += found.len();
        found
    }

    /// Tries everything that a job needs.
    fn probe(&mut self) -> Result<(), String> {
        let cannot = |errno: Errno| match errno {
            Errno::ENOENT => "there is no cgroup.kill, which Linux has since 5.14".to_owned(),
            errno => format!("cannot make a cgroup there: {}", errno.desc()),
        };
        let cgroup = self.make().map_err(cannot)?;
        let started = launch::probe_cgroup(cgroup.as_fd());
        let started = started.map_err(|errno| match errno {
            Errno::EACCES => "the server may not start processes in cgroups there: it needs write \
                              permission to cgroup.procs in the directory above it and its own"
                .to_owned(),
            Errno::ENOSYS => {
                "clone3(2) is missing in this kernel or on this processor, or refused by \
                 RestrictNamespaces= in the unit"
                    .to_owned()
            }
            Errno::ECANCELED => "the kernel kills processes that start in cgroups there, because \
                                 the server's own cgroup was killed before"
                .to_owned(),
            errno => format!("cannot start a process in a cgroup there: {}", errno.desc()),
        });
        let killed = cgroup.kill();
        let killed = killed.map_err(|errno| format!("cgroup.kill: {}", errno.desc()));
        self.remove(cgroup.name().to_owned());
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
        limits::require((&*self.directory, &self.path), executions)
    }

    /// An empty cgroup with the limits of this execution.
    ///
    /// # Errors
    ///
    /// When the kernel gives none.
    pub fn take(&mut self, execution: &Execution, now: Instant) -> Result<Cgroup, Errno> {
        let cgroup = self.find_or_make(execution)?;
        self.in_use += 1;
        self.peak.note(self.in_use, now);
        Ok(cgroup)
    }

    fn find_or_make(&mut self, execution: &Execution) -> Result<Cgroup, Errno> {
        if !limits::any(execution) {
            return match self.kept.pop() {
                Some(kept) => Ok(kept),
                None => self.make(),
            };
        }
        let mut cgroup = self.make()?;
        cgroup.limited = true;
        if let Err(errno) = limits::set(&cgroup, execution) {
            self.remove(cgroup.name().to_owned());
            return Err(errno);
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
                    return Cgroup::open(&*self.directory, name.clone()).inspect_err(|_| {
                        let _ = unlinkat(&*self.directory, &name[..], UnlinkatFlags::RemoveDir);
                    });
                }
            }
        }
    }

    /// Takes back a cgroup in which no process is left.
    pub fn give_back(&mut self, cgroup: Cgroup) {
        self.in_use = self.in_use.saturating_sub(1);
        let most = match self.keeps {
            true => self.peak.most().max(KEPT_MIN),
            false => 0,
        };
        let room = most.saturating_sub(self.in_use);
        let surplus = match cgroup.is_reusable() && self.kept.len() < room {
            true => return self.kept.push(cgroup),
            // Not all at once, since each takes time.
            false if self.kept.len() > room => self.kept.pop(),
            false => None,
        };
        for cgroup in surplus.iter().chain([&cgroup]) {
            self.remove(cgroup.name().to_owned());
        }
    }

    /// Takes back a cgroup in which no process could be started. It is removed, and so are those
    /// that have been changed or removed, or the next job would have the same trouble.
    pub fn give_back_unused(&mut self, cgroup: Cgroup) {
        self.in_use = self.in_use.saturating_sub(1);
        let (sound, unsound) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(Cgroup::is_sound);
        self.kept = sound;
        for cgroup in unsound.iter().chain([&cgroup]) {
            self.remove(cgroup.name().to_owned());
        }
    }

    /// Removes one, and tries it again with one that could not be removed.
    fn remove(&mut self, name: String) {
        if let Some(name) = self.stuck.pop_front() {
            if self.try_remove(&name).is_err() {
                self.stuck.push_back(name);
            }
        }
        if let Err(errno) = self.try_remove(&name) {
            log::warn!("cgroup {name}: not removed: {}", errno.desc());
            self.stuck.push_back(name);
        }
    }

    /// Removes it, with those that its job may have made in it.
    fn try_remove(&self, name: &str) -> Result<(), Errno> {
        let remove = || unlinkat(&*self.directory, name, UnlinkatFlags::RemoveDir);
        match remove() {
            Err(Errno::EBUSY) => {
                remove_below(&self.path.join(name), DEPTH_MAX);
                remove()
            }
            // Its job has removed it.
            Err(Errno::ENOENT) => Ok(()),
            result => result,
        }
    }

    /// The cgroups of jobs that are there. Empty ones are removed: all of them together could take
    /// more descriptors than there are.
    fn find(&self) -> io::Result<Vec<Cgroup>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix(PREFIX);
            if number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit())) {
                match Cgroup::open(&*self.directory, name) {
                    // Removed meanwhile.
                    Err(Errno::ENOENT | Errno::ENODEV) => {}
                    Ok(cgroup) if self.remove_empty(&cgroup) => {}
                    cgroup => all.push(cgroup?),
                }
            }
        }
        Ok(all)
    }

    /// Removes one if it is empty. Returns whether it is gone.
    fn remove_empty(&self, cgroup: &Cgroup) -> bool {
        cgroup.is_populated() == Ok(false) && self.try_remove(cgroup.name()).is_ok()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.empty();
        for name in std::mem::take(&mut self.stuck) {
            self.remove(name);
        }
    }
}

fn remove_below(path: &Path, depth: u32) {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        if depth > 0 {
            remove_below(&entry.path(), depth - 1);
        }
        // If one stays, so does the outermost, and that is reported.
        let _ = fs::remove_dir(entry.path());
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
