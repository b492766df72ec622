//! The child becomes another user, for good: with its groups, and without any capability.

use std::ffi::{c_int, c_long};
use std::ptr;

use super::plan::Plan;
use crate::os::privileges::VERSION_3;
use crate::os::syscall::syscall;

/// The calls with numbers of 32 bits, which some old architectures have beside those of 16.
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const SET: [c_long; 3] = [
    libc::SYS_setgroups32,
    libc::SYS_setresgid32,
    libc::SYS_setresuid32,
];
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const SET: [c_long; 3] = [
    libc::SYS_setgroups,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
];

/// Permissions of a pipe: everyone may open it who finds it, in `/proc/PID/fd` of a process that
/// has it. The kernel lets only that process's user look there.
const PIPE_MODE: usize = 0o666;

/// Lets the program's user open the standard streams once more, by names such as `/dev/stderr`:
/// they belong to the server's user, and still does this process.
pub(super) unsafe fn open_streams(plan: &Plan) -> Result<(), c_int> {
    if plan.identity.is_none() {
        return Ok(());
    }
    for number in 0..3 {
        // SAFETY: see `child::main`; the server does not open its pipes by name.
        unsafe { syscall(libc::SYS_fchmod, [number, PIPE_MODE]) }?;
    }
    Ok(())
}

/// Becomes the user of the plan, if there is one.
pub(super) unsafe fn become_user(plan: &Plan) -> Result<(), c_int> {
    let Some(user) = &plan.identity else {
        return Ok(());
    };
    let (groups, count) = user.groups;
    let (uid, gid) = (user.uid as usize, user.gid as usize);
    let [setgroups, setresgid, setresuid] = SET;
    // SAFETY: see `child::main`; these concern this process alone, and the groups stay in place.
    unsafe {
        syscall(setgroups, [count, groups as usize])?;
        syscall(setresgid, [gid, gid, gid])?;
        syscall(setresuid, [uid, uid, uid])?;
        hide_memory()?;
        drop_capabilities()
    }
}

/// With the change of the user the kernel has set the visibility of the memory, which is the
/// server's too, to `fs.suid_dumpable`.
unsafe fn hide_memory() -> Result<(), c_int> {
    // SAFETY: see `child::main`; the memory was hidden before.
    unsafe { syscall(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 0]) }.map(drop)
}

/// Empties the permitted, the effective and the inheritable set, and with them the ambient one.
///
/// The kernel does that itself when root becomes another user, but not when one user with
/// capabilities becomes another. The bounding set stays: to empty it takes a call for each
/// capability, 50 us in all, and nothing in it can be gained without new privileges.
unsafe fn drop_capabilities() -> Result<(), c_int> {
    let header: [u32; 2] = [VERSION_3, 0];
    let none = [0_u32; 6];
    let arguments = [
        ptr::from_ref(&header) as usize,
        ptr::from_ref(&none) as usize,
    ];
    // SAFETY: see `child::main`; a header with the version of these six words.
    unsafe { syscall(libc::SYS_capset, arguments) }.map(drop)
}

/// Neither this process nor anything it starts can gain privileges by executing a file.
pub(super) unsafe fn refuse_privileges(plan: &Plan) -> Result<(), c_int> {
    if !plan.no_new_privileges {
        return Ok(());
    }
    let arguments = [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0];
    // SAFETY: see `child::main`; concerns this process alone.
    unsafe { syscall(libc::SYS_prctl, arguments) }.map(drop)
}
