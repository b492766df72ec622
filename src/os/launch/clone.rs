//! clone(2): makes the child, which runs in the server's own memory and with the server's own table
//! of descriptors, at the same time as the server.

use std::ffi::{c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicI32;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::child;
use super::plan::Plan;
use super::stack::Stack;
use crate::os::syscall::WRITES_ERRNO;

/// Without `CLONE_SIGHAND` the child's dispositions are its own from the start. The server has no
/// handler that a signal for the child could run (see [`crate::os::signals`]), so no signal has
/// to be blocked.
const FLAGS: c_int = libc::CLONE_VM
    | libc::CLONE_FILES
    | libc::CLONE_PIDFD
    | libc::CLONE_CHILD_CLEARTID
    | libc::SIGCHLD
    // Otherwise the child and the server would share errno.
    | if WRITES_ERRNO { libc::CLONE_VFORK } else { 0 };

/// Makes a child that carries out `plan`. The kernel sets `inside` to 0 when it has left our
/// memory, by its exec or its exit.
///
/// # Safety
///
/// Nothing else uses the stack, and all three, and everything that the plan points to, stay in
/// place until `inside` is 0.
pub(super) unsafe fn clone(
    stack: &Stack,
    plan: &Plan,
    inside: &AtomicI32,
) -> Result<(Pid, OwnedFd), Errno> {
    let mut pidfd: c_int = -1;
    // SAFETY: the caller's promise; the child changes only the atomic parts of the plan.
    let pid = Errno::result(unsafe {
        libc::clone(
            child::main,
            stack.top(),
            FLAGS,
            ptr::from_ref(plan).cast_mut().cast::<c_void>(),
            &raw mut pidfd,
            ptr::null_mut::<c_void>(),
            inside.as_ptr(),
        )
    })?;
    // SAFETY: the kernel has just made this descriptor, and nothing else uses it.
    Ok((Pid::from_raw(pid), unsafe { OwnedFd::from_raw_fd(pidfd) }))
}
