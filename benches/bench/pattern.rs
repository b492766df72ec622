//! Bytes that show when some of them are lost, doubled or out of order.
//!
//! The byte at offset `n` is `n % 251`: the period is a prime, so that no buffer of a
//! usual size holds a whole number of them.

const PERIOD: usize = 251;

/// The beginning of the pattern: enough to cut `piece` bytes out of it at any offset.
pub fn table(piece: usize) -> Vec<u8> {
    (0..piece + PERIOD).map(|n| (n % PERIOD) as u8).collect()
}

/// The part of `table` that begins as the pattern does at `offset`.
pub fn at(table: &[u8], offset: u64) -> &[u8] {
    &table[(offset % PERIOD as u64) as usize..]
}
