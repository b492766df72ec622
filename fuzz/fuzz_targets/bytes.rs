//! A fuzzer's bytes as chance.

use crate::chance::Chance;

/// The fuzzer's bytes, then a sequence that goes on for ever.
pub struct Bytes<'a> {
    data: &'a [u8],
    after: usize,
}

impl<'a> Bytes<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, after: 1 }
    }
}

impl Chance for Bytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let mut number = 0;
        let wanted = if bound > 256 { 3 } else { 1 };
        for _ in 0..wanted {
            let byte = match self.data.split_first() {
                Some((&byte, rest)) => {
                    self.data = rest;
                    usize::from(byte)
                }
                None => {
                    self.after = self
                        .after
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (self.after >> 33) & 0xff
                }
            };
            number = number << 8 | byte;
        }
        number % bound
    }
}
