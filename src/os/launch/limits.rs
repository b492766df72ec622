//! The child's limits: of its resources, its priority and the permissions of its files.

use std::ffi::c_int;
use std::ptr;

use super::plan::Plan;
use crate::execution::Resource;
use crate::os::limits::number;
use crate::os::syscall::syscall;

const NULL: usize = 0;

/// The resources whose limits are set while this process is the server's user.
const EARLY: [Resource; 5] = [
    Resource::Cpu,
    Resource::Memory,
    Resource::FileSize,
    Resource::OpenFiles,
    Resource::Core,
];

/// The time that a program has after SIGXCPU, in seconds.
const AFTER_SIGXCPU: u64 = 1;

/// Sets the niceness of this process.
pub(super) unsafe fn set_niceness(plan: &Plan) -> Result<(), c_int> {
    let Some(nice) = plan.nice else {
        return Ok(());
    };
    let arguments = [libc::PRIO_PROCESS as usize, 0, usize::from(nice)];
    // SAFETY: see `child::main`; concerns this process alone.
    unsafe { syscall(libc::SYS_setpriority, arguments) }.map(drop)
}

/// Sets the mask of permissions, which this process does not share.
pub(super) unsafe fn set_umask(plan: &Plan) -> Result<(), c_int> {
    let Some(umask) = plan.umask else {
        return Ok(());
    };
    // SAFETY: see `child::main`; concerns this process alone.
    unsafe { syscall(libc::SYS_umask, [umask as usize]) }.map(drop)
}

/// Sets the limits of resources, but not that of processes.
pub(super) unsafe fn limit_resources(plan: &Plan) -> Result<(), c_int> {
    for resource in EARLY {
        // SAFETY: see `child::main`.
        unsafe { limit(plan, resource) }?;
    }
    Ok(())
}

/// Sets the limit of processes, after the change of the user: before, the kernel would count the
/// processes of the new user, and refuse the exec if there are more.
pub(super) unsafe fn limit_processes(plan: &Plan) -> Result<(), c_int> {
    // SAFETY: see `child::main`.
    unsafe { limit(plan, Resource::Processes) }
}

/// Sets this process's soft limit of descriptors, unless the plan has a limit of its own.
pub(super) unsafe fn limit_descriptors(plan: &Plan) -> Result<(), c_int> {
    let (Some(soft), None) = (
        plan.surroundings.descriptors,
        plan.limits.get(Resource::OpenFiles),
    ) else {
        return Ok(());
    };
    // SAFETY: see `child::main`.
    unsafe { set(Resource::OpenFiles, soft, u64::MAX) }
}

unsafe fn limit(plan: &Plan, resource: Resource) -> Result<(), c_int> {
    let Some(value) = plan.limits.get(resource) else {
        return Ok(());
    };
    let hard = match resource {
        // At the hard limit it gets SIGKILL, of which the reason cannot be seen.
        Resource::Cpu => value.saturating_add(AFTER_SIGXCPU),
        _ => value,
    };
    // SAFETY: see `child::main`.
    unsafe { set(resource, value, hard) }
}

/// Sets a soft and a hard limit of this process, as far as the hard limit allows. That may have
/// been lowered since the server was started, and is never raised.
unsafe fn set(resource: Resource, soft: u64, hard: u64) -> Result<(), c_int> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let resource = number(resource) as usize;
    // SAFETY: see `child::main`; the struct is on this process's own stack.
    unsafe {
        let now = ptr::from_mut(&mut limit) as usize;
        syscall(libc::SYS_prlimit64, [0, resource, NULL, now])?;
        limit.rlim_max = least(hard, limit.rlim_max);
        limit.rlim_cur = least(soft, limit.rlim_max);
        let new = ptr::from_ref(&limit) as usize;
        syscall(libc::SYS_prlimit64, [0, resource, new, NULL])?;
    }
    Ok(())
}

fn least(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}
