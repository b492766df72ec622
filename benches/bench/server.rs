//! The server under test: started on a socket of its own, watched, ended.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::PATIENCE;
use crate::spawn;
use crate::wire::{self, Conversation};

/// A directory that goes away with its owner.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockexec-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub path: PathBuf,
    child: Child,
    /// The server's standard output: it stays empty, and ends with the server.
    lifeline: File,
    directory: Directory,
}

/// The executable: the one that cargo has built, or the one that is named in the
/// environment, to measure an older build with the same bench.
pub fn executable() -> PathBuf {
    std::env::var_os("SOCKEXEC_UNDER_TEST")
        .map_or_else(|| env!("CARGO_BIN_EXE_sockexec").into(), PathBuf::from)
}

impl Server {
    /// Starts it and waits until it answers. Its log goes to a file, at the level that an
    /// operator gets, because writing it is part of the work.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let directory = Directory::new()?;
        let path = directory.0.join("socket");
        let log = File::create(directory.0.join("log"))?;
        let (lifeline, stdout) = spawn::pipe()?;
        let child = Command::new(executable())
            .args(["--log", "stderr"])
            .args(options)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log)
            .spawn()?;
        let mut server = Self {
            path,
            child,
            lifeline,
            directory,
        };
        match server.wait_until_ready() {
            Ok(()) => Ok(server),
            Err(error) => Err(server.explain(error)),
        }
    }

    /// There is no event for a socket that starts to listen, so this tries to connect, and
    /// between two tries waits for the only event: the server's early end.
    fn wait_until_ready(&mut self) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            match wire::connect(&self.path) {
                Ok(_) => break,
                Err(error) if begin.elapsed() > PATIENCE => return Err(error),
                Err(_) if self.has_ended_within(Duration::from_millis(2))? => {
                    return Err(io::Error::other("the server ended at once"));
                }
                Err(_) => {}
            }
        }
        self.ask_for_true()
    }

    /// One request and its whole reply. Connections are accepted in their order: with this
    /// reply, all that were opened before have been accepted.
    pub fn ask_for_true(&self) -> io::Result<()> {
        Conversation::open(&self.path, &wire::request(&["/bin/true"]))?.finish(0)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn has_ended_within(&self, time: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        Ok(poll(&mut fds, timeout)? > 0)
    }

    /// Adds the end of the server's log to an error.
    pub fn explain(&self, error: io::Error) -> io::Error {
        let mut log = String::new();
        let _ =
            File::open(self.directory.0.join("log")).and_then(|mut f| f.read_to_string(&mut log));
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n  ");
        io::Error::new(
            error.kind(),
            format!("{error}; the server's last words:\n  {tail}"),
        )
    }

    /// Ends it: it has to go when asked, and with success.
    pub fn stop(mut self) -> io::Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        if !self.has_ended_within(PATIENCE)? {
            return Err(self.explain(io::Error::other("the server does not end on SIGTERM")));
        }
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(self.explain(io::Error::other(format!("the server: {status}"))))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end, and the kernel's number is not used.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Raises the limit of descriptors, for this process and the server that it starts, so
/// that `connections` fit if the system allows it. Returns what is allowed.
pub fn raise_descriptors(connections: u64) -> io::Result<u64> {
    let wanted = 8 * connections;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let pairs = [(wanted.max(soft), wanted.max(hard)), (hard, hard)];
    let raised = pairs
        .into_iter()
        .find(|&(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).is_ok());
    Ok(raised.map_or(soft, |(soft, _)| soft))
}
