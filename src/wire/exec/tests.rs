//! Requests of the exec protocol in every split, and ends of replies.

use super::*;
use crate::wire::netstring::Malformed;

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    arguments: Option<Vec<Vec<u8>>>,
    stdin: Vec<u8>,
    ended: bool,
}

/// Feeds `pieces`, then the end of input if `finish`.
fn decode(pieces: &[&[u8]], finish: bool) -> Result<Seen, WireError> {
    let mut decoder = Decoder::new(1000);
    let mut seen = Seen::default();
    for mut input in pieces.iter().copied() {
        loop {
            let (used, found) = decoder.poll(input)?;
            input = &input[used..];
            match found {
                Decoded::More => break,
                Decoded::Request(arguments) => {
                    assert!(seen.arguments.is_none());
                    seen.arguments = Some(arguments.iter().map(<[u8]>::to_vec).collect());
                }
                Decoded::Stdin(n) => {
                    // One byte at a time, as a full pipe would have it.
                    assert!(n > 0);
                    seen.stdin.push(input[0]);
                    decoder.advance(1);
                    input = &input[1..];
                }
                Decoded::End => seen.ended = true,
                Decoded::Message(_) => unreachable!("there are none in this protocol"),
            }
        }
        assert!(input.is_empty());
    }
    if finish {
        decoder.finish()?;
        seen.ended = true;
    }
    Ok(seen)
}

fn in_every_split(input: &[u8], finish: bool, check: impl Fn(Result<Seen, WireError>)) {
    for a in 0..=input.len() {
        for b in a..=input.len() {
            check(decode(&[&input[..a], &input[a..b], &input[b..]], finish));
        }
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    check(decode(&bytes, finish));
}

#[test]
fn requests_in_every_split() {
    for (input, finish, arguments, stdin, ended) in [
        (
            &b"1:2,5:uname,2:-a,0:,"[..],
            false,
            &["uname", "-a"][..],
            "",
            true,
        ),
        (b"1:1,3:cat,5:hello,0:,", false, &["cat"], "hello", true),
        (b"1:1,3:cat,2:he,3:llo,", false, &["cat"], "hello", false),
        (b"1:1,3:cat,2:he,3:llo,", true, &["cat"], "hello", true),
        (
            b"1:1,4:true,0:,what comes after",
            false,
            &["true"],
            "",
            true,
        ),
        (b"1:3,0:,0:,1:x,0:,", false, &["", "", "x"], "", true),
        (
            b"2:11,1:a,1:b,1:c,1:d,1:e,1:f,1:g,1:h,1:i,1:j,1:k,",
            true,
            &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
            "",
            true,
        ),
    ] {
        let wanted = Seen {
            arguments: Some(arguments.iter().map(|a| a.as_bytes().to_vec()).collect()),
            stdin: stdin.as_bytes().to_vec(),
            ended,
        };
        in_every_split(input, finish, |seen| assert_eq!(seen.as_ref(), Ok(&wanted)));
    }
}

#[test]
fn errors_in_every_split() {
    let too_large = WireError::TooLarge { limit: 1000 };
    for (input, finish, error) in [
        (&b"1:0,"[..], false, WireError::ArgcZero),
        (b"2:00,", false, WireError::ArgcNotANumber),
        (b"2:-1,", false, WireError::ArgcNotANumber),
        (b"3:1e9,", false, WireError::ArgcNotANumber),
        (b"0:,", false, WireError::ArgcNotANumber),
        (b"99:", false, WireError::ArgcNotANumber),
        (b"9:999999999,", false, too_large),
        (b"1:1,999999999:", false, too_large),
        (b"1:1,992:", false, too_large),
        (b"1:2,1:a,3:b\0c,", false, WireError::Nul { argument: 1 }),
        (b"1:1,1:ab", false, Malformed::NoComma(b'b').into()),
        (b"99999999999:", false, Malformed::TooManyDigits.into()),
        (b"1", true, WireError::EndBeforeRequest),
        (b"1:2,1:a,", true, WireError::EndBeforeRequest),
        (b"", true, WireError::EndBeforeRequest),
        (b"1:1,1:a,x", false, Malformed::Length(b'x').into()),
        (b"1:1,1:a,0:x", false, Malformed::NoComma(b'x').into()),
        (b"1:1,1:a,5:he", true, Malformed::Truncated.into()),
    ] {
        in_every_split(input, finish, |seen| {
            assert_eq!(seen, Err(error), "{input:?}")
        });
    }
}

#[test]
fn a_request_may_be_exactly_as_large_as_the_limit() {
    // 4 bytes of argc, 4 of the length, 991 of argument, a comma: 1000.
    let mut input = b"1:1,991:".to_vec();
    input.truncate(4);
    netstring::encode(&mut input, &[b'x'; 991]);
    assert_eq!(input.len(), 1000);
    assert!(decode(&[&input], true).unwrap().arguments.is_some());
}

#[test]
fn headers() {
    for n in [0, 1, 9, 10, 99, 100, 1000, 9999, 10000, PAIR_MAX] {
        for (stream, name) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
            let header = output_header(stream, n);
            let mut wanted = Vec::new();
            put_pair(&mut wanted, name, &vec![b'x'; n]);
            assert_eq!(header.bytes(), &wanted[..wanted.len() - n - 1]);
            assert_eq!(wanted.last(), Some(&OUTPUT_END));
        }
    }
}

/// The end of a reply in one piece.
fn ending(exit: Exit, fault: Option<&str>, termsig: Termsig) -> Vec<u8> {
    let ending = Ending {
        exit,
        fault,
        program: Some(b"cat"),
        kept: [0; 2],
        termsig,
    };
    let mut all = Vec::new();
    end(&ending, |part| all.push(part));
    let [ReplyPart::Bytes(bytes)] = &all[..] else {
        panic!("more than one part: {all:?}");
    };
    bytes.clone()
}

#[test]
fn signals_by_number_and_by_name() {
    for (number, as_number, as_name) in [
        (15, &b"7:termsig,2:15,"[..], &b"7:termsig,4:TERM,"[..]),
        (9, b"7:termsig,1:9,", b"7:termsig,4:KILL,"),
        (40, b"7:termsig,2:40,", b"7:termsig,2:40,"),
    ] {
        for dumped in [false, true] {
            let exit = Exit::Signal { number, dumped };
            assert_eq!(ending(exit, None, Termsig::Number), as_number);
            assert_eq!(ending(exit, None, Termsig::Name), as_name);
        }
    }
    let code = ending(Exit::Code(3), None, Termsig::Name);
    assert_eq!(code, b"8:exitcode,1:3,");
}

#[test]
fn a_reason_comes_before_the_last_pair() {
    let end = ending(Exit::Code(111), Some("it is full"), Termsig::Number);
    let wanted = "6:stderr,26:sockexec: cat: it is full\n,8:exitcode,3:111,";
    assert_eq!(String::from_utf8(end).unwrap(), wanted);
}
