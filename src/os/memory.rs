//! The process's memory: which processes may look into it, how much the allocator keeps, and a
//! reserve for the time when the system has no more.
//!
//! Rust ends a process that gets no memory, and all programs with it. So there are two kinds of
//! allocations. Large ones are for data from clients and programs; their code expects a refusal
//! and passes it on. Small ones, for a log line or an entry in a list, expect no refusal: when the
//! system refuses one, a reserve satisfies it, which is allocated at the start. While half of it
//! is used, and the system has no memory to fill it up, large allocations are refused, and callers
//! of [`is_short`] should begin nothing new.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use nix::sys::prctl;

/// The largest piece of memory that is not given back to the system when it is freed.
const KEPT_MAX: i32 = 256 * 1024;

/// An allocation from this size on, in bytes, may be refused: the smallest is a connection's buffer.
const LARGE: usize = 32 * 1024;

/// What the allocator keeps for itself: how many of each size, the step between sizes, the largest.
const KEPT_EACH: usize = 7;
const KEPT_STEP: usize = 16;
const KEPT_SIZE_MAX: usize = 1024;

/// The reserve: pieces of a fixed size. No request needs more than one of them.
const PIECES: usize = 16;
const PIECE: Layout = match Layout::from_size_align(LARGE, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

static RESERVE: [AtomicPtr<u8>; PIECES] = [const { AtomicPtr::new(ptr::null_mut()) }; PIECES];

/// The number of pieces left.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether a large allocation was refused since the last call of [`take_refusal`].
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Makes the allocator return large pieces of memory as soon as they are freed, and fills the
/// reserve. Otherwise the allocator would adapt to a few large requests and keep such memory.
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
/// If the kernel does not support that.
pub fn hide() -> io::Result<()> {
    Ok(prctl::set_dumpable(false)?)
}

/// Whether half of the reserve had to be used, and there is no memory to fill it up again.
pub fn is_short() -> bool {
    if !has_little() {
        return false;
    }
    gather();
    has_little()
}

/// The same, with the memory that is free as it lies.
fn has_little() -> bool {
    if LEFT.load(Ordering::Acquire) < PIECES {
        lay_in();
    }
    LEFT.load(Ordering::Acquire) < PIECES / 2
}

/// Makes large pieces of small ones that are free and stay apart.
///
/// The allocator of glibc keeps the last few of each small size that were freed for the next
/// request, wherever they lie, and never joins them with what is free around them. After a
/// crowd has gone they keep the memory that it had in parts too small for the reserve. So they
/// are taken, others of their size are given in their place, which lie together, and then they
/// are freed. Elsewhere this does nothing.
fn gather() {
    for size in (KEPT_STEP..=KEPT_SIZE_MAX).step_by(KEPT_STEP) {
        let Ok(layout) = Layout::from_size_align(size, KEPT_STEP) else {
            continue;
        };
        let mut taken = [ptr::null_mut::<u8>(); 2 * KEPT_EACH];
        for place in &mut taken {
            // SAFETY: the layout has a size.
            *place = unsafe { System.alloc(layout) };
        }
        // The last first: those take the places of the ones that were kept.
        for &memory in taken.iter().rev().filter(|memory| !memory.is_null()) {
            // SAFETY: made with this layout, here, and used by nobody.
            unsafe { System.dealloc(memory, layout) };
        }
    }
}

/// Whether `size` bytes are available now, for data that comes in many small pieces. That they are not
/// is no refusal yet.
pub fn has(size: usize) -> bool {
    let refused = REFUSED.load(Ordering::Acquire);
    let has = !is_short() && Vec::<u8>::new().try_reserve_exact(size).is_ok();
    REFUSED.store(refused, Ordering::Release);
    has
}

/// Whether data from a client or a program found no memory since the last call.
pub fn take_refusal() -> bool {
    REFUSED.swap(false, Ordering::AcqRel)
}

/// Gives back to the system what is free, after much was freed in small pieces. Elsewhere than with
/// glibc the allocator decides about that.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no effect on memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
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
            // SAFETY: just made, and not shared yet.
            Err(_) => unsafe { System.dealloc(piece, PIECE) },
        }
    }
}

/// Returns a piece of the reserve to the system's allocator. False: there is none left.
fn spend() -> bool {
    for place in &RESERVE {
        let piece = place.swap(ptr::null_mut(), Ordering::AcqRel);
        if !piece.is_null() {
            LEFT.fetch_sub(1, Ordering::AcqRel);
            // SAFETY: made with this layout, and taken out of the list, so nothing else owns it.
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
        if size >= LARGE && has_little() {
            REFUSED.store(true, Ordering::Release);
            return ptr::null_mut();
        }
        loop {
            let found = system();
            if !found.is_null() {
                return found;
            }
            if size >= LARGE {
                REFUSED.store(true, Ordering::Release);
                return found;
            }
            if !spend() {
                return found;
            }
        }
    }
}

// SAFETY: all memory is the system allocator's, with the layouts that the callers vouch for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the contract of the caller.
        Self::ask(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the contract of the caller.
        Self::ask(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's guarantees; a refusal leaves the old memory unchanged.
        Self::ask(size, || unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the contract of the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}
