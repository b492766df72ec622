//! Limits that the cgroup of a job may have, where their controllers are delegated.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::files;
use crate::execution::Execution;

/// The controllers that limits of jobs need, each with the limit's name in the configuration and
/// its file.
const LIMITS: [(&str, &str, &str); 3] = [
    ("memory", "memory-max", "memory.max"),
    ("pids", "tasks-max", "pids.max"),
    ("cpu", "cpu-weight", "cpu.weight"),
];

/// The value for each of [`LIMITS`].
fn of(execution: &Execution) -> [Option<u64>; 3] {
    [
        execution.memory_max,
        execution.tasks_max,
        execution.cpu_weight,
    ]
}

/// Whether there are any.
pub(super) fn any(execution: &Execution) -> bool {
    of(execution).iter().any(Option::is_some)
}

/// Sets those of this execution.
pub(super) fn set(cgroup: impl AsFd, execution: &Execution) -> Result<(), Errno> {
    let cgroup = cgroup.as_fd();
    for ((_, _, file), limit) in LIMITS.iter().zip(of(execution)) {
        let Some(limit) = limit else { continue };
        files::write(cgroup, file, &limit.to_string())?;
    }
    if execution.memory_max.is_some() {
        // A job without some of its processes would be a riddle. Older kernels have no such file.
        let _ = files::write(cgroup, "memory.oom.group", "1");
    }
    Ok(())
}

/// Checks that the limits of these executions can be set below a directory, and prepares that.
///
/// # Errors
///
/// The limit that cannot be set, and the reason.
pub(super) fn require<'a>(
    (directory, path): (impl AsFd, &Path),
    executions: impl Iterator<Item = &'a Execution>,
) -> Result<(), String> {
    let directory = directory.as_fd();
    let mut wanted = [false; LIMITS.len()];
    for execution in executions {
        for (wanted, limit) in wanted.iter_mut().zip(of(execution)) {
            *wanted |= limit.is_some();
        }
    }
    let shown = path.display();
    let available = files::read(directory, "cgroup.controllers")
        .map_err(|errno| format!("{shown}/cgroup.controllers: {}", errno.desc()))?;
    for ((controller, key, _), _) in LIMITS.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
        if available.split_whitespace().all(|name| name != *controller) {
            return Err(format!(
                "{key}: the controller {controller} is not delegated to {shown}: it needs \
                 Delegate=yes in the unit, or +{controller} in cgroup.subtree_control above"
            ));
        }
        let enable = format!("+{controller}");
        files::write(directory, "cgroup.subtree_control", &enable).map_err(|errno| {
            let reason = match errno {
                Errno::EBUSY => "there are processes in that cgroup itself",
                errno => errno.desc(),
            };
            format!("{key}: cannot enable {controller} in {shown}: {reason}")
        })?;
    }
    Ok(())
}
