//! When the system gives no cgroup, nothing runs outside of one.

use crate::cgroup::Directory;
use crate::common::inject::Injection;
use crate::common::{End, shell};
use nix::sys::signal::Signal;

/// The kernel refuses a call: the client gets 111 and the reason, and later jobs run.
#[track_caller]
fn is_refused(call: &str, reason: &str) {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let Some(injection) = Injection::start(&daemon, call) else {
        return;
    };
    let reply = daemon.run(&["echo", "runs"]);
    assert_eq!(reply.end, End::Exit(111), "{call}: {reply:?}");
    let stderr = String::from_utf8_lossy(&reply.stderr);
    assert!(stderr.contains(reason), "{call}: {stderr}");
    assert!(reply.stdout.is_empty(), "{call}: {reply:?}");
    drop(injection);
    daemon.serves();
    daemon.stop();
    assert!(directory.jobs().is_empty(), "{call}");
}

#[test]
fn without_room_for_a_cgroup() {
    is_refused(
        "mkdirat:error=ENOSPC",
        "cannot make a cgroup: No space left on device",
    );
}

#[test]
fn without_a_descriptor_for_a_cgroup() {
    is_refused(
        "openat:error=EMFILE",
        "cannot make a cgroup: Too many open files",
    );
}

#[test]
fn without_a_process_for_a_cgroup() {
    is_refused(
        "clone3:error=ENOMEM",
        "cannot start a process: Cannot allocate memory",
    );
    is_refused(
        "clone3:error=EACCES",
        "cannot start a process: Permission denied",
    );
}

#[test]
fn all_are_killed_when_the_first_try_to_kill_them_fails() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let Some(injection) = Injection::start(&daemon, "pwrite64:error=ENOMEM:when=1") else {
        return;
    };
    daemon.shell("setsid sh -c 'trap \"\" TERM; sleep 1000' >/dev/null 2>&1 & :");
    directory.wait_empty();
    drop(injection);
    daemon.log.wait_for("the failure", |line| {
        line.contains("cgroup.kill: Out of memory")
    });
    daemon.serves();
}

#[test]
fn cgroups_that_a_job_has_made_in_its_own_are_removed_with_it() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let mut daemon = directory.contained();
    let path = directory.path().display();
    let script =
        format!("own={path}/$(sed -n 's|^0::.*/||p' /proc/self/cgroup); mkdir $own/a $own/a/b");
    let mut client = daemon.begin(shell(&format!("{script}; echo made; sleep 1000")));
    assert_eq!(client.line(), "made");
    drop(client);
    directory.wait(|directory| directory.jobs().is_empty());
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
}

#[test]
fn a_cgroup_that_could_not_be_removed_is_removed_later() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let leave = "setsid sleep 1000 >/dev/null 2>&1 & :";
    let Some(injection) = Injection::start(&daemon, "unlinkat:error=ENOMEM:when=1") else {
        return;
    };
    daemon.shell(leave);
    daemon
        .log
        .wait_for("the failure", |line| line.contains("not removed"));
    drop(injection);
    daemon.shell(leave);
    directory.wait(|directory| directory.jobs().is_empty());
}
