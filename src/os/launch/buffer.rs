//! The memory of one child until it has left the server's memory: its stack, its plan and the
//! strings that the plan points to.

use std::ffi::c_char;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::child;
use super::clone::clone;
use super::order::Order;
use super::plan::{Plan, Surroundings};
use super::stack::Stack;
use crate::execution::{Account, Execution};
use crate::os::environment::Environment;
use crate::program::{Arguments, OutOfMemory, SpawnError, Step, try_append};

/// One that has grown beyond this, for a large argument list, is not kept.
const KEPT_MAX: usize = 64 * 1024;

/// The memory of one child. Boxed by its owner, because the child has its address.
pub(super) struct LaunchBuffer {
    stack: Stack,
    plan: Plan,
    /// The kernel sets it to 0 when the child has left, by its exec or its exit.
    inside: AtomicI32,
    strings: Vec<u8>,
    arguments: Arguments,
    pointers: Vec<*const c_char>,
    owned: Option<Owned>,
}

/// What the plan points to, and other children share.
struct Owned {
    account: Option<Rc<Account>>,
    execution: Rc<Execution>,
    _environment: Rc<Environment>,
}

impl fmt::Debug for LaunchBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchBuffer")
            .field("plan", &self.plan)
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

impl LaunchBuffer {
    /// One for children of these surroundings.
    pub(super) fn new(surroundings: Surroundings) -> Result<Self, Errno> {
        Ok(Self {
            stack: Stack::new()?,
            plan: Plan::new(surroundings),
            inside: AtomicI32::new(0),
            strings: Vec::new(),
            arguments: Arguments::default(),
            pointers: Vec::new(),
            owned: None,
        })
    }

    /// Lays out the program's files, found by `search`, its arguments and its environment, its own
    /// variables first, if there is memory for it.
    pub(super) fn fill(
        &mut self,
        order: Order<'_>,
        search: &Environment,
        environment: Rc<Environment>,
    ) -> Result<(), OutOfMemory> {
        self.arguments = order.arguments;
        self.strings.clear();
        let program = order.file.unwrap_or(self.arguments.program());
        let files = search.candidates(program, &mut self.strings)?;
        let variables = order.variables.iter().map(String::as_bytes);
        let directory = order.execution.directory.as_deref();
        for text in variables.chain(directory) {
            try_append(&mut self.strings, text)?;
            try_append(&mut self.strings, b"\0")?;
        }
        let (argc, variables) = (self.arguments.count(), order.variables.len());
        self.pointers.clear();
        let count = files + argc + variables + environment.pointers().len() + 3;
        self.pointers.try_reserve(count)?;
        let mut own = starts(&self.strings);
        self.pointers.extend(own.by_ref().take(files));
        self.pointers.push(std::ptr::null());
        self.pointers
            .extend(starts(self.arguments.as_bytes_with_nul()));
        self.pointers.push(std::ptr::null());
        self.pointers.extend(own.by_ref().take(variables));
        self.pointers.extend(environment.pointers());
        self.pointers.push(std::ptr::null());
        self.plan.directory = own.next().unwrap_or(std::ptr::null());
        self.plan.candidates = self.pointers.as_ptr();
        self.plan.argv = self.pointers[files + 1..].as_ptr();
        self.plan.envp = self.pointers[files + argc + 2..].as_ptr();
        self.plan.apply(order.execution, order.account);
        self.owned = Some(Owned {
            account: order.account.cloned(),
            execution: Rc::clone(order.execution),
            _environment: environment,
        });
        Ok(())
    }

    /// Makes the child, whose ends of its pipes have these numbers.
    pub(super) fn start(
        &mut self,
        streams: [RawFd; 3],
        cgroup: Option<BorrowedFd<'_>>,
    ) -> Result<(Pid, OwnedFd), Errno> {
        self.plan.streams = streams;
        self.plan.begin();
        *self.inside.get_mut() = 1;
        // SAFETY: this buffer has one child at a time. It is boxed, nothing of it is changed until
        // `has_left`, and its owner keeps it until then, and the arguments of `fill` too.
        unsafe { clone(&self.stack, &self.plan, &self.inside, cgroup) }
            .inspect_err(|_| *self.inside.get_mut() = 0)
    }

    /// Whether the child has its own table of descriptors, or has left.
    pub(super) fn has_own_descriptors(&self) -> bool {
        self.has_left() || self.plan.has_own_descriptors()
    }

    /// Whether the child has left: by now it is the program, or has ended.
    pub(super) fn has_left(&self) -> bool {
        self.inside.load(Ordering::Acquire) == 0
    }

    /// The outcome of a child that has left.
    pub(super) fn outcome(&self) -> Result<(), SpawnError> {
        child::outcome(&self.plan).map_err(|error| self.named(error))
    }

    /// An error with the name of the user or of the directory that it is about.
    fn named(&self, error: SpawnError) -> SpawnError {
        let account = self.owned.as_ref().and_then(|o| o.account.as_ref());
        let directory = self
            .owned
            .as_ref()
            .and_then(|o| o.execution.directory.as_ref());
        match (&error, account, directory) {
            (&SpawnError::Prepare(Step::User, errno), Some(account), _) => SpawnError::Become {
                name: account.name.clone(),
                errno,
            },
            (&SpawnError::Prepare(Step::Directory, errno), _, Some(directory)) => {
                let path = String::from_utf8_lossy(directory).into_owned();
                SpawnError::Directory { path, errno }
            }
            _ => error,
        }
    }

    /// Drops its content. Returns whether it is worth keeping for the next child.
    pub(super) fn clear(&mut self) -> bool {
        self.arguments = Arguments::default();
        self.owned = None;
        let pointers = self.pointers.capacity() * size_of::<*const c_char>();
        self.strings.capacity() + pointers <= KEPT_MAX
    }

    /// Simulates a child inside, or none.
    #[cfg(test)]
    pub(super) fn set_inside(&mut self, inside: bool) {
        *self.inside.get_mut() = inside.into();
    }
}

/// Where each string of a list begins, in which each ends with a NUL.
fn starts(strings: &[u8]) -> impl Iterator<Item = *const c_char> {
    strings
        .split_inclusive(|&b| b == 0)
        .map(|string| string.as_ptr().cast())
}
