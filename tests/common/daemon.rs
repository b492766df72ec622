//! A real daemon, started for one test and ended with it.

use super::lines::Lines;
use super::notify::Notify;
use super::process::{self, descriptor_of, wait_readable};
use super::temporary::Directory;
use super::{Client, PATIENCE, Reply, client};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

/// The daemon's executable.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sockexec");

/// A daemon that is yet to be started.
#[derive(Debug)]
pub struct Setup {
    pub command: Command,
    pub directory: Directory,
    pub notify: Notify,
    socket: PathBuf,
    log: &'static str,
    config: PathBuf,
    path_given: bool,
}

impl Setup {
    pub fn new() -> Self {
        Self::by(&[])
    }

    /// A daemon that another program starts, by replacing itself: the words of that
    /// program's command line come before the daemon's.
    pub fn by(starter: &[&str]) -> Self {
        let directory = Directory::new();
        let notify = Notify::new(directory.join("notify"));
        let socket = directory.join("s");
        let mut words = starter.iter().copied().chain([PROGRAM]);
        let mut command = command(words.next().expect("at least the daemon"));
        command
            .args(words)
            .env("NOTIFY_SOCKET", notify.path())
            // Not the PATH of the tests' user: a directory in it that may not be searched turns
            // "not found" into "permission denied", as in execvp(3).
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self {
            command,
            directory,
            notify,
            socket,
            log: "stderr",
            // Not that of this machine.
            config: "/dev/null".into(),
            path_given: true,
        }
    }

    /// Logs there instead of to stderr.
    pub fn log(mut self, target: &'static str) -> Self {
        self.log = target;
        self
    }

    /// Writes a configuration file and has the daemon read it; without a text there is none.
    pub fn config(mut self, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        self.config = self.directory.file("sockexec.toml", 0o644, text).into();
        self
    }

    /// Gives no path to the daemon, which has its socket from elsewhere.
    pub fn without_path(mut self) -> Self {
        self.path_given = false;
        self
    }

    /// Serves sockproc at the usual path, and nothing else.
    pub fn sockproc(mut self) -> Self {
        self.command.arg("--sockproc").arg(&self.socket);
        self.without_path()
    }

    pub fn arguments<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Serves on this path instead of the usual one.
    pub fn socket(mut self, path: PathBuf) -> Self {
        self.socket = path;
        self
    }

    /// Does something in the daemon's process before the daemon is executed. It may only
    /// make system calls.
    pub fn before_exec(
        mut self,
        action: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: callers keep to system calls, which are safe after fork.
        unsafe { self.command.pre_exec(action) };
        self
    }

    /// Starts the daemon and waits until it serves.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let daemon = self.spawn();
        daemon.wait_ready();
        daemon
    }

    /// Starts the daemon and does not wait.
    pub fn spawn(mut self) -> Daemon {
        self.command
            .args(["--log", self.log, "--config"])
            .arg(&self.config);
        if self.path_given {
            self.command.arg(&self.socket);
        }
        let mut child = self.command.spawn().expect(PROGRAM);
        let log = child.stderr.take().map(Lines::read).unwrap_or_default();
        Daemon {
            child,
            log,
            notify: self.notify,
            directory: self.directory,
            socket: self.socket,
            status: None,
        }
    }
}

/// A command without anything that a supervisor of the tests has left in the environment.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in [
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ] {
        command.env_remove(name);
    }
    command
}

/// Waits for the end of a command that must end by itself.
#[track_caller]
pub fn finish(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if !process::ends_within(child.id(), PATIENCE) {
        let _ = child.kill();
        panic!("{command:?} runs on");
    }
    child.wait_with_output().unwrap()
}

/// A running daemon. Ends with the test, and fails it when it has ended before.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pub log: Lines,
    pub notify: Notify,
    pub directory: Directory,
    pub socket: PathBuf,
    status: Option<ExitStatus>,
}

impl Daemon {
    /// Starts a daemon with these arguments and waits until it serves.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        Setup::new().arguments(arguments).start()
    }

    #[track_caller]
    pub fn wait_ready(&self) {
        let ended = descriptor_of(self.pid()).expect("our own child");
        loop {
            let told = wait_readable(&[self.notify.as_fd(), ended.as_fd()], PATIENCE);
            assert!(told, "the daemon is not ready: {:#?}", self.log.all());
            match self.notify.next(Duration::from_millis(1)) {
                Some(lines) if lines.iter().any(|l| l == "READY=1") => return,
                Some(_) => {}
                None => {
                    let more = self.log.wait(|_| None::<()>);
                    panic!("the daemon has ended: {:#?}{more:?}", self.log.all());
                }
            }
        }
    }

    /// Waits for the log line about serving, for a daemon that has no supervisor.
    #[track_caller]
    pub fn wait_serving(&self) {
        self.log
            .wait_for("serving", |line| line.contains("serving"));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn path(&self) -> &Path {
        &self.socket
    }

    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(&self.socket)
    }

    /// Connects and sends a request's head; stdin stays open.
    #[track_caller]
    pub fn begin(&self, head: impl AsRef<[u8]>) -> Client {
        let mut client = self.connect();
        client.send(head);
        client
    }

    /// Runs a program without stdin and waits for its reply.
    #[track_caller]
    pub fn run(&self, arguments: &[impl AsRef<[u8]>]) -> Reply {
        let mut head = client::request(arguments);
        head.extend_from_slice(client::END);
        self.begin(head).reply()
    }

    /// Runs a shell script without stdin and waits for its reply.
    #[track_caller]
    pub fn shell(&self, script: &str) -> Reply {
        self.run(&["sh", "-c", script])
    }

    /// Checks that the daemon serves.
    #[track_caller]
    pub fn serves(&self) {
        assert_eq!(self.run(&["echo", "served"]).succeeded(), "served\n");
    }

    pub fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits for the daemon's end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        assert!(
            process::ends_within(self.pid(), PATIENCE),
            "the daemon does not end: {:#?}",
            self.log.all()
        );
        let status = self.child.wait().unwrap();
        self.status = Some(status);
        status
    }

    /// Ends the daemon as an administrator does, and checks its exit code.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{status}: {:#?}", self.log.all());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let crashed = match self.status {
            Some(_) => None,
            None => self.child.try_wait().unwrap(),
        };
        if self.status.is_none() && crashed.is_none() {
            // With the second TERM it does not wait for jobs. The two must not arrive as
            // one, hence the pause.
            for patience in [100, 2000] {
                self.signal(Signal::SIGTERM);
                if process::ends_within(self.pid(), Duration::from_millis(patience)) {
                    break;
                }
            }
            // Whatever it is doing, it has no reason to live.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            let lines = self.log.all();
            let shown = &lines[lines.len().saturating_sub(12)..];
            eprintln!("the daemon's last lines: {shown:#?}");
        } else if let Some(status) = crashed {
            panic!(
                "the daemon has ended by itself: {status}: {:#?}",
                self.log.all()
            );
        }
    }
}
