//! The messages of a client of the control socket, and the answer that reports a failure.

use sockexec::control::message::{self, Status};
use sockexec::wire::control::{Decoder, Found, encode};

use crate::chance::Chance;

/// Messages, and what follows them that is none.
#[derive(Debug)]
pub struct Messages {
    pub bytes: Vec<u8>,
    pub all: Vec<Vec<u8>>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Messages {
    /// Any messages of at most `most` bytes.
    pub fn any(chance: &mut impl Chance, most: usize) -> Self {
        let mut messages = Self {
            bytes: Vec::new(),
            all: Vec::new(),
            ends: Vec::new(),
        };
        for _ in 0..chance.below(6) {
            let n = match chance.below(4) {
                0 => most,
                _ => 1 + chance.below(30.min(most)),
            };
            let message: Vec<u8> = (0..n).map(|i| (i % 253) as u8).collect();
            encode(&mut messages.bytes, &message);
            messages.ends.push(messages.bytes.len());
            messages.all.push(message);
        }
        let large = u32::try_from(most + 1).expect("a small limit");
        match chance.below(10) {
            0 => messages.bytes.extend_from_slice(b"\0\0\0\0:"),
            1 => messages.bytes.extend_from_slice(&large.to_be_bytes()),
            2 => messages.bytes.extend_from_slice(b"\0\0\0\x02{}"),
            3 => messages.bytes.extend_from_slice(b"\0\0\0\x09:cut"),
            4 => messages.bytes.extend_from_slice(b"\0"),
            _ => {}
        }
        messages
    }

    /// Whether nothing is cut in two after the first `sent` bytes.
    pub fn ends_at(&self, sent: usize) -> bool {
        sent == 0 || self.ends.contains(&sent)
    }

    /// How many are whole in the first `sent` bytes.
    pub fn whole(&self, sent: usize) -> usize {
        self.ends.iter().filter(|&&end| end <= sent).count()
    }
}

/// The reason in the one answer that reports a failure.
pub fn failure(bytes: &[u8]) -> String {
    let mut decoder = Decoder::new(bytes.len());
    let Ok((used, Found::Message(json))) = decoder.poll(bytes) else {
        panic!("no answer in {}", bytes.escape_ascii());
    };
    assert_eq!(used, bytes.len(), "something after the last answer");
    let answer = message::Request::read(&json).expect("an answer");
    let response = answer.response.expect("an answer that was filled in");
    assert_eq!(response.status, Status::Failure);
    response.error
}
