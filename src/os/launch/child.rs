//! The child, between clone(2) and execve(2).
//!
//! The child runs on a stack of its own in the server's memory, at the same time as the
//! server. So it makes system calls and nothing else: no allocation, no lock, no panic,
//! no libc wrapper (those write errno, which is the server's). It begins with the server's
//! table of descriptors too, leaves that with its first call, and keeps of it only the
//! numbers below [`FIRST_FREE`]: a server with many connections starts a program as fast as an
//! idle one, and no program ever holds another program's pipe, not even for a moment on a slow
//! file system.
//!
//! [`STEPS`] lists its steps in order. A new step is a row there, with a [`Step`] that names it
//! if the system refuses it.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::Ordering;

use nix::errno::Errno;

use super::places::FIRST_FREE;
use super::plan::Plan;
use super::{identity, limits};
use crate::os::signals;
use crate::os::syscall::syscall;
use crate::program::{SpawnError, Step};

/// Makes system calls that change this process alone. The error is an errno.
type Work = unsafe fn(&Plan) -> Result<(), c_int>;

/// The steps of the child before it executes the program.
const STEPS: [(Step, Work); 16] = [
    (Step::OwnDescriptors, leave_table),
    (Step::Streams, take_streams),
    (Step::StreamPermissions, identity::open_streams),
    (Step::OtherDescriptors, close_others),
    (Step::Session, make_session),
    (Step::SignalActions, reset_signals),
    (Step::Niceness, limits::set_niceness),
    (Step::Umask, limits::set_umask),
    (Step::ResourceLimits, limits::limit_resources),
    (Step::DescriptorLimit, limits::limit_descriptors),
    (Step::User, identity::become_user),
    (Step::ProcessLimit, limits::limit_processes),
    (Step::NoNewPrivileges, identity::refuse_privileges),
    // As its user, which may be refused what the server may reach.
    (Step::Directory, change_directory),
    // The kernel forgets this when the user changes.
    (Step::EndWithServer, end_with_server),
    // From here on a signal ends this process, as it would end the program.
    (Step::SignalMask, unblock_signals),
];

/// The outcome of a child that has left the server's memory.
pub(super) fn outcome(plan: &Plan) -> Result<(), SpawnError> {
    let errno = match plan.errno.load(Ordering::Acquire) {
        0 => return Ok(()),
        errno => Errno::from_raw(errno),
    };
    let interpreter = plan.interpreter.load(Ordering::Acquire);
    Err(match STEPS.get(plan.done.load(Ordering::Acquire)) {
        Some(&(step, _)) => SpawnError::Prepare(step, errno),
        None if interpreter => SpawnError::Interpreter(errno),
        None => SpawnError::Exec(errno),
    })
}

/// The child's exit code when it does not become the program. It is not used: the plan has the
/// error.
const NOT_RUN: c_int = 127;

const NULL: usize = 0;

/// A set of signals as large as the kernel's on any architecture.
const SIGSET: [u64; 2] = [0; 2];

/// The child's whole life, unless the program runs.
///
/// `plan` is a [`Plan`] that the server keeps until the child is gone from its memory.
pub(super) extern "C" fn main(plan: *mut c_void) -> c_int {
    // SAFETY: the server passes a plan, keeps it, and only reads its atomic parts meanwhile.
    let plan = unsafe { &*plan.cast::<Plan>() };
    // SAFETY: all pointers in the plan are valid, and only system calls are made.
    let errno = unsafe {
        match prepare(plan) {
            Ok(()) => run(plan),
            Err(errno) => errno,
        }
    };
    plan.errno.store(errno, Ordering::Release);
    NOT_RUN
}

unsafe fn prepare(plan: &Plan) -> Result<(), c_int> {
    for (_, work) in &STEPS {
        // SAFETY: see `main`.
        unsafe { work(plan) }?;
        plan.done.fetch_add(1, Ordering::Release);
    }
    Ok(())
}

unsafe fn leave_table(_: &Plan) -> Result<(), c_int> {
    let unshare = libc::CLOSE_RANGE_UNSHARE as usize;
    let range = [FIRST_FREE as usize, c_uint::MAX as usize, unshare];
    // SAFETY: see `main`; the server's table is left and not changed.
    unsafe { syscall(libc::SYS_close_range, range) }.map(drop)
}

unsafe fn take_streams(plan: &Plan) -> Result<(), c_int> {
    let mut number = 0;
    while number < 3 {
        // SAFETY: see `main`; the table is this process's own.
        unsafe { syscall(libc::SYS_dup3, [plan.streams[number] as usize, number, 0]) }?;
        number += 1;
    }
    Ok(())
}

