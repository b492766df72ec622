//! Any bytes, of any protocol, in any pieces: a decoder never panics, and what it finds
//! does not depend on the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockexec::wire::{Codec, Decoded, Protocol, Sizes, WireError, control};

/// The most bytes of a request, or of a message.
const LIMIT: usize = 10_000;

#[derive(Debug, Default, PartialEq)]
struct Found {
    arguments: Option<Vec<Vec<u8>>>,
    stdin: Vec<u8>,
    ended: bool,
    messages: Vec<Vec<u8>>,
    /// Whether the input may end here.
    whole: bool,
}

fn decode<'a>(
    mut codec: Codec,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<Found, WireError> {
    let mut found = Found::default();
    for mut input in pieces {
        loop {
            let (used, decoded) = codec.poll(input)?;
            input = &input[used..];
            match decoded {
                Decoded::More => break,
                Decoded::Request(arguments) => {
                    assert!(found.arguments.is_none() && arguments.count() > 0);
                    found.arguments = Some(arguments.iter().map(<[u8]>::to_vec).collect());
                }
                Decoded::Stdin(n) => {
                    assert!(found.arguments.is_some() && !found.ended && n > 0);
                    found.stdin.extend_from_slice(&input[..n]);
                    codec.advance(n);
                    input = &input[n..];
                }
                Decoded::End => {
                    assert!(!found.ended);
                    found.ended = true;
                }
                Decoded::Message(message) => {
                    assert!((1..=LIMIT).contains(&message.len()));
                    found.messages.push(message);
                }
            }
        }
        assert!(input.is_empty());
    }
    found.whole = codec.finish().is_ok();
    Ok(found)
}

fuzz_target!(|data: &[u8]| {
    let [protocol, size, bytes @ ..] = data else {
        return;
    };
    let protocol = Protocol::ALL[usize::from(*protocol) % Protocol::ALL.len()];
    let sizes = Sizes {
        request: LIMIT,
        message: LIMIT,
    };
    let codec = || Codec::new(protocol, sizes);
    let size = usize::from(*size).max(1);
    let whole = decode(codec(), std::iter::once(bytes));
    assert_eq!(decode(codec(), bytes.chunks(size)), whole);
    assert_eq!(decode(codec(), bytes.chunks(1)), whole);
    if let Ok(Found {
        messages,
        whole: true,
        ..
    }) = whole
    {
        // Only one way leads to them.
        let mut again = Vec::new();
        messages
            .iter()
            .for_each(|message| control::encode(&mut again, message));
        assert!(messages.is_empty() || again == bytes);
    }
});
