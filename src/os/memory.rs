//! What the allocator keeps for itself.

/// The largest piece of memory that is not given back to the system when it is freed.
const KEPT_MAX: i32 = 256 * 1024;

/// Has large pieces of memory given back as soon as they are freed. The allocator would
/// else learn from a few large requests to keep such memory for good.
pub fn give_back_large_pieces() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number in the allocator, at start, while there is one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_MAX);
    }
}
