//! Starts programs without waiting for them.
//!
//! A child is made with clone(2) in the server's own memory and with the server's own
//! table of descriptors ([`child`] tells what it does there). Nothing is copied, and the server goes
//! on at once, also while the exec hangs on a slow file system. Whether the program came to run is found
//! out later, by [`Launcher::sweep`]: the kernel clears a word of ours when the child leaves our memory.
//!
//! ```text
//!   descriptors   0 1 2 | 3 4 5 | 6 7 8 | ...  | FIRST_FREE ...
//!                 own     place   place          everything else of the server
//! ```
//!
//! A child keeps only what is below [`FIRST_FREE`]. So its ends of its pipes are put into
//! one of the places there, until it has made its copy of that part of the table; that
//! takes microseconds. The places that are not in use hold `/dev/null`, so that nothing
//! else settles there. Needs Linux 5.9 (close_range).

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, getpid, pipe2};

use crate::os::child::{self, Plan};
use crate::os::descriptors::{self, copy_to, set_new_nonblocking};
use crate::os::environment::{self, Environment};
use crate::os::job::{Job, Process};
use crate::os::peer::Peer;
use crate::os::syscall::WRITES_ERRNO;
use crate::program::{Arguments, OutOfMemory, SpawnError, try_append};

/// How many children may be between their clone and their own table of descriptors.
const PLACES: usize = 8;

/// The lowest descriptor that the server uses for itself, besides its standard streams.
pub const FIRST_FREE: RawFd = 3 + 3 * PLACES as RawFd;

/// The child makes a dozen system calls from two functions; a page would do.
const STACK: usize = 32 * 1024;

/// A nest that has grown beyond this, for a large argument list, is not kept.
const NEST_KEPT_MAX: usize = 64 * 1024;

/// What a child lives on until it has left the server's memory.
struct Nest {
    stack: Stack,
    plan: Plan,
    /// The kernel sets it to 0 when the child has left, by its exec or its exit.
    inside: AtomicI32,
    strings: Vec<u8>,
    arguments: Arguments,
    pointers: Vec<*const c_char>,
}

impl std::fmt::Debug for Nest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nest")
            .field("plan", &self.plan)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

/// A child that has not left yet.
#[derive(Debug)]
struct Flight<T> {
    tag: T,
    nest: Box<Nest>,
    place: Option<usize>,
}

/// Starts programs, each known to its owner by a tag.
#[derive(Debug)]
pub struct Launcher<T> {
    null: OwnedFd,
    /// Shared with children that are still inside when the launcher goes.
    environment: Rc<Environment>,
    /// The soft limit of descriptors for programs, if it is not the server's.
    descriptors: Option<u64>,
    parent: Pid,
    free_places: Vec<usize>,
    /// Places that still hold what a child has taken over: `/dev/null` could not be put there.
    stuck_places: Vec<usize>,
    flights: Vec<Flight<T>>,
    /// Boxed, because a child in flight knows where its nest is.
    #[allow(clippy::vec_box)]
    nests: Vec<Box<Nest>>,
}

impl<T: Copy + fmt::Display> Launcher<T> {
    /// Takes the descriptors from 3 to [`FIRST_FREE`] for itself: whatever is there is
    /// closed. `limit` tells which limit of descriptors programs get.
    ///
    /// # Errors
    ///
    /// When the kernel is older than Linux 5.9, or gives no descriptors.
    pub fn new(environment: Environment, limit: descriptors::Limit) -> io::Result<Self> {
        probe_close_range()?;
        let null = descriptors::move_up(descriptors::open_null()?, FIRST_FREE)?;
        for number in 3..FIRST_FREE {
            copy_to(null.as_fd(), number)?;
        }
        Ok(Self {
            null,
            environment: Rc::new(environment),
            descriptors: (limit.inherited != limit.raised).then_some(limit.inherited),
            parent: getpid(),
            free_places: (0..PLACES).collect(),
            stuck_places: Vec::new(),
            flights: Vec::new(),
            nests: Vec::new(),
        })
    }

    /// Where programs are looked for.
    pub fn path(&self) -> &[u8] {
        self.environment.path()
    }

    /// `/dev/null`, for whoever needs it.
    pub fn null(&self) -> &OwnedFd {
        &self.null
    }

