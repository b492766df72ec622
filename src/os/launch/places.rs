//! The places of descriptors through which children get their ends of their pipes.
//!
//! ```text
//!   descriptors   0 1 2 | 3 4 5 | 6 7 8 | ...  | FIRST_FREE ...
//!                 own     place   place          everything else of the server
//! ```
//!
//! A child keeps only descriptors below [`FIRST_FREE`]. So its ends of its pipes are put into
//! one of the places there, until it has made its copy of that part of the table; that
//! takes microseconds. Places that are not in use hold `/dev/null`, so that no other descriptor
//! gets these numbers.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};

use nix::errno::Errno;

use crate::os::descriptors::{copy_to, move_up, open_null};

/// The maximum number of children between their clone and their own table of descriptors.
pub(super) const PLACES: usize = 8;

/// The lowest descriptor that the server uses for itself, besides its standard streams.
pub const FIRST_FREE: RawFd = 3 + 3 * PLACES as RawFd;

/// Three numbers for one child, which are given back by [`Places::vacate`].
#[derive(Debug)]
pub(super) struct Place {
    first: RawFd,
    /// The number of them that do not hold `/dev/null`.
    filled: RawFd,
}

impl Place {
    /// Its numbers, in the order of a program's standard streams.
    pub(super) fn numbers(&self) -> [RawFd; 3] {
        [self.first, self.first + 1, self.first + 2]
    }

    /// Puts copies of the child's ends of its pipes there.
    pub(super) fn fill(&mut self, ends: [OwnedFd; 3]) -> Result<(), Errno> {
        for (end, number) in ends.iter().zip(self.numbers()) {
            match copy_to(end.as_fd(), number) {
                Ok(()) => self.filled += 1,
                // The number is beyond a limit that was lowered meanwhile.
                Err(Errno::EBADF) => return Err(Errno::EMFILE),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Places {
    null: OwnedFd,
    free: Vec<Place>,
    /// They still hold the pipes of a child: `/dev/null` could not be put there.
    stuck: Vec<Place>,
}

impl Places {
    /// Takes the descriptors from 3 to [`FIRST_FREE`]: whatever is there is closed.
    pub(super) fn new() -> io::Result<Self> {
        let null = move_up(open_null()?, FIRST_FREE)?;
        for number in 3..FIRST_FREE {
            copy_to(null.as_fd(), number)?;
        }
        let place = |index| Place {
            first: 3 + 3 * index as RawFd,
            filled: 0,
        };
        Ok(Self {
            null,
            free: (0..PLACES).map(place).collect(),
            stuck: Vec::new(),
        })
    }

    /// No place.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            null: open_null().unwrap(),
            free: Vec::new(),
            stuck: Vec::new(),
        }
    }

    pub(super) fn null(&self) -> &OwnedFd {
        &self.null
    }

    /// Whether there is one for the next child.
    pub(super) fn is_any_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether a child has one.
    pub(super) fn is_any_in_use(&self) -> bool {
        self.free.len() + self.stuck.len() < PLACES
    }

    /// Whether one waits for [`Places::free_stuck`].
    pub(super) fn is_any_stuck(&self) -> bool {
        !self.stuck.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Place> {
        self.free.pop()
    }

    /// Puts `/dev/null` into the numbers of a place that are filled, so that it can be used
    /// again. If that fails, because a number is beyond a limit that was lowered
    /// meanwhile, it is tried again later. Closing them instead would be wrong: another descriptor
    /// of the server would get these numbers.
    pub(super) fn vacate(&mut self, mut place: Place) {
        let numbers = place.first..place.first + place.filled;
        let copies = numbers.map(|number| copy_to(self.null.as_fd(), number));
        match copies.filter(Result::is_err).count() {
            0 => {
                place.filled = 0;
                self.free.push(place);
            }
            _ => self.stuck.push(place),
        }
    }

    /// Tries failed places again.
    pub(super) fn free_stuck(&mut self) {
        for place in std::mem::take(&mut self.stuck) {
            self.vacate(place);
        }
    }
}
