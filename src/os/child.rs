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

use crate::os::signals;
use crate::os::syscall::syscall;

/// What the child needs to know, and where it leaves word.
#[derive(Debug)]
pub struct Plan {
    /// The child's ends of its pipes, in the order of its standard streams.
    pub streams: [c_int; 3],
    /// The lowest descriptor that is of no concern to any child.
    pub keep_below: c_uint,
    /// The soft limit of descriptors that the program gets, if it is not the server's; less,
    /// where the hard limit is lower by now.
    pub descriptors: Option<u64>,
    /// The server's process.
    pub parent: c_int,
    /// The files to try, in this order; ends with a null.
    pub candidates: *const *const c_char,
    /// The program's arguments; ends with a null.
    pub argv: *const *const c_char,
    /// The program's environment; ends with a null.
    pub envp: *const *const c_char,
    /// Set once the child has left the server's table of descriptors.
    pub unshared: AtomicBool,
    /// Set once only the exec can fail.
    pub prepared: AtomicBool,
    /// The error that kept the program from running, or 0.
    pub errno: AtomicI32,
    /// That error is about the program's interpreter.
    pub interpreter: AtomicBool,
}

/// The child's exit code when it did not come to run the program. Nobody sees it: the
/// plan tells more.
const NOT_RUN: c_int = 127;

const NULL: usize = 0;

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
            Ok(()) => {
                plan.prepared.store(true, Ordering::Release);
                run(plan)
            }
            Err(errno) => errno,
        }
    };
    plan.errno.store(errno, Ordering::Release);
    NOT_RUN
}

unsafe fn prepare(plan: &Plan) -> Result<(), c_int> {
    // SAFETY: see `main`; each call changes this process alone, once the first is through.
    unsafe {
        syscall(
            libc::SYS_close_range,
            [
                plan.keep_below as usize,
                c_uint::MAX as usize,
                libc::CLOSE_RANGE_UNSHARE as usize,
            ],
        )?;
        plan.unshared.store(true, Ordering::Release);
        let mut number = 0;
        while number < 3 {
            syscall(libc::SYS_dup3, [plan.streams[number] as usize, number, 0])?;
            number += 1;
        }
        // Others' pipes are here too, on their way to their programs.
        syscall(libc::SYS_close_range, [3, c_uint::MAX as usize, 0])?;
        // A group of its own, and no terminal: a program could type on the one from which
        // the server was started.
        syscall(libc::SYS_setsid, [])?;
        end_with(plan.parent)?;
        for signal in signals::IGNORED {
            let action = signals::DEFAULT_ACTION.as_ptr() as usize;
            syscall(
                libc::SYS_rt_sigaction,
                [signal as usize, action, NULL, signals::SIGSET_SIZE],
            )?;
        }
        if let Some(soft) = plan.descriptors {
            limit_descriptors(soft)?;
        }
        // Last: from here on a signal ends this process, as it would end the program.
        syscall(
            libc::SYS_rt_sigprocmask,
            [
                libc::SIG_SETMASK as usize,
                SIGSET.as_ptr() as usize,
                NULL,
                signals::SIGSET_SIZE,
            ],
        )?;
    }
    Ok(())
}

/// Has the kernel end this process when the server ends without ending it, killed itself.
unsafe fn end_with(parent: c_int) -> Result<(), c_int> {
    // SAFETY: see `main`; these concern this process alone.
    unsafe {
        let signal = libc::SIGKILL as usize;
        syscall(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal])?;
        // The server may have ended before the kernel knew.
        match syscall(libc::SYS_getppid, [])? as c_int == parent {
            true => Ok(()),
            false => Err(libc::ESRCH),
        }
    }
}

/// Sets this process's soft limit of descriptors, as far as the hard limit allows. That may have
/// been lowered since the server was started, and is left as it is.
unsafe fn limit_descriptors(soft: u64) -> Result<(), c_int> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let resource = libc::RLIMIT_NOFILE as usize;
    // SAFETY: see `main`; the struct is on this process's own stack.
    unsafe {
        let now = ptr::from_mut(&mut limit) as usize;
        syscall(libc::SYS_prlimit64, [0, resource, NULL, now])?;
        limit.rlim_cur = if soft < limit.rlim_max {
            soft
        } else {
            limit.rlim_max
        };
        let new = ptr::from_ref(&limit) as usize;
        syscall(libc::SYS_prlimit64, [0, resource, new, NULL])?;
    }
    Ok(())
}

/// Tries all candidates, as execvp(3) does, but never a shell. Returns only with an error.
unsafe fn run(plan: &Plan) -> c_int {
    let mut worst = libc::ENOENT;
    let mut next = plan.candidates;
    // SAFETY: see `main`; the list of candidates ends with a null.
    unsafe {
        let several = !(*next).is_null() && !(*next.add(1)).is_null();
        while !(*next).is_null() {
            let file = *next as usize;
            let arguments = [file, plan.argv as usize, plan.envp as usize];
            let Err(errno) = syscall(libc::SYS_execve, arguments) else {
                return libc::ENOEXEC;
            };
            let arguments = [libc::AT_FDCWD as usize, file, libc::F_OK as usize];
            let is_there = syscall(libc::SYS_faccessat, arguments).is_ok();
            match errno {
                // So it is its interpreter that is not.
                libc::ENOENT if is_there => {
                    plan.interpreter.store(true, Ordering::Release);
                    return errno;
                }
                libc::ENOENT => {}
                // Says more than that the other directories do not have it, unless it is the
                // directory that may not be searched.
                libc::EACCES if several && is_there => worst = libc::EACCES,
                libc::EACCES if several => {}
                libc::ENOTDIR | libc::ENODEV | libc::ESTALE | libc::ETIMEDOUT if several => {}
                _ => return errno,
            }
            next = next.add(1);
        }
    }
    worst
}