    /// Whether a program can be started now. If not: after a [`Launcher::sweep`] to come.
    pub fn is_ready(&self) -> bool {
        !self.free_places.is_empty()
    }

    /// Whether a sweep is due soon, although nothing else may wake the server.
    pub fn is_settling(&self) -> bool {
        self.free_places.len() + self.stuck_places.len() < PLACES
    }

    /// Whether a sweep is due a little later: to try again what has failed.
    pub fn is_stuck(&self) -> bool {
        !self.stuck_places.is_empty()
    }

    /// Makes the process that will run the program: `file`, if its path is known, else
    /// what the first argument means. Whether it comes to run it is told by
    /// a later [`Launcher::sweep`], under `tag`, which is the program's `SOCKEXEC_JOB` too.
    ///
    /// # Errors
    ///
    /// When there is no process, memory or descriptor for it, or the launcher is not ready.
    pub fn launch(
        &mut self,
        tag: T,
        file: Option<&[u8]>,
        arguments: Arguments,
        peer: &Peer,
    ) -> Result<Job, Errno> {
        let mut nest = match self.nests.pop() {
            Some(nest) => nest,
            None => Box::new(Nest::new()?),
        };
        let own = environment::of_job(tag, peer);
        if let Err(OutOfMemory) = nest.furnish(file, arguments, &own, &self.environment) {
            self.keep(nest);
            return Err(Errno::ENOMEM);
        }
        let Some(place) = self.free_places.pop() else {
            self.keep(nest);
            return Err(Errno::EAGAIN);
        };
        let mut taken = 0;
        let job = self.start(place, &mut taken, &mut nest);
        if job.is_ok() {
            let place = Some(place);
            self.flights.push(Flight { tag, nest, place });
        } else {
            self.vacate(place, taken);
            self.keep(nest);
        }
        job
    }

    /// `taken` becomes how many descriptors of the place hold something.
    fn start(&self, place: usize, taken: &mut RawFd, nest: &mut Nest) -> Result<Job, Errno> {
        let (stdin_theirs, stdin) = pipe2(OFlag::O_CLOEXEC)?;
        let (stdout, stdout_theirs) = pipe2(OFlag::O_CLOEXEC)?;
        let (stderr, stderr_theirs) = pipe2(OFlag::O_CLOEXEC)?;
        for ours in [&stdin, &stdout, &stderr] {
            set_new_nonblocking(ours.as_fd())?;
        }
        let first = 3 + 3 * place as RawFd;
        nest.plan.streams = [first, first + 1, first + 2];
        nest.plan.descriptors = self.descriptors;
        nest.plan.parent = self.parent.as_raw();
        for (theirs, number) in [stdin_theirs, stdout_theirs, stderr_theirs]
            .iter()
            .zip(nest.plan.streams)
        {
            match copy_to(theirs.as_fd(), number) {
                Ok(()) => *taken += 1,
                // The number is beyond a limit that was lowered meanwhile.
                Err(Errno::EBADF) => return Err(Errno::EMFILE),
                Err(errno) => return Err(errno),
            }
        }
        let (pid, pidfd) = nest.clone_child()?;
        Ok(Job {
            process: Process::new(pid),
            pidfd,
            stdin,
            outputs: [stdout, stderr],
        })
    }

    /// Closes what a child has taken over, and tells `outcome` of every child that has
    /// come to run its program, or has failed to, since the last call.
    pub fn sweep(&mut self, mut outcome: impl FnMut(T, Result<(), SpawnError>)) {
        for place in std::mem::take(&mut self.stuck_places) {
            self.vacate(place, 3);
        }
        let mut i = 0;
        while i < self.flights.len() {
            let flight = &mut self.flights[i];
            let left = flight.nest.inside.load(Ordering::Acquire) == 0;
            let unshared = left || flight.nest.plan.unshared.load(Ordering::Acquire);
            if unshared {
                if let Some(place) = flight.place.take() {
                    self.vacate(place, 3);
                }
            }
            if left {
                let flight = self.flights.swap_remove(i);
                outcome(flight.tag, flight.nest.result());
                self.keep(flight.nest);
            } else {
                i += 1;
            }
        }
    }

