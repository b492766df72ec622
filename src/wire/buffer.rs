//! Bytes in transit: a fixed piece of memory that is read into and sent from.
//!
//! A [`Buffer`] has storage only while it holds bytes; storage comes from a [`Pool`] and
//! returns to it, so that an idle connection costs nothing.

use crate::program::OutOfMemory;

/// The maximum number of bytes of a buffer.
///
/// It fits one pair of the exec protocol with its header and the end of a reply, and is the
/// size of a pipe, the maximum of one read.
pub const CAPACITY: usize = 64 * 1024;

/// The number of pieces of storage that a pool keeps for reuse; more is returned to the system.
const POOLED_MAX: usize = 8;

/// A queue of bytes of at most [`CAPACITY`].
#[derive(Debug, Default)]
pub struct Buffer {
    /// Empty, or [`CAPACITY`] bytes.
    storage: Box<[u8]>,
    head: usize,
    tail: usize,
}

impl Buffer {
    /// A buffer without bytes and without storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes held, oldest first.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.head..self.tail]
    }

    /// The number of bytes held.
    pub fn len(&self) -> usize {
        self.tail - self.head
    }

    /// Whether no bytes are held.
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// The memory of the buffer, in bytes.
    pub fn footprint(&self) -> usize {
        self.storage.len()
    }

    /// Drops the oldest `n` bytes.
    ///
    /// # Panics
    ///
    /// When fewer are held.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "{n} of {} bytes consumed", self.len());
        self.head += n;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops all bytes. The storage stays until [`Pool::take_back`].
    pub fn clear(&mut self) {
        (self.head, self.tail) = (0, 0);
    }

    /// The free room after the held bytes, to be written to and then committed. The held bytes
    /// move to the front when little room is left after them. A buffer without storage from a
    /// [`Pool`] gets its own, for which there must be memory.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.storage.is_empty() {
            self.storage = new_storage();
        }
        if self.tail > CAPACITY / 2 && self.head > 0 {
            self.storage.copy_within(self.head..self.tail, 0);
            (self.head, self.tail) = (0, self.len());
        }
        &mut self.storage[self.tail..]
    }

    /// Appends the first `n` bytes of [`Buffer::spare`] to the queue.
    ///
    /// # Panics
    ///
    /// When there is less room than that.
    pub fn commit(&mut self, n: usize) {
        assert!(self.tail + n <= self.storage.len(), "commit past the end");
        self.tail += n;
    }

    /// Appends `n` bytes that were written to [`Buffer::spare`] from offset `room` on, with
    /// `header` before them and `end` after them. In an empty buffer the bytes stay in place;
    /// otherwise they move up to the held bytes.
    ///
    /// # Panics
    ///
    /// When the header is larger than `room`, or there is no room for the end.
    pub fn commit_framed(&mut self, room: usize, header: &[u8], n: usize, end: u8) {
        assert!(header.len() <= room, "no room for the header");
        let data = self.tail + room;
        let mut start = data - header.len();
        if self.is_empty() {
            self.head = start;
        } else {
            self.storage
                .copy_within(data..data + n, self.tail + header.len());
            start = self.tail;
        }
        self.storage[start..start + header.len()].copy_from_slice(header);
        self.tail = start + header.len() + n;
        self.storage[self.tail] = end;
        self.tail += 1;
    }

    /// Copies the `n` held bytes at offset `from` to offset `to`, nearer to the front.
    ///
    /// # Panics
    ///
    /// When fewer are held there, or `to` is after `from`.
    #[inline]
    pub fn move_up(&mut self, from: usize, to: usize, n: usize) {
        assert!(to <= from && from + n <= self.len(), "moved past the end");
        let (from, to) = (self.head + from, self.head + to);
        if n == 1 {
            // A call to move one byte would cost more than the rest.
            self.storage[to] = self.storage[from];
        } else {
            self.storage.copy_within(from..from + n, to);
        }
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    ///
    /// When there is not enough room.
    pub fn append(&mut self, bytes: &[u8]) {
        self.spare()[..bytes.len()].copy_from_slice(bytes);
        self.commit(bytes.len());
    }
}

fn new_storage() -> Box<[u8]> {
    vec![0; CAPACITY].into_boxed_slice()
}

fn try_new_storage() -> Result<Box<[u8]>, OutOfMemory> {
    let mut storage = Vec::new();
    storage.try_reserve_exact(CAPACITY)?;
    storage.resize(CAPACITY, 0);
    Ok(storage.into_boxed_slice())
}

/// Storage between two uses.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Box<[u8]>>,
}

impl Pool {
    /// A pool with some pieces from the start, so that bytes can move when there is no more
    /// memory. They occupy no memory before they are used.
    pub fn new() -> Self {
        Self {
            free: (0..POOLED_MAX / 2).map(|_| new_storage()).collect(),
        }
    }

    /// Gives `buffer` storage, if it has none.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn lend(&mut self, buffer: &mut Buffer) -> Result<(), OutOfMemory> {
        if buffer.storage.is_empty() {
            buffer.storage = match self.free.pop() {
                Some(storage) => storage,
                None => try_new_storage()?,
            };
        }
        Ok(())
    }

    /// Takes the storage of `buffer`, if it holds no bytes.
    pub fn take_back(&mut self, buffer: &mut Buffer) {
        if buffer.is_empty() && !buffer.storage.is_empty() {
            let storage = std::mem::take(&mut buffer.storage);
            if self.free.len() < POOLED_MAX {
                self.free.push(storage);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_place_when_empty_and_closes_the_gap_when_not() {
        let mut buffer = Buffer::new();
        for (n, header) in [(5, &b"5:"[..]), (3, b"3:"), (4, b"0004:")] {
            buffer.spare()[10..10 + n].copy_from_slice(&b"hello"[..n]);
            buffer.commit_framed(10, header, n, b',');
        }
        assert_eq!(buffer.bytes(), b"5:hello,3:hel,0004:hell,");
        buffer.consume(8);
        assert_eq!(buffer.bytes(), b"3:hel,0004:hell,");
        buffer.append(b"!");
        buffer.consume(17);
        assert!(buffer.is_empty());
        assert_eq!(buffer.spare().len(), CAPACITY);
    }

    #[test]
    fn makes_room_when_little_is_left() {
        let mut buffer = Buffer::new();
        buffer.append(&vec![1; CAPACITY - 10]);
        buffer.consume(CAPACITY - 20);
        assert_eq!(buffer.spare().len(), CAPACITY - 10);
        buffer.append(&[2; 100]);
        assert_eq!(
            (buffer.len(), buffer.bytes()[9], buffer.bytes()[10]),
            (110, 1, 2)
        );
    }

    #[test]
    fn storage_goes_back_only_when_empty() {
        let (mut pool, mut buffer) = (Pool::default(), Buffer::new());
        pool.lend(&mut buffer).unwrap();
        buffer.append(b"x");
        pool.take_back(&mut buffer);
        assert_eq!(buffer.footprint(), CAPACITY);
        buffer.consume(1);
        pool.take_back(&mut buffer);
        assert_eq!((buffer.footprint(), pool.free.len()), (0, 1));
    }
}
