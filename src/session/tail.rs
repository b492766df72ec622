//! The end of standard error, for the history of jobs. A program that writes nothing there takes no
//! memory for it.

use crate::program::OutOfMemory;

/// How many of the last bytes are kept.
pub const TAIL_MAX: usize = 512;

/// The smallest memory for them. It doubles as more comes.
const ROOM_MIN: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// These bytes follow. Without memory nothing is kept.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(TAIL_MAX)..];
        let excess = (self.0.len() + new.len()).saturating_sub(TAIL_MAX);
        self.0.drain(..excess);
        if self.make_room(new.len()).is_err() {
            self.0 = Vec::new();
            return;
        }
        self.0.extend_from_slice(new);
    }

    fn make_room(&mut self, more: usize) -> Result<(), OutOfMemory> {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let size = needed.next_power_of_two().max(ROOM_MIN);
            self.0.try_reserve_exact(size - self.0.len())?;
        }
        Ok(())
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay_however_they_come() {
        let all: Vec<u8> = (0..5000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for piece in [1, 7, 63, 64, 511, 512, 513, 1000, 5000] {
            let mut tail = Tail::default();
            let mut before = Vec::new();
            for bytes in all.chunks(piece) {
                tail.add(bytes);
                before.extend_from_slice(bytes);
                let expected = &before[before.len().saturating_sub(TAIL_MAX)..];
                assert_eq!(tail.bytes(), expected, "pieces of {piece}");
                assert!(tail.0.capacity() <= TAIL_MAX);
            }
        }
    }

    #[test]
    fn few_bytes_take_little_memory_and_none_take_none() {
        let mut tail = Tail::default();
        assert_eq!(tail.0.capacity(), 0);
        tail.add(b"");
        tail.add(b"error\n");
        assert_eq!(
            (tail.bytes(), tail.0.capacity()),
            (&b"error\n"[..], ROOM_MIN)
        );
    }
}