    /// Puts `/dev/null` into the first `taken` descriptors of a place, so that it can be used
    /// again. Where that fails, because the number is beyond a limit that was lowered
    /// meanwhile, it is tried again by the next sweep. To close them instead would not do:
    /// something else of the server's would settle there.
    fn vacate(&mut self, place: usize, taken: RawFd) {
        let first = 3 + 3 * place as RawFd;
        let copies = (first..first + taken).map(|number| copy_to(self.null.as_fd(), number));
        let failed = copies.filter(Result::is_err).count();
        match failed {
            0 => self.free_places.push(place),
            _ => self.stuck_places.push(place),
        }
    }

    fn keep(&mut self, mut nest: Box<Nest>) {
        if self.nests.len() < PLACES && nest.footprint() <= NEST_KEPT_MAX {
            nest.arguments = Arguments::default();
            self.nests.push(nest);
        }
    }
}

impl<T> Drop for Launcher<T> {
    fn drop(&mut self) {
        // A child that is still inside lives on this memory: it may have it for good.
        for flight in self.flights.drain(..) {
            if flight.nest.inside.load(Ordering::Acquire) != 0 {
                std::mem::forget(flight.nest);
                std::mem::forget(Rc::clone(&self.environment));
            }
        }
    }
}

/// Closes nothing; tells whether the kernel can.
fn probe_close_range() -> io::Result<()> {
    // SAFETY: no descriptor has such a number.
    let result = unsafe { libc::syscall(libc::SYS_close_range, c_int::MAX, c_int::MAX, 0) };
    Errno::result(result).map_err(|errno| {
        io::Error::new(
            io::Error::from(errno).kind(),
            format!(
                "close_range(2), which Linux has since 5.9: {}",
                errno.desc()
            ),
        )
    })?;
    Ok(())
}

impl Nest {
    fn new() -> Result<Self, Errno> {
        Ok(Self {
            stack: Stack::new()?,
            plan: Plan {
                streams: [-1; 3],
                keep_below: FIRST_FREE as u32,
                descriptors: None,
                parent: 0,
                candidates: ptr::null(),
                argv: ptr::null(),
                envp: ptr::null(),
                unshared: AtomicBool::new(false),
                prepared: AtomicBool::new(false),
                errno: AtomicI32::new(0),
                interpreter: AtomicBool::new(false),
            },
            inside: AtomicI32::new(0),
            strings: Vec::new(),
            arguments: Arguments::default(),
            pointers: Vec::new(),
        })
    }

    /// Lays out the program's files, arguments and environment, `variables` first, if there
    /// is memory for it.
    fn furnish(
        &mut self,
        file: Option<&[u8]>,
        arguments: Arguments,
        variables: &[String],
        environment: &Environment,
    ) -> Result<(), OutOfMemory> {
        self.arguments = arguments;
        self.strings.clear();
        let program = file.unwrap_or(self.arguments.program());
        let files = environment.candidates(program, &mut self.strings)?;
        for variable in variables {
            try_append(&mut self.strings, variable.as_bytes())?;
            try_append(&mut self.strings, b"\0")?;
        }
        let argc = self.arguments.count();
        self.pointers.clear();
        let count = files + argc + variables.len() + environment.pointers().len() + 3;
        self.pointers.try_reserve(count)?;
        let mut own = starts(&self.strings);
        self.pointers.extend(own.by_ref().take(files));
        self.pointers.push(ptr::null());
        self.pointers
            .extend(starts(self.arguments.as_bytes_with_nul()));
        self.pointers.push(ptr::null());
        self.pointers.extend(own);
        self.pointers.extend(environment.pointers());
        self.pointers.push(ptr::null());
        self.plan.candidates = self.pointers.as_ptr();
        self.plan.argv = self.pointers[files + 1..].as_ptr();
        self.plan.envp = self.pointers[files + argc + 2..].as_ptr();
        *self.plan.unshared.get_mut() = false;
        *self.plan.prepared.get_mut() = false;
        *self.plan.errno.get_mut() = 0;
        *self.plan.interpreter.get_mut() = false;
        Ok(())
    }

