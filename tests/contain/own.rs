//! Without `--cgroup` the server divides its own cgroup, if that was delegated to it.

use crate::cgroup::Directory;
use crate::common::Setup;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

/// A daemon that is in the cgroup from the start.
fn inside(directory: &Directory, below: &str) -> Setup {
    let procs = directory.path().join(below).join("cgroup.procs");
    let setup = Setup::new().control().config("contain = true\n");
    setup.before_exec(move || fs::write(&procs, "0"))
}

/// Marks the cgroup as systemd does.
fn mark(directory: &Directory) {
    let path = CString::new(directory.path().as_os_str().as_bytes()).unwrap();
    let (name, value) = (c"trusted.delegate", b"1");
    // SAFETY: strings that end with a NUL, and a value of one byte.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), 1, 0) };
    assert_eq!(result, 0);
}

#[track_caller]
fn contains(setup: Setup, directory: &Directory) {
    let daemon = setup.start();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", daemon.pid())).unwrap();
    assert!(own.contains("/server\n"), "{own}");
    let job = daemon
        .shell("sed -n s/^0:://p /proc/self/cgroup")
        .succeeded();
    let name = directory.path().file_name().unwrap().to_string_lossy();
    assert!(job.contains(&format!("/{name}/job-")), "{job}");
    daemon.stop();
    assert!(directory.jobs().is_empty());
}

#[test]
fn one_that_is_not_delegated_is_left_alone() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = inside(&directory, "").spawn();
    assert_eq!(daemon.wait().code(), Some(111));
    daemon
        .log
        .wait_for("the reason", |line| line.contains("is not delegated to it"));
}

#[test]
fn the_server_leaves_the_one_that_is_delegated() {
    let Some(directory) = Directory::new() else {
        return;
    };
    mark(&directory);
    for _ in 0..2 {
        contains(inside(&directory, ""), &directory);
    }
    fs::remove_dir(directory.path().join("server")).unwrap();
}

#[test]
fn a_server_in_a_subgroup_has_its_jobs_beside_it() {
    let Some(directory) = Directory::new() else {
        return;
    };
    mark(&directory);
    let server = directory.path().join("server");
    fs::create_dir(&server).unwrap();
    contains(inside(&directory, "server"), &directory);
    fs::remove_dir(server).unwrap();
}
