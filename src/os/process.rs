//! A process that was started: its end, its group, and its number until it is reaped.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::os::usage;
use crate::program::{Cost, Exit};

/// A process of ours. Until it is reaped the kernel gives its number, and its group's, to no
/// other process.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    reaped: bool,
    cost: Option<Cost>,
}

impl Process {
    /// Takes charge of a child.
    pub(in crate::os) fn new(pid: Pid) -> Self {
        Self {
            pid,
            reaped: false,
            cost: None,
        }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends the signal of this number to the process group.
    ///
    /// # Errors
    ///
    /// EPERM if none of its processes may be signalled; ESRCH if it has been reaped.
    pub fn signal_group(&self, signal: i32) -> Result<(), Errno> {
        if self.reaped {
            return Err(Errno::ESRCH);
        }
        match send(-self.pid.as_raw(), signal) {
            // The child has not made the group yet: it is alone.
            Err(Errno::ESRCH) => send(self.pid.as_raw(), signal),
            result => result,
        }
    }

    /// How the process has ended, if it has. It stays a zombie, which pins its group's number,
    /// until it is reaped.
    ///
    /// # Errors
    ///
    /// The error of waitid(2): then nothing is known.
    pub fn peek_exit(&mut self) -> Result<Option<Exit>, Errno> {
        self.look(libc::WNOWAIT)
    }

    /// How the process has ended, if it has. It is reaped then.
    ///
    /// # Errors
    ///
    /// The error of waitid(2): then nothing is known.
    pub fn take_exit(&mut self) -> Result<Option<Exit>, Errno> {
        let exit = self.look(0)?;
        self.reaped = exit.is_some();
        Ok(exit)
    }

    /// What it cost, once its end has been seen.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }

    fn look(&mut self, flags: libc::c_int) -> Result<Option<Exit>, Errno> {
        let end = wait(self.pid, flags)?;
        self.cost = end.map(|(_, cost)| cost);
        Ok(end.map(|(exit, _)| exit))
    }

    /// Whether there is no such process: another party has reaped it.
    pub fn is_gone(&self) -> bool {
        self.reaped
            || (wait(self.pid, libc::WNOWAIT) == Err(Errno::ECHILD)
                && send(self.pid.as_raw(), 0) == Err(Errno::ESRCH))
    }

    /// Reaps the zombie, if there still is one. Returns the process if it has not ended, or if
    /// that is unknown.
    ///
    /// # Errors
    ///
    /// The process, when it is still there.
    pub fn reap(self) -> Result<(), Self> {
        if self.reaped {
            return Ok(());
        }
        match wait(self.pid, 0) {
            Ok(Some(_)) => Ok(()),
            Err(_) if self.is_gone() => Ok(()),
            Ok(None) | Err(_) => Err(self),
        }
    }
}

/// nix has no real-time signals, so this is the plain call.
fn send(to: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: kill(2) touches no memory of ours.
    Errno::result(unsafe { libc::kill(to, signal) }).map(drop)
}

/// Sends a signal to a process that is not our child, if it is the one that is meant: that is
/// checked while its descriptor keeps its number from meaning another.
pub(in crate::os) fn signal_if(
    pid: i32,
    is_meant: impl FnOnce() -> bool,
    signal: i32,
) -> Result<(), Errno> {
    // SAFETY: two numbers.
    let pidfd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just made this descriptor, and nothing else uses it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    if !is_meant() {
        return Err(Errno::ESRCH);
    }
    let (call, none) = (
        libc::SYS_pidfd_send_signal,
        std::ptr::null::<libc::siginfo_t>(),
    );
    // SAFETY: numbers, and no siginfo_t.
    Errno::result(unsafe { libc::syscall(call, pidfd.as_raw_fd(), signal, none, 0) }).map(drop)
}

fn wait(pid: Pid, flags: libc::c_int) -> Result<Option<(Exit, Cost)>, Errno> {
    // nix turns a real-time signal into an error, and the C library passes no rusage, so this is
    // the plain call.
    // SAFETY: all-zero is a valid siginfo_t and rusage, and waitid only writes to them.
    let (result, info, usage) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = flags | libc::WEXITED | libc::WNOHANG;
        let mut usage: libc::rusage = std::mem::zeroed();
        let result = libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid.as_raw(),
            &raw mut info,
            flags,
            &raw mut usage,
        );
        (result, info, usage)
    };
    Errno::result(result)?;
    // SAFETY: waitid has filled in these fields, or left them zero.
    let (reaped, status) = unsafe { (info.si_pid(), info.si_status()) };
    let exit = match info.si_code {
        libc::CLD_EXITED => Exit::Code(status),
        code => Exit::Signal {
            number: status,
            dumped: code == libc::CLD_DUMPED,
        },
    };
    Ok((reaped != 0).then(|| (exit, cost(&usage))))
}

fn cost(rusage: &libc::rusage) -> Cost {
    let time = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let micros = u64::try_from(time.tv_usec).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    Cost {
        user: time(rusage.ru_utime),
        system: time(rusage.ru_stime),
        memory: usage::peak_beyond_ours(u64::try_from(rusage.ru_maxrss).unwrap_or_default() * 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    #[test]
    fn reports_how_a_process_ended_as_wait_does() {
        let directory = std::env::temp_dir().join(format!("sockexec-core-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        for script in [
            "exit 3",
            "kill -TERM $$",
            "ulimit -c 0; kill -SEGV $$",
            // Leaves a core if the system keeps cores.
            "ulimit -c unlimited; kill -SEGV $$",
        ] {
            let mut child = Command::new("sh")
                .args(["-c", script])
                .current_dir(&directory)
                .spawn()
                .unwrap();
            let pid = Pid::from_raw(child.id() as i32);
            waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
            let mut process = Process::new(pid);
            let exit = process.peek_exit();
            assert!(process.cost().is_some());
            let status = child.wait().unwrap();
            let wanted = match status.signal() {
                None => Exit::Code(status.code().unwrap()),
                Some(number) => Exit::Signal {
                    number,
                    dumped: status.core_dumped(),
                },
            };
            assert_eq!(exit, Ok(Some(wanted)), "{script}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
