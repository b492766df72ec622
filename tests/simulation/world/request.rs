//! The requests of a client for a program.

use sockexec::wire::{Protocol, netstring};

use crate::chance::Chance;

/// A request and the rest of what the client sends.
#[derive(Debug)]
pub struct Request {
    pub bytes: Vec<u8>,
    /// The standard input in it.
    pub stdin: Vec<u8>,
    /// Nothing in it was spoiled.
    pub well_formed: bool,
}

impl Request {
    /// Any request of this protocol.
    pub fn any(chance: &mut impl Chance, protocol: Protocol) -> Self {
        let mut request = match protocol {
            Protocol::Sockproc => command(chance),
            Protocol::Exec => arguments(chance),
            Protocol::Control => unreachable!("it asks for no program"),
        };
        if chance.once_in(5) {
            let at = chance.below(request.bytes.len());
            request.bytes[at] = b"x:,0\0\r\n"[chance.below(7)];
            request.well_formed = false;
        }
        request
    }
}

fn arguments(chance: &mut impl Chance) -> Request {
    let (mut bytes, mut stdin) = (Vec::new(), Vec::new());
    let argc = 1 + chance.below(4);
    netstring::encode(&mut bytes, argc.to_string().as_bytes());
    for _ in 0..argc {
        let n = chance.below(20);
        netstring::encode(&mut bytes, &vec![b'a'; n]);
    }
    for _ in 0..chance.below(5) {
        let chunk = piece(chance);
        netstring::encode(&mut bytes, &chunk);
        stdin.extend_from_slice(&chunk);
    }
    if chance.once_in(2) {
        netstring::encode(&mut bytes, b"");
        more(chance, &mut bytes);
    }
    Request {
        bytes,
        stdin,
        well_formed: true,
    }
}

fn command(chance: &mut impl Chance) -> Request {
    let stdin = match chance.below(3) {
        0 => Vec::new(),
        _ => piece(chance),
    };
    let mut bytes = vec![b'a'; chance.below(60)];
    bytes.extend_from_slice(format!("\r\n{}\r\n", stdin.len()).as_bytes());
    bytes.extend_from_slice(&stdin);
    more(chance, &mut bytes);
    Request {
        bytes,
        stdin,
        well_formed: true,
    }
}

/// A piece of standard input.
fn piece(chance: &mut impl Chance) -> Vec<u8> {
    let most = if chance.once_in(4) { 200_000 } else { 50 };
    (0..=chance.below(most)).map(|i| (i % 249) as u8).collect()
}

fn more(chance: &mut impl Chance, bytes: &mut Vec<u8>) {
    if chance.once_in(4) {
        bytes.extend_from_slice(b"what comes after the end");
    }
}
