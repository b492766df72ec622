//! Jobs of the server's own user, which can change its cgroups: they harm no later job, and nothing
//! of them stays.

use std::fs;
use std::path::Path;

use crate::cgroup::Directory;
use nix::sys::signal::Signal;

use crate::common::{Client, Daemon, End, shell};

/// The job's own cgroup, for a shell.
fn own(directory: &Directory) -> String {
    let path = directory.path().display();
    format!("own={path}/$(sed -n 's|^0::.*/||p' /proc/self/cgroup)")
}

/// Runs a script that knows its cgroup as `$own`, and the directory with all of them.
fn vandalize(directory: &Directory, script: &str) -> Daemon {
    let daemon = directory.contained();
    let path = directory.path().display();
    daemon.shell(&format!("{}; all={path}; {script}", own(directory)));
    daemon
}

/// Later jobs run in cgroups of their own, and the end of the server leaves none.
#[track_caller]
fn is_unharmed(directory: &Directory, mut daemon: Daemon) {
    for _ in 0..3 {
        let reply = daemon.shell("sed -n 's|^0::.*/||p' /proc/self/cgroup");
        assert!(reply.out().starts_with("job-"), "{reply:?}");
    }
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert!(directory.jobs().is_empty());
    assert!(
        !daemon
            .log
            .all()
            .iter()
            .any(|line| line.contains("do not end"))
    );
}

#[test]
fn a_job_that_removes_its_own_cgroup() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = vandalize(
        &directory,
        "echo $$ > $all/../cgroup.procs; until rmdir $own; do :; done",
    );
    is_unharmed(&directory, daemon);
}

/// Several jobs at once. Returns how many of them were refused.
fn crowd(daemon: &Daemon) -> usize {
    let mut clients: Vec<_> = (0..8)
        .map(|_| daemon.begin(shell("echo up; cat")))
        .collect();
    let first = clients.iter_mut().map(Client::pair);
    let refused = first.filter(|(kind, _)| kind == "stderr").count();
    for client in clients {
        client.end();
        client.reply();
    }
    refused
}

#[test]
fn a_job_that_removes_the_cgroups_that_are_kept() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    assert_eq!(crowd(&daemon), 0);
    let path = directory.path().display();
    daemon.shell(&format!("rmdir {path}/job-*"));
    // One finds that out, at most.
    assert!(crowd(&daemon) <= 1);
    is_unharmed(&directory, daemon);
}

#[test]
fn a_job_that_kills_its_own_cgroup() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = vandalize(&directory, "echo 1 > $own/cgroup.kill");
    is_unharmed(&directory, daemon);
}

#[test]
fn a_job_that_leaves_its_cgroup_frozen() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let script = "echo $$ > $all/../cgroup.procs; echo 1 > $own/cgroup.freeze";
    let daemon = vandalize(&directory, script);
    is_unharmed(&directory, daemon);
}

/// Whether there are cgroups in this one.
fn has_below(cgroup: &Path) -> bool {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    let mut kinds = entries.map(|entry| entry.file_type());
    kinds.any(|kind| kind.is_ok_and(|kind| kind.is_dir()))
}

#[test]
fn a_job_that_makes_cgroups_below_its_own_and_leaves_them() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = vandalize(&directory, "mkdir $own/a $own/a/b $own/c");
    // Until then it may not be over for the server.
    directory.wait(|directory| directory.jobs().iter().all(|job| !has_below(job)));
    is_unharmed(&directory, daemon);
}

#[test]
fn a_job_that_moves_into_the_cgroup_of_another() {
    let Some(directory) = Directory::new() else {
        return;
    };
    let daemon = directory.contained();
    let script = format!("{}; echo $own; cat", own(&directory));
    let mut other = daemon.begin(shell(&script));
    let place = other.line();
    // It ends with the other job, not with its own.
    daemon.shell(&format!(
        "setsid sh -c 'echo $$ > {place}/cgroup.procs; exec sleep 1000' >/dev/null 2>&1 & \
         until grep -q . {place}/cgroup.procs && [ $(wc -l < {place}/cgroup.procs) -ge 3 ]; do :; done"
    ));
    other.end();
    assert_eq!(other.reply().end, End::Exit(0));
    directory.wait_empty();
    is_unharmed(&directory, daemon);
}
