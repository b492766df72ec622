//! Starts programs without waiting for them.
//!
//! A child is made with clone(2) in the server's own memory and with the server's own
//! table of descriptors. Nothing is copied, and the server continues at once, even while the exec
//! hangs on a slow file system. [`Launcher::sweep`] finds out later whether the program runs: the
//! kernel clears a word of ours when the child leaves our memory.
//! Needs Linux 5.9 (close_range).
//!
//! | file | content |
//! |---|---|
//! | `mod` | the children in flight, and their outcomes |
//! | `order` | an order to start a program |
//! | `places` | the descriptors of a child |
//! | `environments` | the environments of programs |
//! | `buffer` | the memory of a child, and its layout |
//! | `stack` | the stack in it |
//! | `clone` | the system call that makes the child |
//! | `clone3` | the one that makes it in a cgroup |
//! | `child` | the steps of the child until the exec |
//! | `identity`, `limits` | those that a rule may ask for: another user, limits |
//! | `plan` | the input of these steps, and how far the child came |

mod buffer;
mod child;
mod clone;
mod clone3;
mod environments;
mod identity;
mod limits;
mod order;
mod places;
mod plan;
mod stack;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{getpid, pipe2};

use self::buffer::LaunchBuffer;
pub(in crate::os) use self::clone3::probe as probe_cgroup;
use self::environments::Environments;
pub use self::order::Order;
pub use self::places::FIRST_FREE;
use self::places::{PLACES, Place, Places};
use self::plan::Surroundings;
use crate::os::descriptors::{self, set_new_nonblocking};
use crate::os::environment::Environment;
use crate::os::process::Process;
use crate::program::{OutOfMemory, SpawnError};

/// A process that was made for a program, and its descriptors.
#[derive(Debug)]
pub struct Spawned {
    /// The process, whose number is also that of its group.
    pub process: Process,
    /// Becomes readable when the process has ended.
    pub pidfd: OwnedFd,
    /// The writing end of its standard input, unless it is to have none.
    pub stdin: Option<OwnedFd>,
    /// The reading ends of its outputs, by stream.
    pub outputs: [OwnedFd; 2],
}

/// A child that has not left yet.
#[derive(Debug)]
struct Flight<T> {
    tag: T,
    buffer: Box<LaunchBuffer>,
    place: Option<Place>,
}

/// Starts programs, each known to its owner by a tag.
#[derive(Debug)]
pub struct Launcher<T> {
    places: Places,
    environments: Environments,
    surroundings: Surroundings,
    flights: Vec<Flight<T>>,
    /// For the next children. Boxed, because a child in flight has the address of its buffer.
    #[allow(clippy::vec_box)]
    buffers: Vec<Box<LaunchBuffer>>,
}

impl<T: Copy> Launcher<T> {
    /// Takes the descriptors from 3 to [`FIRST_FREE`] for itself: whatever is there is
    /// closed. `limit` has the limit of descriptors that programs get.
    ///
    /// # Errors
    ///
    /// When the kernel is older than Linux 5.9, or gives no descriptors.
    pub fn new(environment: Environment, limit: descriptors::Limit) -> io::Result<Self> {
        descriptors::probe_close_range()?;
        Ok(Self {
            places: Places::new()?,
            environments: Environments::new(environment),
            surroundings: Surroundings {
                descriptors: (limit.inherited != limit.raised).then_some(limit.inherited),
                parent: getpid().as_raw(),
            },
            flights: Vec::new(),
            buffers: Vec::new(),
        })
    }

    /// Where programs are looked for.
    pub fn path(&self) -> &[u8] {
        self.environments.general().path()
    }

    /// `/dev/null`, for other code.
    pub fn null(&self) -> &OwnedFd {
        self.places.null()
    }

    /// Whether a program can be started now. If not: after a later [`Launcher::sweep`].
    pub fn is_ready(&self) -> bool {
        self.places.is_any_free()
    }

    /// Whether a sweep is due soon, although nothing else may wake the server.
    pub fn needs_sweep(&self) -> bool {
        self.places.is_any_in_use()
    }

    /// Whether a sweep is due a little later, to try failed places again.
    pub fn is_stuck(&self) -> bool {
        self.places.is_any_stuck()
    }

