//! What happens between clone(2) and execve(2), in the child.
//!
//! The child runs on a stack of its own in the server's memory, at the same time as the
//! server. So it makes system calls and nothing else: no allocation, no lock, no panic,
//! no libc wrapper (those write errno, which is the server's). It begins with the server's
//! table of descriptors too, leaves that with its first call, and keeps of it only the
//! numbers below [`Plan::keep_below`]: a server with many connections starts a program as fast as one
//! with none, and no program ever holds, even for a moment on a slow file system, another's pipe.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use syscalls::{Errno, Sysno, syscall};

use crate::os::signals;

/// What the child needs to know, and where it leaves word.
#[derive(Debug)]
pub struct Plan {
    /// The child's ends of its pipes, in the order of its standard streams.
    pub streams: [c_int; 3],
    /// The lowest descriptor that is of no concern to any child.
    pub keep_below: c_uint,
    /// The limit of descriptors that the program gets, if it is not the server's.
    pub descriptors: Option<libc::rlimit64>,
    /// The files to try, in this order; ends with a null.
    pub candidates: *const *const c_char,
    /// The program's arguments; ends with a null.
    pub argv: *const *const c_char,
    /// The program's environment; ends with a null.
    pub envp: *const *const c_char,
    /// Set once the child has left the server's table of descriptors.
    pub unshared: AtomicBool,
    /// The error that kept the program from running, or 0.
    pub errno: AtomicI32,
    /// That error is about the program's interpreter.
    pub interpreter: AtomicBool,
}

/// The child's exit code when it did not come to run the program. Nobody sees it: the
/// plan tells more.
const NOT_RUN: c_int = 127;

/// A set of signals as large as the kernel's on any architecture.
const SIGSET: [u64; 2] = [0; 2];

/// The child's whole life, unless the program runs.
///
/// `plan` is a [`Plan`] that the server keeps until the child is gone from its memory.
pub extern "C" fn main(plan: *mut c_void) -> c_int {
    // SAFETY: the server passes a plan, keeps it, and only reads its atomic parts meanwhile.
    let plan = unsafe { &*plan.cast::<Plan>() };
    // SAFETY: all pointers in the plan are valid, and only system calls are made.
    let errno = unsafe {
        match prepare(plan) {
            Ok(()) => run(plan),
            Err(errno) => errno,
        }
    };
    plan.errno.store(errno.into_raw(), Ordering::Release);
    NOT_RUN
}

unsafe fn prepare(plan: &Plan) -> Result<(), Errno> {
    // SAFETY: see `main`; each call changes this process alone, once the first is through.
    unsafe {
        syscall!(
            Sysno::close_range,
            plan.keep_below,
            c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE
        )?;
        plan.unshared.store(true, Ordering::Release);
        let mut number = 0;
        while number < 3 {
            syscall!(Sysno::dup3, plan.streams[number], number, 0)?;
            number += 1;
        }
        // Others' pipes are here too, on their way to their programs.
        syscall!(Sysno::close_range, 3, c_uint::MAX, 0)?;
        syscall!(Sysno::setpgid, 0, 0)?;
        for signal in signals::RESET {
            syscall!(
                Sysno::rt_sigaction,
                signal as c_int,
                signals::DEFAULT_ACTION.as_ptr(),
                ptr::null::<c_void>(),
                signals::SIGSET_SIZE
            )?;
        }
        if let Some(limit) = &plan.descriptors {
            syscall!(
                Sysno::prlimit64,
                0,
                libc::RLIMIT_NOFILE,
                ptr::from_ref(limit),
                ptr::null::<c_void>()
            )?;
        }
        // Last: from here on a signal ends this process, as it would end the program.
        syscall!(
            Sysno::rt_sigprocmask,
            libc::SIG_SETMASK,
            SIGSET.as_ptr(),
            ptr::null::<c_void>(),
            signals::SIGSET_SIZE
        )?;
    }
    Ok(())
}

/// Tries all candidates, as execvp(3) does, but never a shell. Returns only with an error.
unsafe fn run(plan: &Plan) -> Errno {
    let mut worst = Errno::ENOENT;
    let mut next = plan.candidates;
    // SAFETY: see `main`; the list of candidates ends with a null.
    unsafe {
        let several = !(*next).is_null() && !(*next.add(1)).is_null();
        while !(*next).is_null() {
            let file = *next;
            let Err(errno) = syscall!(Sysno::execve, file, plan.argv, plan.envp) else {
                return Errno::ENOEXEC;
            };
            let is_there = syscall!(Sysno::faccessat, libc::AT_FDCWD, file, libc::F_OK).is_ok();
            match errno {
                // So it is its interpreter that is not.
                Errno::ENOENT if is_there => {
                    plan.interpreter.store(true, Ordering::Release);
                    return errno;
                }
                Errno::ENOENT => {}
                // Says more than that the other directories do not have it, unless it is the
                // directory that may not be searched.
                Errno::EACCES if several && is_there => worst = Errno::EACCES,
                Errno::EACCES if several => {}
                Errno::ENOTDIR | Errno::ENODEV | Errno::ESTALE | Errno::ETIMEDOUT if several => {}
                _ => return errno,
            }
            next = next.add(1);
        }
    }
    worst
}
