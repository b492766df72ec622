//! Sockets from superservers: real programs hand over a listening or a connected socket, and
//! the daemon uses it as the protocol requires.
//!
//! systemd-socket-activate and s6 run as any user; inetd needs root.

#[path = "../common/mod.rs"]
mod common;

mod inetd;
mod s6;
mod systemd;

use common::lines::Lines;
use common::process::{children, signal_if_there, wait_gone};
use common::{Client, End, Reply, shell};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

/// A program that starts the daemon. What it has started ends with it.
#[derive(Debug)]
struct Starter {
    child: Child,
    log: Lines,
}

impl Starter {
    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Lines::read(child.stderr.take().unwrap());
        Self { child, log }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of a starter that has become the daemon.
    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        wait_gone(self.pid());
        self.child.wait().unwrap()
    }

    fn wait_for(&self, text: &str) {
        self.log.wait_for(text, |line| line.contains(text));
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let started = children(self.pid());
            for pid in started.into_iter().chain([self.pid()]) {
                signal_if_there(pid, Signal::SIGTERM);
            }
            // An inetd may wait for what it has started.
            wait_gone(self.pid());
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("{:#?}", self.log.all());
        }
    }
}

/// Runs a shell script through the socket.
#[track_caller]
fn run(path: &Path, script: &str) -> Reply {
    let mut client = Client::connect(path);
    client.send(shell(script));
    client.send("0:,");
    client.reply()
}

/// Checks that programs run as they do when the daemon has bound its socket itself.
#[track_caller]
fn serves(path: &Path) {
    let own = Command::new("uname").arg("-a").output().unwrap();
    let own = String::from_utf8(own.stdout).unwrap();
    assert_eq!(run(path, "exec uname -a").succeeded(), own);
    let mut client = Client::connect(path);
    client.send("1:1,3:cat,5:hello,0:,");
    assert_eq!(client.reply().succeeded(), "hello");
    let reply = run(path, "echo err >&2; exit 7");
    assert_eq!((reply.err(), reply.end), ("err\n".into(), End::Exit(7)));
    run(path, "exec /no/such/program");
    // Nothing of the activation goes on to programs.
    let fds = run(path, "exec ls /proc/self/fd").succeeded();
    assert_eq!(fds, "0\n1\n2\n3\n");
    let env = run(path, "exec env").succeeded();
    for name in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!env.lines().any(|l| l.starts_with(name)), "{env}");
    }
    let pid = format!("IPCREMOTEPID={}", std::process::id());
    assert!(env.lines().any(|l| l == pid), "{env}");
    // What is malformed is answered.
    let mut client = Client::connect(path);
    client.send("1:0,");
    client.reply().refused(100, &[]);
}
