//! A file system that never answers: only the program of one client hangs there.

use crate::common::process::{children, eventually, wait_gone};
use crate::common::skip;
use crate::common::temporary::Directory;
use crate::common::{End, Setup, request, shell};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// A FUSE mount whose requests are not read. On drop hanging processes are released.
struct Hanging {
    device: Option<File>,
    /// Where it is mounted. Goes last, and alone: looking for what is to be removed in a
    /// directory with this mount in it would hang.
    directory: Directory,
}

impl Hanging {
    /// Mounts on a new directory, or skips the test.
    fn mount() -> Option<Self> {
        if !skip::unless_root() {
            return None;
        }
        let device = match OpenOptions::new().read(true).write(true).open("/dev/fuse") {
            Ok(device) => device,
            Err(e) => {
                skip::say(&format!("/dev/fuse: {e}"));
                return None;
            }
        };
        let directory = Directory::new();
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let options = CString::new(options).unwrap();
        let path = CString::new(directory.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: all strings end with a NUL and live through the call.
        let result = unsafe {
            libc::mount(
                c"sockexec-test".as_ptr(),
                path.as_ptr(),
                c"fuse".as_ptr(),
                0,
                options.as_ptr().cast(),
            )
        };
        if result != 0 {
            skip::say(&format!("mount of fuse: {}", Errno::last()));
            return None;
        }
        Some(Self {
            device: Some(device),
            directory,
        })
    }

    fn program(&self) -> String {
        self.directory.join("program").to_str().unwrap().to_owned()
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Closing the device makes each waiting request fail.
        drop(self.device.take());
        let path = CString::new(self.directory.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: the string ends with a NUL and lives through the call.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn a_program_on_a_hanging_file_system_stops_nobody_else() {
    let setup = Setup::new().arguments(["-t", "0", "-k", "0.5"]);
    let Some(hanging) = Hanging::mount() else {
        return;
    };
    let daemon = setup.start();
    let stuck: Vec<_> = (0..5)
        .map(|_| daemon.begin(request(&[hanging.program()])))
        .collect();
    let start = Instant::now();
    for _ in 0..20 {
        daemon.serves();
    }
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    // Clients that go away from there leave nothing behind.
    drop(stuck);
    eventually("no child is left", || children(daemon.pid()).is_empty());
    daemon.stop();
}

#[test]
fn however_many_hang_there_others_are_served() {
    let setup = Setup::new().arguments(["-t", "0", "-k", "0.5"]);
    let Some(hanging) = Hanging::mount() else {
        return;
    };
    let daemon = setup.start();
    // All but one of the connections that there may be.
    let stuck: Vec<_> = (0..99)
        .map(|_| daemon.begin(request(&[hanging.program()])))
        .collect();
    for _ in 0..20 {
        daemon.serves();
    }
    drop(stuck);
    eventually("no child is left", || children(daemon.pid()).is_empty());
    daemon.serves();
}

#[test]
fn a_program_on_a_hanging_file_system_ends_at_the_deadline() {
    let setup = Setup::new().arguments(["-t", "0.5", "-k", "0.5"]);
    let Some(hanging) = Hanging::mount() else {
        return;
    };
    let daemon = setup.start();
    let reply = daemon.run(&[hanging.program()]);
    assert_ne!(reply.end, End::Exit(0), "{reply:?}");
    eventually("no child is left", || children(daemon.pid()).is_empty());
    daemon.serves();
}

#[test]
fn a_hanging_directory_in_path_stops_only_who_looks_there() {
    let setup = Setup::new();
    let Some(hanging) = Hanging::mount() else {
        return;
    };
    let path = format!("/usr/bin:/bin:{}", hanging.directory.path().display());
    let daemon = setup
        .env("PATH", path)
        .arguments(["-t", "1", "-k", "0.5"])
        .start();
    let stuck = daemon.begin(request(&["found-nowhere"]));
    for _ in 0..10 {
        daemon.serves();
    }
    assert_ne!(stuck.reply().end, End::Exit(0));
}

#[test]
fn a_drain_does_not_wait_for_a_hanging_file_system() {
    let setup = Setup::new().arguments(["-t", "0", "-k", "0.5"]);
    let Some(hanging) = Hanging::mount() else {
        return;
    };
    let daemon = setup.start();
    let _stuck = daemon.begin(request(&[hanging.program()]));
    let mut other = daemon.begin(shell("echo $$; exec sleep 1000"));
    let pid = other.number();
    daemon.stop();
    wait_gone(pid);
}