/// Others' pipes are here too, on their way to their programs.
unsafe fn close_others(_: &Plan) -> Result<(), c_int> {
    // SAFETY: see `main`; the table is this process's own.
    unsafe { syscall(libc::SYS_close_range, [3, c_uint::MAX as usize, 0]) }.map(drop)
}

/// A group of its own, and no terminal: a program could type on the one from which the server was
/// started.
unsafe fn make_session(_: &Plan) -> Result<(), c_int> {
    // SAFETY: see `main`; concerns this process alone.
    unsafe { syscall(libc::SYS_setsid, []) }.map(drop)
}

/// Has the kernel end this process when the server ends without ending it, killed itself.
unsafe fn end_with_server(plan: &Plan) -> Result<(), c_int> {
    // SAFETY: see `main`; these concern this process alone.
    unsafe {
        let signal = libc::SIGKILL as usize;
        syscall(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal])?;
        // The server may have ended before the kernel knew.
        match syscall(libc::SYS_getppid, [])? as c_int == plan.surroundings.parent {
            true => Ok(()),
            false => Err(libc::ESRCH),
        }
    }
}

/// The program must not inherit the signals that the server ignores.
unsafe fn reset_signals(_: &Plan) -> Result<(), c_int> {
    for signal in signals::IGNORED {
        let action = signals::DEFAULT_ACTION.as_ptr() as usize;
        let arguments = [signal as usize, action, NULL, signals::SIGSET_SIZE];
        // SAFETY: see `main`; dispositions are not shared.
        unsafe { syscall(libc::SYS_rt_sigaction, arguments) }?;
    }
    Ok(())
}

/// Changes to the directory in which the program starts.
unsafe fn change_directory(plan: &Plan) -> Result<(), c_int> {
    if plan.directory.is_null() {
        return Ok(());
    }
    // SAFETY: see `main`; the path ends with a NUL, and the directory is this process's own.
    unsafe { syscall(libc::SYS_chdir, [plan.directory as usize]) }.map(drop)
}

/// The program must not inherit the signals that the server blocks.
unsafe fn unblock_signals(_: &Plan) -> Result<(), c_int> {
    let (how, none) = (libc::SIG_SETMASK as usize, SIGSET.as_ptr() as usize);
    let arguments = [how, none, NULL, signals::SIGSET_SIZE];
    // SAFETY: see `main`; the mask is this process's own.
    unsafe { syscall(libc::SYS_rt_sigprocmask, arguments) }.map(drop)
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
                // This is a better reason than ENOENT of other directories, unless it is the
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

#[cfg(test)]
mod tests {
    use super::super::plan::Surroundings;
    use super::*;

    fn plan(done: usize, errno: c_int, interpreter: bool) -> Plan {
        Plan {
            done: done.into(),
            errno: errno.into(),
            interpreter: interpreter.into(),
            ..Plan::new(Surroundings {
                descriptors: None,
                parent: 0,
            })
        }
    }

    #[test]
    fn a_step_that_is_refused_is_reported_as_itself_with_111() {
        for (done, &(step, _)) in STEPS.iter().enumerate() {
            let error = outcome(&plan(done, libc::EPERM, false)).unwrap_err();
            assert_eq!(error, SpawnError::Prepare(step, Errno::EPERM));
            assert_eq!(error.exit_code(), 111);
            let text = format!("cannot {step}: Operation not permitted");
            assert_eq!(error.to_string(), text);
            // Each is another one.
            assert_eq!(STEPS.iter().filter(|(other, _)| *other == step).count(), 1);
        }
    }

    #[test]
    fn after_all_steps_it_is_the_exec_that_fails() {
        let all = STEPS.len();
        assert_eq!(outcome(&plan(all, 0, false)), Ok(()));
        for (interpreter, error) in [
            (false, SpawnError::Exec(Errno::EPERM)),
            (true, SpawnError::Interpreter(Errno::EPERM)),
        ] {
            assert_eq!(outcome(&plan(all, libc::EPERM, interpreter)), Err(error));
        }
    }

    #[test]
    fn a_plan_that_is_used_again_knows_nothing_of_the_last_child() {
        let mut plan = plan(3, libc::EPERM, true);
        assert!(plan.has_own_descriptors());
        plan.begin();
        assert!(!plan.has_own_descriptors());
        assert_eq!(outcome(&plan), Ok(()));
    }
}
