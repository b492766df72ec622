//! Any bytes, in any pieces: the decoder never panics, and what it finds does not depend
//! on the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockexec::wire::WireError;
use sockexec::wire::exec::{Decoded, Decoder};

type Found = (Option<Vec<Vec<u8>>>, Vec<u8>, bool);

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Found, WireError> {
    let mut decoder = Decoder::new(10_000);
    let mut found = (None, Vec::new(), false);
    for mut input in pieces {
        loop {
            let (used, decoded) = decoder.poll(input)?;
            input = &input[used..];
            match decoded {
                Decoded::More => break,
                Decoded::Request(arguments) => {
                    assert!(found.0.is_none() && arguments.count() > 0);
                    found.0 = Some(arguments.iter().map(<[u8]>::to_vec).collect());
                }
                Decoded::Stdin(n) => {
                    found.1.extend_from_slice(&input[..n]);
                    decoder.advance(n);
                    input = &input[n..];
                }
                Decoded::End => found.2 = true,
            }
        }
        assert!(input.is_empty());
    }
    Ok(found)
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let size = usize::from(size).max(1);
    let whole = decode(std::iter::once(bytes));
    assert_eq!(decode(bytes.chunks(size)), whole);
    assert_eq!(decode(bytes.chunks(1)), whole);
});
