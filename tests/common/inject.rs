//! Errors of system calls that no test can bring about otherwise: put into a running daemon
//! by strace(1), or for good by a filter of the kernel's (seccomp(2)).

use super::process::{eventually, status};
use super::{Daemon, skip};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// System calls fail as long as this lives.
#[derive(Debug)]
pub struct Injection {
    strace: Child,
    daemon: u32,
    trace: PathBuf,
}

impl Injection {
    /// Makes calls of the daemon fail, such as `read:error=EIO:when=1`. `None`: the test is
    /// skipped, since strace is missing or may not trace the daemon.
    #[track_caller]
    pub fn start(daemon: &Daemon, what: &str) -> Option<Self> {
        Self::inject(daemon, what, &[])
    }

    /// The same of its programs, from the moment on at which their processes are made.
    #[track_caller]
    pub fn start_in_programs(daemon: &Daemon, what: &str) -> Option<Self> {
        Self::inject(daemon, what, &["-f"])
    }

    #[track_caller]
    fn inject(daemon: &Daemon, what: &str, options: &[&str]) -> Option<Self> {
        let call = what.split(':').next().unwrap();
        let traced = format!("trace={call}");
        let injected = format!("inject={what}");
        let options = [options, &["-e", &traced, "-e", &injected]].concat();
        Self::attach(daemon, &options)
    }

    /// Has all system calls of the daemon written down, and none fail.
    #[track_caller]
    pub fn watch(daemon: &Daemon) -> Option<Self> {
        Self::attach(daemon, &[])
    }

    /// The same, and those of its programs.
    #[track_caller]
    pub fn watch_programs(daemon: &Daemon) -> Option<Self> {
        Self::attach(daemon, &["-f"])
    }

    #[track_caller]
    fn attach(daemon: &Daemon, options: &[&str]) -> Option<Self> {
        let program = skip::unless_tool("strace")?;
        if !skip::unless_root() {
            return None;
        }
        let trace = daemon.directory.join("trace");
        let strace = Command::new(program)
            .arg("-qq")
            .args(options)
            .arg("-o")
            .arg(&trace)
            .args(["-p", &daemon.pid().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = daemon.pid();
        eventually("strace has attached", || {
            status(pid, "TracerPid") == strace.id().to_string()
        });
        Some(Self {
            strace,
            daemon: pid,
            trace,
        })
    }

    /// Waits until this number of calls has failed.
    #[track_caller]
    pub fn wait_hits(&self, count: usize) {
        eventually("a call that fails", || self.hits() >= count);
    }

    pub fn hits(&self) -> usize {
        self.text().matches("(INJECTED)").count()
    }

    /// What was written down so far.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.trace).unwrap_or_default()
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        super::process::signal(self.strace.id(), nix::sys::signal::Signal::SIGTERM);
        let _ = self.strace.wait();
        let daemon = self.daemon;
        let detached = || fs::read_to_string(format!("/proc/{daemon}/status"));
        // It may be the daemon that has ended.
        while detached().is_ok_and(|text| !text.contains("TracerPid:\t0")) {
            std::thread::yield_now();
        }
    }
}

/// From now on this process, and what it becomes, gets `errno` when it adds a descriptor
/// with one of these numbers to an epoll. Makes system calls only.
pub fn refuse_epoll_add(numbers: Range<u32>, errno: i32) -> io::Result<()> {
    const ADD: u32 = libc::EPOLL_CTL_ADD as u32;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    // Offsets in struct seccomp_data: the number, and the low halves of two arguments.
    let low = if cfg!(target_endian = "big") { 4 } else { 0 };
    let (operation, descriptor) = (16 + 8 + low, 16 + 16 + low);
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut steps = [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 6, libc::SYS_epoll_ctl as u32),
        step(LOAD, 0, 0, operation),
        step(EQUAL, 0, 4, ADD),
        step(LOAD, 0, 0, descriptor),
        step(AT_LEAST, 0, 2, numbers.start),
        step(AT_LEAST, 1, 0, numbers.end),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: integers only; then a program that lives through the call.
    let result = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
            failed => failed,
        }
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
