//! The last entries of a series. Each has a number, from 1; no number is left out.

use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    /// The last of all entries; none is missing between them.
    entries: VecDeque<T>,
    /// How many are kept.
    most: usize,
    /// How many there have been.
    count: u64,
}

impl<T> Ring<T> {
    /// Nothing yet; of what comes `most` entries are kept. Memory is taken as they come.
    pub fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            most,
            count: 0,
        }
    }

    /// How many are kept at most.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many are kept now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of the last entry; 0 before the first.
    pub fn last(&self) -> u64 {
        self.count
    }

    /// Keeps this number of entries from now on, and drops older ones.
    pub fn keep(&mut self, most: usize) {
        self.most = most;
        let excess = self.entries.len().saturating_sub(most);
        self.entries.drain(..excess);
        if most == 0 {
            self.drop_all();
        }
    }

    /// Keeps none of those that there are.
    pub fn drop_all(&mut self) {
        self.entries = VecDeque::new();
    }

    /// An entry is not kept, and with it none before it.
    pub fn skip(&mut self) {
        self.count += 1;
        self.drop_all();
    }

    /// Adds an entry. Without memory the oldest one makes room.
    pub fn push(&mut self, entry: T) {
        self.count += 1;
        if self.entries.len() >= self.most || self.entries.try_reserve(1).is_err() {
            // What makes no room is not kept itself.
            if self.entries.pop_front().is_none() {
                return;
            }
        }
        self.entries.push_back(entry);
    }

    /// All that are kept, with their numbers, the last one first.
    pub fn newest_first(&self) -> impl Iterator<Item = (u64, &T)> {
        let numbers = (0..self.count).map(|back| self.count - back);
        numbers.zip(self.entries.iter().rev())
    }

    /// Those behind this number, with their numbers, the first one first; and how many of them are
    /// not kept any more. A number that is still to come is not one of this series: then all that is
    /// kept follows, and what is not kept is missed.
    pub fn after(&self, number: u64) -> (u64, impl Iterator<Item = (u64, &T)>) {
        let number = if number > self.count { 0 } else { number };
        let dropped = self.count - self.entries.len() as u64;
        let missed = dropped.saturating_sub(number);
        let skipped = usize::try_from(number.saturating_sub(dropped)).unwrap_or(usize::MAX);
        let numbers = number + missed + 1..;
        (missed, numbers.zip(self.entries.iter().skip(skipped)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::groups::tests::Random;

    fn newest(ring: &Ring<u64>) -> Vec<u64> {
        ring.newest_first().map(|(number, _)| number).collect()
    }

    fn after(ring: &Ring<u64>, number: u64) -> (u64, Vec<u64>) {
        let (missed, entries) = ring.after(number);
        (missed, entries.map(|(number, _)| number).collect())
    }

    #[test]
    fn the_last_ones_are_kept_by_their_numbers() {
        let mut ring = Ring::new(3);
        assert_eq!((newest(&ring), after(&ring, 0)), (vec![], (0, vec![])));
        for n in 1..=5 {
            ring.push(n);
        }
        assert_eq!(newest(&ring), [5, 4, 3]);
        assert_eq!(after(&ring, 0), (2, vec![3, 4, 5]));
        assert_eq!(after(&ring, 2), (0, vec![3, 4, 5]));
        assert_eq!(after(&ring, 4), (0, vec![5]));
        assert_eq!(after(&ring, 5), (0, vec![]));
        // The reader has a number of another server.
        assert_eq!(after(&ring, 6), (2, vec![3, 4, 5]));
    }

    #[test]
    fn fewer_are_kept_at_once_and_none_where_it_is_off() {
        let mut ring = Ring::new(4);
        for n in 1..=4 {
            ring.push(n);
        }
        ring.keep(2);
        assert_eq!(newest(&ring), [4, 3]);
        ring.keep(0);
        ring.push(5);
        assert_eq!((newest(&ring), after(&ring, 3)), (vec![], (2, vec![])));
        assert_eq!(ring.entries.capacity(), 0);
        ring.keep(4);
        ring.push(6);
        assert_eq!(after(&ring, 0), (5, vec![6]));
    }

    #[test]
    fn memory_is_taken_as_entries_come() {
        let mut ring = Ring::new(1_000_000);
        assert_eq!(ring.entries.capacity(), 0);
        ring.push(1);
        assert!(ring.entries.capacity() < 10);
    }

    #[test]
    fn what_is_skipped_is_missed_with_all_before_it() {
        let mut ring = Ring::new(3);
        ring.push(1);
        ring.skip();
        assert!(newest(&ring).is_empty());
        ring.push(3);
        assert_eq!((newest(&ring), after(&ring, 0)), (vec![3], (2, vec![3])));
    }

    /// Against a list of all entries that there have been, and of those that are kept.
    #[test]
    fn a_ring_is_as_a_list_of_everything() {
        for seed in 1..200 {
            let mut random = Random(seed);
            let mut ring = Ring::new(random.below(5) as usize);
            let (mut all, mut kept) = (0, Vec::new());
            for _ in 0..100 {
                match random.below(8) {
                    0 => ring.keep(random.below(7) as usize),
                    1 if random.below(4) == 0 => {
                        ring.drop_all();
                        kept.clear();
                    }
                    2 => {
                        all += 1;
                        kept.clear();
                        ring.skip();
                    }
                    _ => {
                        all += 1;
                        kept.push(all);
                        ring.push(all);
                    }
                }
                let excess = kept.len().saturating_sub(ring.most());
                kept.drain(..excess);
                let back: Vec<u64> = kept.iter().rev().copied().collect();
                assert_eq!(newest(&ring), back, "seed {seed}");
                assert!(ring.newest_first().all(|(number, &entry)| number == entry));
                let number = random.below(all + 2);
                let from = if number > all { 0 } else { number };
                let there: Vec<u64> = kept.iter().copied().filter(|&n| n > from).collect();
                let missed = all - from - there.len() as u64;
                assert_eq!(after(&ring, number), (missed, there), "seed {seed}");
            }
        }
    }
}
