//! Where chance comes from: a seed, or a fuzzer.

/// See the module.
pub trait Chance {
    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: usize) -> usize;

    /// True about once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
