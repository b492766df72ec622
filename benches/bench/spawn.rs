//! The bare ways to start a program with three pipes.
//!
//! They do the minimum, and are the floor for a server: no process group, no signal
//! dispositions, no error text for a program that cannot be run.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::ptr;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use sockexec::os::syscall::syscall;

/// A way to start a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// What the C library offers.
    PosixSpawn,
    /// clone(2) in shared memory; the caller waits until exec is through.
    CloneWaiting,
    /// clone(2) in shared memory on a stack of its own; the caller goes on at once.
    Clone,
}

impl Primitive {
    /// All of them: the floor is the best.
    pub const ALL: [Self; 3] = [Self::PosixSpawn, Self::CloneWaiting, Self::Clone];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::PosixSpawn => "posix_spawn",
            Self::CloneWaiting => "clone VM+VFORK",
            Self::Clone => "clone VM",
        }
    }
}

/// A program and its environment, in the form that execve(2) takes.
#[derive(Debug)]
pub struct Program {
    words: Vec<CString>,
    environment: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
}

impl Program {
    /// `words` begins with the path of the program: it is not looked up.
    pub fn new(words: &[&str]) -> io::Result<Rc<Self>> {
        let words = words
            .iter()
            .map(|word| CString::new(*word))
            .collect::<Result<Vec<_>, _>>()?;
        let environment = std::env::vars_os()
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                CString::new(name.into_vec())
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Rc::new(Self {
            argv: pointers(&words),
            envp: pointers(&environment),
            words,
            environment,
        }))
    }

    fn path(&self) -> &CStr {
        &self.words[0]
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let all = strings.iter().map(|string| string.as_ptr());
    all.chain([ptr::null()]).collect()
}

/// What the child of a clone(2) reads while it still shares our memory.
#[derive(Debug)]
struct Plan {
    path: *const c_char,
    argv: *const *const c_char,
    envp: *const *const c_char,
    pipes: [RawFd; 3],
}

/// Enough for a function that makes five system calls.
const STACK: usize = 16 * 1024;

/// A pipe that no exec keeps: its reading and its writing end.
pub fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}

/// The parent's ends of the pipes of a program.
#[derive(Debug)]
pub struct Pipes {
    /// Into the program.
    pub stdin: File,
    /// Out of it.
    pub stdout: File,
    /// Its complaints.
    pub stderr: File,
}

/// A place for one child at a time. It owns the memory that the child uses until its exec
/// is through, and so does not go away before the child.
#[derive(Debug)]
pub struct LaunchBuffer {
    program: Rc<Program>,
    plan: Box<UnsafeCell<Plan>>,
    stack: Box<[UnsafeCell<u128>]>,
    child: Option<Pid>,
}

impl LaunchBuffer {
    /// An empty place.
    pub fn new(program: &Rc<Program>) -> Self {
        let cells = STACK / size_of::<u128>();
        Self {
            program: Rc::clone(program),
            plan: Box::new(UnsafeCell::new(Plan {
                path: program.path().as_ptr(),
                argv: program.argv.as_ptr(),
                envp: program.envp.as_ptr(),
                pipes: [-1; 3],
            })),
            stack: std::iter::repeat_with(|| UnsafeCell::new(0))
                .take(cells)
                .collect(),
            child: None,
        }
    }

    /// Starts the program.
    ///
    /// # Panics
    ///
    /// When the child before has not been reaped.
    pub fn start(&mut self, how: Primitive) -> io::Result<Pipes> {
        assert!(self.child.is_none(), "one child at a time");
        let (child_stdin, stdin) = pipe()?;
        let (stdout, child_stdout) = pipe()?;
        let (stderr, child_stderr) = pipe()?;
        self.plan.get_mut().pipes = [
            child_stdin.as_raw_fd(),
            child_stdout.as_raw_fd(),
            child_stderr.as_raw_fd(),
        ];
        self.child = Some(match how {
            Primitive::PosixSpawn => self.posix_spawn()?,
            Primitive::CloneWaiting => self.clone(libc::CLONE_VFORK)?,
            Primitive::Clone => self.clone(0)?,
        });
        Ok(Pipes {
            stdin,
            stdout,
            stderr,
        })
    }

    fn posix_spawn(&mut self) -> io::Result<Pid> {
        let mut actions = PosixSpawnFileActions::init()?;
        for (number, &pipe) in (0..).zip(&self.plan.get_mut().pipes) {
            actions.add_dup2(pipe, number)?;
        }
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
        attributes.set_sigmask(&SigSet::empty())?;
        let Program {
            words, environment, ..
        } = &*self.program;
        let path = self.program.path();
        Ok(nix::spawn::posix_spawn(
            path,
            &actions,
            &attributes,
            words,
            environment,
        )?)
    }

    fn clone(&mut self, flags: c_int) -> io::Result<Pid> {
        let flags = flags | libc::CLONE_VM | libc::SIGCHLD;
        let top = self.stack.as_ptr_range().end.cast_mut().cast::<c_void>();
        // SAFETY: `child` runs on a stack that nothing else uses, and reads a plan that does
        // not change; `self` keeps both until the child has been reaped (`start` asserts
        // it, `drop` sees to it). The stack's top is aligned to 16 bytes, as its cells are.
        let pid = unsafe { libc::clone(child, top, flags, self.plan.get().cast()) };
        Ok(Pid::from_raw(Errno::result(pid)?))
    }

    /// Reaps the child, which must have exited with 0. False if it still runs and `flags` are not
    /// to wait.
    pub fn reap(&mut self, flags: WaitPidFlag) -> io::Result<bool> {
        let Some(pid) = self.child else {
            return Ok(false);
        };
        match waitpid(pid, Some(flags))? {
            WaitStatus::StillAlive => return Ok(false),
            WaitStatus::Exited(_, 0) => self.child = None,
            other => {
                self.child = None;
                return Err(io::Error::other(format!(
                    "a bare child ended so: {other:?}"
                )));
            }
        }
        Ok(true)
    }
}

impl Drop for LaunchBuffer {
    fn drop(&mut self) {
        if let Some(pid) = self.child {
            // Only after an error: the child may still be using our memory.
            let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// Runs in the child, in the parent's memory: nothing but system calls, and those by way of
/// a function that leaves the parent's errno alone. No signal has a handler here that could
/// run on this stack: the program installs none.
extern "C" fn child(plan: *mut c_void) -> c_int {
    let no_signals = 0_u64;
    // SAFETY: the parent keeps the plan, and does not change it, until this child is gone.
    let plan = unsafe { &*plan.cast::<Plan>() };
    // SAFETY: the mask is eight bytes that live here; it, the descriptors and what exec
    // replaces belong to this child alone. The strings of the plan end with NUL, and the
    // arrays with a null pointer.
    let _ = unsafe {
        let [stdin, stdout, stderr] = plan.pipes;
        let program = [plan.path as usize, plan.argv as usize, plan.envp as usize];
        let mask = &raw const no_signals as usize;
        syscall(
            libc::SYS_rt_sigprocmask,
            [libc::SIG_SETMASK as usize, mask, 0, 8],
        )
        .and_then(|_| syscall(libc::SYS_dup3, [stdin as usize, 0, 0]))
        .and_then(|_| syscall(libc::SYS_dup3, [stdout as usize, 1, 0]))
        .and_then(|_| syscall(libc::SYS_dup3, [stderr as usize, 2, 0]))
        .and_then(|_| syscall(libc::SYS_execve, program))
    };
    127
}
