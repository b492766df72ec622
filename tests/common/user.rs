//! Acts as another user for the length of a closure, for the credentials of a socket.

use super::skip;
use nix::errno::Errno;
use std::thread;

/// A user and a group without processes.
pub const NOBODY: u32 = 65534;

/// Does something in a thread of its own that belongs to this user and these groups, as
/// only root can; what it connects is that user's. `None`, and loudly, for others.
///
/// The kernel keeps credentials by thread; it is the C library that changes them in all.
pub fn as_user<T: Send>(
    uid: u32,
    gid: u32,
    groups: &[u32],
    action: impl FnOnce() -> T + Send,
) -> Option<T> {
    if !skip::unless_root() {
        return None;
    }
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: numbers, and an array that lives through the call.
            let results = unsafe {
                [
                    libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()),
                    libc::syscall(libc::SYS_setresgid, gid, gid, gid),
                    libc::syscall(libc::SYS_setresuid, uid, uid, uid),
                ]
            };
            assert_eq!(results, [0; 3], "{}", Errno::last());
            action()
        });
        match thread.join() {
            Ok(value) => Some(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
