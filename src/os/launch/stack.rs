//! The stack of one child: a mapping with a guard page below it.

use std::ffi::c_void;
use std::ptr;

use nix::errno::Errno;

/// The child makes a dozen system calls from a few small functions; a page would do.
const SIZE: usize = 32 * 1024;

/// A stack for one child.
#[derive(Debug)]
pub(super) struct Stack {
    bottom: *mut c_void,
    guard: usize,
}

impl Stack {
    pub(super) fn new() -> Result<Self, Errno> {
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
                guard + SIZE,
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

    /// Its lowest address, above the guard page, and its size.
    pub(super) fn range(&self) -> (*mut c_void, usize) {
        // SAFETY: inside of the mapping.
        (unsafe { self.bottom.add(self.guard) }, SIZE)
    }

    /// Its beginning: stacks grow downwards.
    pub(super) fn top(&self) -> *mut c_void {
        // SAFETY: the end of the mapping, which is aligned as a stack must be.
        unsafe { self.bottom.add(self.guard + SIZE) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that `with_guard` made; its child has left it.
        unsafe { libc::munmap(self.bottom, self.guard + SIZE) };
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
            assert_eq!(stack.top() as usize, bottom + size + SIZE);
        }
    }
}
