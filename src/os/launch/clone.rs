//! clone(2): makes the child, which runs in the server's own memory and with the server's own table
//! of descriptors, at the same time as the server.

use std::ffi::{c_int, c_void};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicI32;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::child;
use super::clone3::{self, clone3};
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
    // Otherwise the child and the server would share errno.
    | if WRITES_ERRNO { libc::CLONE_VFORK } else { 0 };

/// Makes a child that carries out `plan`, in the cgroup with this directory if there is one. The
/// kernel sets `inside` to 0 when it has left our memory, by its exec or its exit.
///
/// # Safety
///
/// Nothing else uses the stack, and all three, and everything that the plan points to, stay in
/// place until `inside` is 0.
pub(super) unsafe fn clone(
    stack: &Stack,
    plan: &Plan,
    inside: &AtomicI32,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<(Pid, OwnedFd), Errno> {
    let mut pidfd: c_int = -1;
    let argument = ptr::from_ref(plan).cast_mut().cast::<c_void>();
    let pid = match cgroup {
        // SAFETY: the caller's promise; the child changes only the atomic parts of the plan.
        None => Errno::result(unsafe {
            libc::clone(
                child::main,
                stack.top(),
                FLAGS | libc::SIGCHLD,
                argument,
                &raw mut pidfd,
                ptr::null_mut::<c_void>(),
                inside.as_ptr(),
            )
        })
        .map(Pid::from_raw)?,
        Some(cgroup) => {
            let mut arguments = clone3::arguments(FLAGS, cgroup);
            let (bottom, size) = stack.range();
            arguments.stack = bottom as u64;
            arguments.stack_size = size as u64;
            arguments.pidfd = (&raw mut pidfd) as u64;
            arguments.child_tid = inside.as_ptr() as u64;
            // SAFETY: as above.
            unsafe { clone3(&arguments, child::main, argument) }?
        }
    };
    // SAFETY: the kernel has just made this descriptor, and nothing else uses it.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}
