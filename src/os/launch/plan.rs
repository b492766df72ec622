//! A child's input and its progress. The server keeps it in place until the child has left, and
//! reads only the atomic parts meanwhile.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use crate::execution::{Account, Execution, Limits};

/// The values that all children of a server share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// The soft limit of descriptors for programs, if it is not the server's; less if the
    /// hard limit is lower by now.
    pub(super) descriptors: Option<u64>,
    /// The server's process.
    pub(super) parent: c_int,
}

/// The user that a child becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The first of its groups, and their number.
    pub(super) groups: (*const u32, usize),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) surroundings: Surroundings,
    /// The child's ends of its pipes, in the order of its standard streams.
    pub(super) streams: [c_int; 3],
    /// The user to become.
    pub(super) identity: Option<Identity>,
    pub(super) no_new_privileges: bool,
    pub(super) limits: Limits,
    pub(super) nice: Option<u8>,
    pub(super) umask: Option<u32>,
    /// The directory to change to, or a null.
    pub(super) directory: *const c_char,
    /// The files to try, in this order; ends with a null.
    pub(super) candidates: *const *const c_char,
    /// The program's arguments; ends with a null.
    pub(super) argv: *const *const c_char,
    /// The program's environment; ends with a null.
    pub(super) envp: *const *const c_char,
    /// The number of steps that are done. After all of them only the exec can fail.
    pub(super) done: AtomicUsize,
    /// The error that kept the program from running, or 0.
    pub(super) errno: AtomicI32,
    /// That error is about the program's interpreter.
    pub(super) interpreter: AtomicBool,
}

impl Plan {
    pub(super) fn new(surroundings: Surroundings) -> Self {
        Self {
            surroundings,
            streams: [-1; 3],
            identity: None,
            no_new_privileges: false,
            limits: Limits::default(),
            nice: None,
            umask: None,
            directory: ptr::null(),
            candidates: ptr::null(),
            argv: ptr::null(),
            envp: ptr::null(),
            done: AtomicUsize::new(0),
            errno: AtomicI32::new(0),
            interpreter: AtomicBool::new(false),
        }
    }

    /// Asks for what this execution asks for. The account's groups are to stay in place.
    pub(super) fn apply(&mut self, execution: &Execution, account: Option<&Rc<Account>>) {
        self.identity = account.map(|account| Identity {
            uid: account.uid,
            gid: account.gid,
            groups: (account.groups.as_ptr(), account.groups.len()),
        });
        self.no_new_privileges = execution.has_no_new_privileges();
        self.limits = execution.limits;
        self.nice = execution.nice;
        self.umask = execution.umask;
    }

    /// Forgets how far the last child came.
    pub(super) fn begin(&mut self) {
        *self.done.get_mut() = 0;
        *self.errno.get_mut() = 0;
        *self.interpreter.get_mut() = false;
    }

    /// Whether the child has left the server's table of descriptors, which is its first step.
    pub(super) fn has_own_descriptors(&self) -> bool {
        self.done.load(Ordering::Acquire) > 0
    }
}
