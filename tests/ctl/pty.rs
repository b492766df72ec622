//! `sockexecctl top` in a pseudo terminal, with a screen and a keyboard.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, ttyname};

use crate::common::PATIENCE;
use crate::server::PROGRAM;
use crate::vt::Vt;

/// The program and its terminal.
pub struct Top {
    child: Child,
    master: File,
    slave: OwnedFd,
    before: Termios,
    pub vt: Vt,
}

impl Top {
    /// Starts it in a terminal of 80 columns and 24 lines.
    pub fn start<const N: usize>(socket: &Path, args: [&str; N]) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        // The terminal sends signals only to a session that it controls.
        let child = Command::new("setsid")
            .args(["--ctty", PROGRAM, "--socket"])
            .arg(socket)
            .arg("top")
            .args(args)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            child,
            master: pty.master.into(),
            slave: pty.slave,
            before,
            vt: Vt::new(80, 24),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn type_keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// The terminal has another size from now on.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.vt = Vt::new(width, height);
        let status = Command::new("stty")
            .arg("-F")
            .arg(ttyname(&self.slave).unwrap())
            .args(["cols", &width.to_string(), "rows", &height.to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Whether the terminal's settings are as they were at the start.
    pub fn is_as_before(&self) -> bool {
        tcgetattr(&self.slave).unwrap() == self.before
    }

    /// Waits until the screen is as wanted.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Vt) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(&self.vt) {
            let ready = self.ready(end);
            assert!(ready, "no {what}: {:#?}", self.vt.lines());
            self.read();
        }
    }

    /// Waits for its end, and looks at all that it has written.
    pub fn wait_for_end(mut self) -> (ExitStatus, Vt) {
        let status = self.child.wait().unwrap();
        assert!(self.is_as_before(), "the settings are others");
        while self.ready(Instant::now()) {
            self.read();
        }
        (status, std::mem::replace(&mut self.vt, Vt::new(80, 24)))
    }

    /// Waits for its end by this signal, after which the screen is as before.
    pub fn wait_for_end_by(self, signal: Signal) {
        let (status, vt) = self.wait_for_end();
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
        assert!(!vt.alternate && vt.cursor);
    }

    fn ready(&self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap();
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, left).unwrap() > 0
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        let length = self.master.read(&mut bytes).unwrap();
        self.vt.feed(&bytes[..length]);
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        // A test that has failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
