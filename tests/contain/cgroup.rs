//! A private cgroup2 directory for the jobs of one daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Daemon, Setup, skip};

/// How long the kernel may take to end processes, and the server to notice.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A cgroup without processes, removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    /// `None`, and loudly, where there is no such file system, or for others than root.
    pub fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !skip::unless_root() {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            (kind.starts_with("cgroup2 ")).then_some(point)
        });
        let Some(point) = point else {
            skip::say("there is no cgroup2 file system");
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockexec-test-{}-{number}", std::process::id());
        let path = Path::new(point).join(name);
        if let Err(error) = fs::create_dir(&path) {
            skip::say(&format!("{}: {error}", path.display()));
            return None;
        }
        Some(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A daemon with its jobs' cgroups here, and this configuration.
    pub fn setup(&self, config: &str) -> Setup {
        let setup = Setup::new().config(config).control();
        setup.arguments(["--cgroup".as_ref(), self.0.as_os_str()])
    }

    /// Such a daemon that contains all jobs.
    pub fn contained(&self) -> Daemon {
        self.setup("contain = true\n").start()
    }

    /// The cgroups of jobs that are here.
    pub fn jobs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap());
        let all = entries.filter(|e| e.file_name().to_string_lossy().starts_with("job-"));
        all.map(|entry| entry.path()).collect()
    }

    /// All processes in cgroups of jobs.
    pub fn processes(&self) -> Vec<String> {
        let jobs = self.jobs().into_iter();
        let all = jobs.filter_map(|job| fs::read_to_string(job.join("cgroup.procs")).ok());
        all.flat_map(|procs| procs.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// Waits until no job has a process any more.
    #[track_caller]
    pub fn wait_empty(&self) {
        self.wait(|directory| directory.processes().is_empty());
    }

    /// Waits until this is so.
    #[track_caller]
    pub fn wait(&self, condition: impl Fn(&Self) -> bool) {
        let until = Instant::now() + WAIT_MAX;
        while !condition(self) {
            let (jobs, processes) = (self.jobs(), self.processes());
            assert!(Instant::now() < until, "{jobs:?} {processes:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for job in self.jobs() {
            let _ = fs::write(job.join("cgroup.kill"), "1");
        }
        let until = Instant::now() + WAIT_MAX;
        while !self.processes().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        for job in self.jobs() {
            let _ = fs::remove_dir(job);
        }
        let _ = fs::remove_dir(&self.0);
    }
}
