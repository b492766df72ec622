//! Requests of the sockproc protocol in every split, and ends of replies.

use super::*;
use crate::wire::Termsig;

const LIMIT: usize = 100;

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    command: Option<Vec<u8>>,
    stdin: Vec<u8>,
    ended: bool,
}

/// Feeds `pieces`, then the end of input if `finish`.
fn decode(pieces: &[&[u8]], finish: bool) -> Result<Seen, WireError> {
    let mut decoder = Decoder::new(LIMIT);
    let mut seen = Seen::default();
    for mut input in pieces.iter().copied() {
        loop {
            let (used, found) = decoder.poll(input)?;
            input = &input[used..];
            match found {
                Decoded::More => break,
                Decoded::Request(arguments) => {
                    let all: Vec<&[u8]> = arguments.iter().collect();
                    assert_eq!(
                        (all.len(), all[0], all[1]),
                        (3, &b"/bin/sh"[..], &b"-c"[..])
                    );
                    assert!(seen.command.is_none());
                    seen.command = Some(all[2].to_vec());
                }
                Decoded::Stdin(n) => {
                    // One byte at a time, as a full pipe would have it.
                    assert!(n > 0 && n <= input.len());
                    seen.stdin.push(input[0]);
                    decoder.advance(1);
                    input = &input[1..];
                }
                Decoded::End => {
                    assert!(!seen.ended);
                    seen.ended = true;
                }
                Decoded::Message(_) => unreachable!("there are none in this protocol"),
            }
        }
        assert!(input.is_empty());
    }
    if finish {
        decoder.finish()?;
        assert_eq!(decoder.poll(b""), Ok((0, Decoded::More)));
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
    for (input, command, stdin, ended) in [
        (&b"uname -a\r\n0\r\n"[..], "uname -a", "", true),
        (b"cat\r\n5\r\nhello", "cat", "hello", true),
        (b"cat\r\n5\r\nhel", "cat", "hel", false),
        (b"cat\r\n5\r\n", "cat", "", false),
        (b"cat\r\n5\r\nhello, and more\r\n", "cat", "hello", true),
        (b"cat\r\n4\r\n\r\n\r\n", "cat", "\r\n\r\n", true),
        (b"\r\n0\r\n", "", "", true),
        (b"a\nb\rc\r\r\n0\r\n", "a\nb\rc\r", "", true),
        (b"\n\r\n1\r\n\n", "\n", "\n", true),
        (b"x\r\n0000000000000000003\r\nabc", "x", "abc", true),
        (b"x\r\n9999999999999999999\r\nab", "x", "ab", false),
    ] {
        let wanted = Seen {
            command: Some(command.as_bytes().to_vec()),
            stdin: stdin.as_bytes().to_vec(),
            ended,
        };
        in_every_split(input, ended, |seen| assert_eq!(seen.as_ref(), Ok(&wanted)));
    }
}

#[test]
fn errors_in_every_split() {
    let nul = WireError::Nul { argument: 2 };
    let too_long = WireError::CountTooLong { limit: 19 };
    let cut = |missing| WireError::StdinTruncated { missing };
    for (input, finish, error) in [
        (&b"a\0b"[..], false, nul),
        (b"\0", false, nul),
        (b"a\r\0", false, nul),
        (b"a\r\n\r\n", false, WireError::CountNotANumber),
        (b"a\r\n-1\r\n", false, WireError::CountNotANumber),
        (b"a\r\n+1\r\n", false, WireError::CountNotANumber),
        (b"a\r\n 1\r\n", false, WireError::CountNotANumber),
        (b"a\r\n1 \r\n", false, WireError::CountNotANumber),
        (b"a\r\n1\n", false, WireError::CountNotANumber),
        (b"a\r\n1\r2\r\n", false, WireError::CountNotANumber),
        (b"a\r\n1\r\r\n", false, WireError::CountNotANumber),
        (b"a\r\nx", false, WireError::CountNotANumber),
        (b"a\r\n00000000000000000000\r\n", false, too_long),
        (b"a\r\n18446744073709551616\r\n", false, too_long),
        (b"", true, WireError::EndBeforeRequest),
        (b"uname\n0\n", true, WireError::EndBeforeRequest),
        (b"uname\r", true, WireError::EndBeforeRequest),
        (b"uname\r\n", true, WireError::EndBeforeRequest),
        (b"uname\r\n0", true, WireError::EndBeforeRequest),
        (b"uname\r\n0\r", true, WireError::EndBeforeRequest),
        (b"cat\r\n5\r\n", true, cut(5)),
        (b"cat\r\n5\r\nhell", true, cut(1)),
    ] {
        in_every_split(input, finish, |seen| {
            assert_eq!(seen, Err(error), "{}", input.escape_ascii());
        });
    }
}

#[test]
fn a_request_of_http_is_refused_with_its_first_line() {
    for line in [
        "GET / HTTP/1.1",
        "POST /run?x=1 HTTP/1.0",
        "PRI * HTTP/2.0",
        "M-SEARCH * HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "GET http://example.org/;id HTTP/1.1",
        "GET  HTTP/1.1",
        // What a stranger puts into the address.
        "GET /",
        "GET /;id",
        "GET /x\nid\n HTTP/1.1",
        "GET x\nid\n HTTP/1.1",
        "PUT   //x",
    ] {
        let input = format!("{line}\r\n");
        in_every_split(input.as_bytes(), false, |seen| {
            assert_eq!(seen, Err(WireError::Http), "{line}");
        });
    }
    for line in [
        "grep -c HTTP/1.1 log",
        "tail log | grep HTTP/1.1",
        "GET",
        "GET http://example.org",
        "get / HTTP/1.1",
        "GETTY /",
        "FOO=1 /bin/true",
        "FOO /bin/true",
        "X HTTP/11",
        " HTTP/1.1",
    ] {
        let input = format!("{line}\r\n0\r\n");
        let seen = decode(&[input.as_bytes()], true).unwrap();
        assert_eq!(seen.command.as_deref(), Some(line.as_bytes()));
    }
}

#[test]
fn both_lines_may_be_exactly_as_large_as_the_limit() {
    let lines = |command: usize, count: &str| {
        [&vec![b'x'; command][..], b"\r\n", count.as_bytes(), b"\r\n"].concat()
    };
    let too_large = Err(WireError::TooLarge { limit: LIMIT });
    // A command, two bytes, a digit, two bytes: 100. What follows does not count.
    let mut input = lines(LIMIT - 5, "3");
    assert_eq!(input.len(), LIMIT);
    input.extend_from_slice(b"abc");
    in_every_split(&input, true, |seen| {
        assert_eq!(seen.unwrap().command.unwrap().len(), LIMIT - 5);
    });
    for input in [
        lines(LIMIT - 5, "10"),
        lines(LIMIT - 2, "0"),
        lines(LIMIT, "0"),
    ] {
        in_every_split(&input, true, |seen| assert_eq!(seen, too_large));
    }
    // What is wrong within the limit comes first, what is wrong after it does not count.
    let mut input = vec![b'x'; LIMIT + 1];
    input[LIMIT] = 0;
    in_every_split(&input, false, |seen| assert_eq!(seen, too_large));
    (input[LIMIT - 1], input[LIMIT]) = (0, b'x');
    in_every_split(&input, false, |seen| {
        assert_eq!(seen, Err(WireError::Nul { argument: 2 }));
    });
}

#[test]
#[should_panic(expected = "6 bytes taken")]
fn no_more_can_be_taken_than_was_announced() {
    let mut decoder = Decoder::new(LIMIT);
    assert!(matches!(
        decoder.poll(b"cat\r\n5\r\n"),
        Ok((8, Decoded::Request(_)))
    ));
    decoder.advance(6);
}

/// A reply whose outputs are `out` and `err`.
fn reply(exit: Exit, fault: Option<&str>, out: &str, err: &str) -> String {
    let ending = Ending {
        exit,
        fault,
        program: Some(b"/bin/sh"),
        kept: [out.len() as u64, err.len() as u64],
        termsig: Termsig::Number,
    };
    let mut all = Vec::new();
    end(&ending, |part| match part {
        ReplyPart::Bytes(bytes) => all.extend_from_slice(&bytes),
        ReplyPart::Kept(Stream::Stdout) => all.extend_from_slice(out.as_bytes()),
        ReplyPart::Kept(Stream::Stderr) => all.extend_from_slice(err.as_bytes()),
    });
    String::from_utf8(all).unwrap()
}

#[test]
fn replies() {
    for (exit, line) in [
        (Exit::Code(0), "status:0\r\n"),
        (Exit::Code(3), "status:768\r\n"),
        (Exit::Code(127), "status:32512\r\n"),
        (Exit::Code(255), "status:65280\r\n"),
    ] {
        assert_eq!(reply(exit, None, "", ""), format!("{line}0\r\n0\r\n"));
    }
    for (number, dumped, status) in [(15, false, 15), (11, true, 139), (40, false, 40)] {
        assert_eq!(wait_status(Exit::Signal { number, dumped }), status);
    }
    assert_eq!(
        reply(Exit::Code(0), None, "Linux\n", "warning"),
        "status:0\r\n6\r\nLinux\n7\r\nwarning"
    );
    assert_eq!(
        reply(Exit::Code(111), Some("it is full"), "a", "b\n"),
        "status:28416\r\n1\r\na32\r\nb\nsockexec: /bin/sh: it is full\n"
    );
}
