//! Looking at processes that are not our children, and waiting for their end.

use super::PATIENCE;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

/// Programs that are started from now on heed SIGINT and SIGQUIT. They inherit that a signal is ignored,
/// as in a background job of a shell; a signal that is handled is the default in a new program.
pub fn heed_interrupts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [libc::SIGINT, libc::SIGQUIT] {
            let always = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_default(signal, always).unwrap();
        }
    });
}

/// The effective user and group of the tests.
pub fn own_user() -> (u32, u32) {
    // SAFETY: no arguments, and they always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Opens a descriptor that becomes readable when the process ends. `None` when it has
/// gone already.
pub fn descriptor_of(pid: u32) -> Option<OwnedFd> {
    // SAFETY: two integers; the result is a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        assert_eq!(Errno::last(), Errno::ESRCH, "pidfd_open of {pid}");
        return None;
    }
    // SAFETY: the descriptor is new, and nothing else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap()) })
}

/// Waits until one of the descriptors can be read. `false` when `patience` is over.
pub fn wait_readable(fds: &[BorrowedFd<'_>], patience: Duration) -> bool {
    let mut polled: Vec<_> = fds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    let end = Instant::now() + patience;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match poll(&mut polled, PollTimeout::try_from(left).unwrap()) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return true,
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// Waits until the process has ended; a zombie has. `false` when `patience` is over.
pub fn ends_within(pid: u32, patience: Duration) -> bool {
    descriptor_of(pid).is_none_or(|fd| wait_readable(&[fd.as_fd()], patience))
}

/// Waits until the process has ended.
#[track_caller]
pub fn wait_gone(pid: u32) {
    assert!(ends_within(pid, PATIENCE), "process {pid} lives on");
}

/// True while the process runs; a zombie does not.
pub fn lives(pid: u32) -> bool {
    !ends_within(pid, Duration::ZERO)
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    kill(pid, signal).unwrap();
}

/// The same, for a process that may have ended and been reaped meanwhile.
pub fn signal_if_there(pid: u32, signal: Signal) {
    let result = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
    assert!(matches!(result, Ok(()) | Err(Errno::ESRCH)), "{result:?}");
}

/// Ends a process that was meant to live on when the test does not need it any more.
#[derive(Debug)]
pub struct Survivor(pub u32);

impl Drop for Survivor {
    fn drop(&mut self) {
        let _ = kill(
            Pid::from_raw(i32::try_from(self.0).unwrap()),
            Signal::SIGKILL,
        );
    }
}

/// Waits for what the kernel shows in /proc but does not announce.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a link in a process's directory of /proc leads to, such as `cwd`. `None` where only
/// root may ask: the daemon does not let others of its user look into it.
pub fn link(pid: u32, name: &str) -> Option<PathBuf> {
    match fs::read_link(format!("/proc/{pid}/{name}")) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied && own_user().0 != 0 => None,
        result => Some(result.unwrap()),
    }
}

/// What a descriptor of a process refers to, such as `socket:[123]`, in a fixed order. Who
/// may not ask what the daemon has open gets as many question marks.
pub fn descriptors(pid: u32) -> Vec<String> {
    let directory = format!("/proc/{pid}/fd");
    let listed = match fs::read_dir(&directory) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied && own_user().0 != 0 => {
            let count = fs::metadata(&directory).unwrap().len();
            assert!(
                count > 0,
                "the count of descriptors needs Linux 6.2, or root"
            );
            return (0..count).map(|_| "?".to_owned()).collect();
        }
        listed => listed.unwrap(),
    };
    let mut all: Vec<String> = listed
        // A descriptor may be closed between the two looks.
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    all.sort();
    all
}

/// The number of a process's sockets or, without the permission for that, of its descriptors.
pub fn sockets(pid: u32) -> usize {
    descriptors(pid)
        .iter()
        .filter(|d| d.starts_with("socket:") || *d == "?")
        .count()
}

/// The children of a process, zombies included.
pub fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect()
}

/// A field of `/proc/PID/status`, without its unit.
pub fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    field_of(&text, field)
}

/// A field of a text such as `/proc/PID/status`.
pub fn field_of(text: &str, field: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {field} in {text}"))
        .trim()
        .trim_end_matches(" kB")
        .to_owned()
}

/// Resident memory in KiB.
pub fn resident(pid: u32) -> usize {
    status(pid, "VmRSS").parse().unwrap()
}

/// The part of that, in KiB, which is not the program's file: its code is read as it is used.
pub fn anonymous(pid: u32) -> usize {
    status(pid, "RssAnon").parse().unwrap()
}

/// Bytes that a socket's peer has not yet taken.
pub fn unread(socket: &impl AsRawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ stores one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &mut count) };
    assert_eq!(result, 0, "TIOCOUTQ: {}", Errno::last());
    usize::try_from(count).unwrap()
}

/// Changes a soft limit of a process.
pub fn limit(pid: u32, resource: libc::__rlimit_resource_t, soft: u64) {
    let pid = i32::try_from(pid).unwrap();
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the struct is ours and lives through the call.
    let result = unsafe { libc::prlimit(pid, resource, std::ptr::null(), &mut limits) };
    assert_eq!(result, 0);
    limits.rlim_cur = soft.min(limits.rlim_max);
    // SAFETY: as above.
    let result = unsafe { libc::prlimit(pid, resource, &limits, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{}", Errno::last());
}

/// The processor time that a process has used.
pub fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", pid)).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
