//! The process's memory: which processes may look into it, what the allocator keeps for itself, and what is
//! in reserve when the system gives no more.
//!
//! Rust ends a process that gets no memory, and everybody's programs with it. So there are two
//! kinds of requests. Large ones come from what clients send and programs write; the code that
//! makes them expects a refusal and passes it on. Small ones, for a line of the log or an entry
//! in a list, expect none: when the system refuses one it is met from a reserve, which is laid
//! in at the start. While half of it is gone, and the system has nothing to fill it up with,
//! large requests are refused, and callers of [`is_short`] should begin nothing new.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use nix::sys::prctl;

/// The largest piece of memory that is not given back to the system when it is freed.
const KEPT_MAX: i32 = 256 * 1024;

/// What is this large, in bytes, may be refused: the smallest is a buffer of a connection.
const LARGE: usize = 32 * 1024;

/// The reserve: pieces of a fixed size. No request needs more than one of them.
const PIECES: usize = 16;
const PIECE: Layout = match Layout::from_size_align(LARGE, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

static RESERVE: [AtomicPtr<u8>; PIECES] = [const { AtomicPtr::new(ptr::null_mut()) }; PIECES];

/// How many pieces are there.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Has large pieces of memory given back as soon as they are freed, and lays in the reserve.
/// The allocator would else learn from a few large requests to keep such memory for good.
///
/// To be called where [`Allocator`] is the program's.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number in the allocator, at start, while there is one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_MAX);
    }
    lay_in();
}

/// Keeps other processes of the same user, such as the programs of clients, from looking into
/// this one: from reading its memory, in which others' requests are, from taking its
/// descriptors and from tracing it. It leaves no core either. A child is like this until it
/// executes its program.
///
/// # Errors
///
/// Where the kernel does not know that.
pub fn hide() -> io::Result<()> {
    Ok(prctl::set_dumpable(false)?)
}

/// Whether half of the reserve had to be used, and there is no memory to fill it up again.
pub fn is_short() -> bool {
    if LEFT.load(Ordering::Acquire) < PIECES {
        lay_in();
    }
    LEFT.load(Ordering::Acquire) < PIECES / 2
}

/// Whether `size` bytes could be had now, for what comes in many small pieces.
pub fn has(size: usize) -> bool {
    !is_short() && Vec::<u8>::new().try_reserve_exact(size).is_ok()
}

/// Fills up the reserve, as far as there is memory.
fn lay_in() {
    for place in &RESERVE {
        if !place.load(Ordering::Acquire).is_null() {
            continue;
        }
        // SAFETY: the layout has a size.
        let piece = unsafe { System.alloc(PIECE) };
        if piece.is_null() {
            return;
        }
        let empty = ptr::null_mut();
        match place.compare_exchange(empty, piece, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                LEFT.fetch_add(1, Ordering::AcqRel);
            }
            // SAFETY: just made, and nobody has seen it.
            Err(_) => unsafe { System.dealloc(piece, PIECE) },
        }
    }
}

/// Gives a piece of the reserve back to the system's allocator. False: there is none left.
fn spend() -> bool {
    for place in &RESERVE {
        let piece = place.swap(ptr::null_mut(), Ordering::AcqRel);
        if !piece.is_null() {
            LEFT.fetch_sub(1, Ordering::AcqRel);
            // SAFETY: made with this layout, and taken out of the list, so nobody else has it.
            unsafe { System.dealloc(piece, PIECE) };
            return true;
        }
    }
    false
}

/// The system's allocator with that reserve.
#[derive(Debug)]
pub struct Allocator;

impl Allocator {
    /// Asks the system, and once more for each piece of the reserve.
    fn ask(size: usize, mut system: impl FnMut() -> *mut u8) -> *mut u8 {
        if size >= LARGE && is_short() {
            return ptr::null_mut();
        }
        loop {
            let found = system();
            if !found.is_null() || size >= LARGE || !spend() {
                return found;
            }
        }
    }
}

// SAFETY: all memory is the system allocator's, with the layouts that the callers vouch for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller vouches.
        Self::ask(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller vouches.
        Self::ask(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller vouches; a refusal leaves what was there.
        Self::ask(size, || unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(memory, layout) }
    }
}
