//! `sockexecctl top` in a pseudo terminal, with a screen and a keyboard.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, ttyname};

use crate::common::PATIENCE;
use crate::common::process::heed_interrupts;
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
    /// Starts it in a terminal of 80 columns and 24 lines, and with colours.
    pub fn start<const N: usize>(socket: &Path, args: [&str; N]) -> Self {
        Self::start_with(socket, args, [("TERM", "xterm"), ("NO_COLOR", "")])
    }

    /// The same with these variables.
    pub fn start_with<const N: usize, const M: usize>(
        socket: &Path,
        args: [&str; N],
        variables: [(&str, &str); M],
    ) -> Self {
        // The terminal sends signals only to a session that it controls.
        Self::start_by(&["setsid", "--ctty", PROGRAM], socket, args, variables)
    }

    /// The same in a session that the terminal does not control: it sends no signals.
    pub fn start_apart<const N: usize>(socket: &Path, args: [&str; N]) -> Self {
        Self::start_by(&["setsid", PROGRAM], socket, args, [("TERM", "xterm")])
    }

    fn start_by<const N: usize, const M: usize>(
        command: &[&str],
        socket: &Path,
        args: [&str; N],
        variables: [(&str, &str); M],
    ) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        // The program must not keep its own terminal.
        let close = || FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
        fcntl(&pty.master, close()).unwrap();
        fcntl(&pty.slave, close()).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        heed_interrupts();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = Command::new(command[0])
            .args(&command[1..])
            .arg("--socket")
            .arg(socket)
            .arg("top")
            .args(args)
            .envs(variables)
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

    /// The terminal goes. Waits for the end of the program.
    pub fn hang_up(&mut self) -> ExitStatus {
        let null = || File::open("/dev/null").unwrap();
        self.master = null();
        self.slave = null().into();
        self.child.wait().unwrap()
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