    /// Makes the process that will run the program. Whether it runs, a later [`Launcher::sweep`]
    /// reports under `tag`.
    ///
    /// # Errors
    ///
    /// When there is no process, memory or descriptor for it, or the launcher is not ready.
    pub fn launch(&mut self, tag: T, order: Order<'_>) -> Result<Spawned, Errno> {
        let mut buffer = match self.buffers.pop() {
            Some(buffer) => buffer,
            None => Box::new(LaunchBuffer::new(self.surroundings)?),
        };
        let cgroup = order.cgroup;
        let reads = order.execution.stdin.unwrap_or(true);
        let environment = self.environments.of(order.execution, order.account);
        let search = self.environments.general();
        if let Err(OutOfMemory) = buffer.fill(order, search, environment) {
            self.keep(buffer);
            return Err(Errno::ENOMEM);
        }
        let Some(mut place) = self.places.take() else {
            self.keep(buffer);
            return Err(Errno::EAGAIN);
        };
        let mut spawned = spawn(&mut place, &mut buffer, cgroup);
        if let Some(spawned) = spawned.as_mut().ok().filter(|_| !reads) {
            // Its reading end is at end-of-file then.
            spawned.stdin = None;
        }
        if spawned.is_ok() {
            let place = Some(place);
            self.flights.push(Flight { tag, buffer, place });
        } else {
            self.places.vacate(place);
            self.keep(buffer);
        }
        spawned
    }

    /// Frees the places of children that have their own descriptors, and reports to `outcome` each
    /// child that has executed its program, or has failed to, since the last call.
    pub fn sweep(&mut self, mut outcome: impl FnMut(T, Result<(), SpawnError>)) {
        self.places.free_stuck();
        let mut i = 0;
        while i < self.flights.len() {
            let flight = &mut self.flights[i];
            let has_left = flight.buffer.has_left();
            if flight.buffer.has_own_descriptors() {
                if let Some(place) = flight.place.take() {
                    self.places.vacate(place);
                }
            }
            if has_left {
                let flight = self.flights.swap_remove(i);
                outcome(flight.tag, flight.buffer.outcome());
                self.keep(flight.buffer);
            } else {
                i += 1;
            }
        }
    }

    fn keep(&mut self, mut buffer: Box<LaunchBuffer>) {
        if self.buffers.len() < PLACES && buffer.clear() {
            self.buffers.push(buffer);
        }
    }
}

impl<T> Drop for Launcher<T> {
    fn drop(&mut self) {
        // A child that is still inside uses this memory: it is leaked.
        for flight in self.flights.drain(..) {
            if !flight.buffer.has_left() {
                std::mem::forget(flight.buffer);
            }
        }
    }
}

/// Makes the pipes, and the child with its ends of them.
fn spawn(
    place: &mut Place,
    buffer: &mut LaunchBuffer,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Spawned, Errno> {
    let (stdin_theirs, stdin) = pipe2(OFlag::O_CLOEXEC)?;
    let (stdout, stdout_theirs) = pipe2(OFlag::O_CLOEXEC)?;
    let (stderr, stderr_theirs) = pipe2(OFlag::O_CLOEXEC)?;
    for ours in [&stdin, &stdout, &stderr] {
        set_new_nonblocking(ours.as_fd())?;
    }
    place.fill([stdin_theirs, stdout_theirs, stderr_theirs])?;
    let (pid, pidfd) = buffer.start(place.numbers(), cgroup)?;
    Ok(Spawned {
        process: Process::new(pid),
        pidfd,
        stdin: Some(stdin),
        outputs: [stdout, stderr],
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::execution::Account;
    use crate::program::Arguments;

    fn root() -> Account {
        Account {
            name: "root".into(),
            uid: 0,
            gid: 0,
            groups: vec![0],
            home: b"/root".to_vec(),
            shell: b"/bin/sh".to_vec(),
        }
    }

    #[test]
    fn what_a_child_that_is_still_inside_points_to_outlives_the_launcher() {
        for inside in [false, true] {
            let surroundings = Surroundings {
                descriptors: None,
                parent: getpid().as_raw(),
            };
            let environment = Rc::new(Environment::inherited());
            let account = Rc::new(root());
            let order = Order {
                cgroup: None,
                file: None,
                arguments: Arguments::default(),
                variables: Vec::new(),
                execution: &Rc::default(),
                account: Some(&account),
            };
            let left = Rc::downgrade(&environment);
            let groups = Rc::downgrade(&account);
            let mut buffer = Box::new(LaunchBuffer::new(surroundings).unwrap());
            buffer
                .fill(order, &Environment::inherited(), environment)
                .unwrap();
            drop(account);
            buffer.set_inside(inside);
            let flight = Flight {
                tag: 1,
                buffer,
                place: None,
            };
            drop(Launcher {
                places: Places::none(),
                environments: Environments::new(Environment::inherited()),
                surroundings,
                flights: vec![flight],
                buffers: Vec::new(),
            });
            assert_eq!(groups.upgrade().is_some(), inside);
            assert_eq!(left.upgrade().is_some(), inside);
        }
    }
}