    /// Makes the child.
    fn clone_child(&mut self) -> Result<(Pid, OwnedFd), Errno> {
        const FLAGS: c_int = libc::CLONE_VM
            | libc::CLONE_FILES
            | libc::CLONE_PIDFD
            | libc::CLONE_CHILD_CLEARTID
            | libc::SIGCHLD
            // Else errno would be the child's and ours at once.
            | if WRITES_ERRNO { libc::CLONE_VFORK } else { 0 };
        *self.inside.get_mut() = 1;
        let mut pidfd: c_int = -1;
        // SAFETY: the child runs `child::main` on a stack that nobody else uses. Stack, plan,
        // all that the plan points to and the word to clear stay where they are, in this
        // box, until the kernel has cleared that word.
        let pid = Errno::result(unsafe {
            libc::clone(
                child::main,
                self.stack.top(),
                FLAGS,
                (&raw mut self.plan).cast::<c_void>(),
                &raw mut pidfd,
                ptr::null_mut::<c_void>(),
                self.inside.as_ptr(),
            )
        });
        let pid = pid.inspect_err(|_| *self.inside.get_mut() = 0)?;
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok((Pid::from_raw(pid), unsafe { OwnedFd::from_raw_fd(pidfd) }))
    }

    /// What has become of a child that has left.
    fn result(&self) -> Result<(), SpawnError> {
        match self.plan.errno.load(Ordering::Acquire) {
            0 => Ok(()),
            errno if !self.plan.prepared.load(Ordering::Acquire) => {
                Err(SpawnError::Start(Errno::from_raw(errno)))
            }
            errno if self.plan.interpreter.load(Ordering::Acquire) => {
                Err(SpawnError::Interpreter(Errno::from_raw(errno)))
            }
            errno => Err(SpawnError::Exec(Errno::from_raw(errno))),
        }
    }

    fn footprint(&self) -> usize {
        self.strings.capacity() + self.pointers.capacity() * size_of::<*const c_char>()
    }
}

/// Where each string of a list begins, in which each ends with a NUL.
fn starts(strings: &[u8]) -> impl Iterator<Item = *const c_char> {
    strings
        .split_inclusive(|&b| b == 0)
        .map(|string| string.as_ptr().cast())
}

/// A stack for one child, with a page below it that nobody may touch.
struct Stack {
    bottom: *mut c_void,
    guard: usize,
}

impl Stack {
    fn new() -> Result<Self, Errno> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Self::with_guard(usize::try_from(page).map_err(|_| Errno::EINVAL)?)
    }

    /// `guard` is a multiple of the size of a page.
    fn with_guard(guard: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping, which concerns no other.
        let bottom = unsafe {
            libc::mmap(
                ptr::null_mut(),
                guard + STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if bottom == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let stack = Self { bottom, guard };
        // SAFETY: the first page of the mapping just made, on which nothing is yet.
        Errno::result(unsafe { libc::mprotect(bottom, guard, libc::PROT_NONE) })?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: the end of what was asked for, which is aligned as a stack must be.
        unsafe { self.bottom.add(self.guard + STACK) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that `with_guard` made; its child has left it.
        unsafe { libc::munmap(self.bottom, self.guard + STACK) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_a_stack_is_a_page_that_nobody_may_touch_whatever_its_size() {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        for (stack, size) in [
            (Stack::new().unwrap(), page),
            // As on machines with larger pages.
            (Stack::with_guard(64 * 1024).unwrap(), 64 * 1024),
        ] {
            let bottom = stack.bottom as usize;
            let guard = format!("{bottom:x}-{:x} ---p", bottom + size);
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            assert!(maps.contains(&guard), "{guard} {maps}");
            assert_eq!(stack.top() as usize, bottom + size + STACK);
        }
    }

    #[test]
    fn what_a_child_that_is_still_inside_points_to_outlives_the_launcher() {
        for (inside, lives) in [(0, false), (1, true)] {
            let nest = Box::new(Nest::new().unwrap());
            nest.inside.store(inside, Ordering::Release);
            let flight = Flight {
                tag: 1,
                nest,
                place: None,
            };
            let environment = Rc::new(Environment::inherited());
            let left = Rc::downgrade(&environment);
            drop(Launcher {
                null: descriptors::open_null().unwrap(),
                environment,
                descriptors: None,
                parent: getpid(),
                free_places: Vec::new(),
                stuck_places: Vec::new(),
                flights: vec![flight],
                nests: Vec::new(),
            });
            assert_eq!(left.upgrade().is_some(), lives);
        }
    }
}
