//! The daemon as `sockproc`: the command line, the background and the files of the program
//! of that name.

use crate::common::daemon::{PROGRAM, command, finish};
use crate::common::process::{Survivor, ends_within, eventually, link, signal, wait_gone};
use crate::common::sockproc::{self, request};
use crate::common::temporary::Directory;
use crate::common::{Client, PATIENCE};
use crate::tcp::free_port;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with a link to the daemon, and where its files go.
struct Place {
    directory: Directory,
    socket: PathBuf,
    pidfile: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = Directory::new();
        symlink(PROGRAM, directory.join("sockproc")).unwrap();
        let (socket, pidfile) = (directory.join("s"), directory.join("pid"));
        Self {
            directory,
            socket,
            pidfile,
        }
    }

    /// Names are relative to the directory, as a user would type them there.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.directory.join("sockproc"));
        command.args(arguments).current_dir(self.directory.path());
        command
    }

    fn written_pid(&self) -> u32 {
        let text = fs::read_to_string(&self.pidfile).unwrap();
        text.strip_suffix('\n').expect("a line").parse().unwrap()
    }
}

#[track_caller]
fn serves(socket: &Path) {
    let mut client = Client::connect(socket);
    client.send(request("echo served", b""));
    assert_eq!(sockproc::reply(client).succeeded(), "served\n");
}

#[test]
fn it_goes_into_the_background() {
    let place = Place::new();
    // What a server that crashed has left.
    fs::write(&place.pidfile, "1\n").unwrap();
    let output = finish(&mut place.command(&["s", "pid"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // No waiting: it serves when the command returns.
    let pid = place.written_pid();
    let _server = Survivor(pid);
    serves(&place.socket);
    let mode = fs::metadata(&place.pidfile).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    for (name, target) in [
        ("cwd", "/"),
        ("fd/0", "/dev/null"),
        ("fd/1", "/dev/null"),
        ("fd/2", "/dev/null"),
    ] {
        let found = link(pid, name);
        assert!(
            found.is_none_or(|found| found == Path::new(target)),
            "{name}"
        );
    }
    signal(pid, Signal::SIGTERM);
    wait_gone(pid);
    assert!(!place.socket.exists() && !place.pidfile.exists());
}

#[test]
fn it_stays_in_the_foreground_when_told_to() {
    for arguments in [["s", "pid", "--foreground"], ["--foreground", "s", "pid"]] {
        let place = Place::new();
        let mut child = place
            .command(&arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _server = Survivor(child.id());
        eventually("a pid file", || place.pidfile.exists());
        assert_eq!(place.written_pid(), child.id());
        serves(&place.socket);
        signal(child.id(), Signal::SIGTERM);
        assert!(ends_within(child.id(), PATIENCE));
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!place.socket.exists() && !place.pidfile.exists());
    }
}

#[test]
fn it_serves_a_port() {
    let place = Place::new();
    let port = free_port();
    let output = finish(&mut place.command(&[&port.to_string(), "pid"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pid = place.written_pid();
    let _server = Survivor(pid);
    assert_eq!(sockproc::run_tcp(port, "echo on").succeeded(), "on\n");
    signal(pid, Signal::SIGTERM);
    wait_gone(pid);
    assert!(!place.pidfile.exists());
}

#[test]
fn whoever_starts_it_is_told_why_it_does_not_serve() {
    let place = Place::new();
    for (arguments, code, words) in [
        (&["missing/s", "pid"][..], 111, "missing/s"),
        (&["s", "missing/pid"], 111, "missing/pid"),
        (&[], 100, "PATH|PORT"),
        (&["70000", "pid"], 100, "65535"),
        (&["s", "pid", "--wrong"], 100, "--wrong"),
    ] {
        let output = finish(&mut place.command(arguments));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(
            !place.socket.exists() && !place.pidfile.exists(),
            "{arguments:?}"
        );
    }
}
