//! The sockproc protocol: a command for the shell in, its status and output back.
//!
//! ```text
//! request = command CRLF count CRLF stdin
//! command = what the shell is to run; ends at the first CRLF, so that a lone CR or LF is part of it
//! count   = how many bytes of standard input follow, 1 to 19 decimal digits
//! reply   = "status:" status CRLF size CRLF stdout size CRLF stderr
//! status  = how the command ended, in decimal, as wait(2) encodes it: exit 3 is 768, SIGTERM 15
//! size    = how many bytes of that output follow, in decimal
//!
//! uname<CRLF>0<CRLF>   ->   status:0<CRLF>6<CRLF>Linux<LF>0<CRLF>
//! ```
//!
//! A command that is the first line of an HTTP request is none: see [`super::http`].
//!
//! Source: sockexec-protocol(7). The decoder holds the command until the count is
//! complete, within a limit, and no standard input at all.

use super::{Decoded, Ending, ReplyPart, WireError, http};
use crate::program::{Arguments, Exit, Stream};

/// What runs a command, which becomes the last argument.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The most digits of a count: any number of so many fits in 64 bits.
const DIGITS_MAX: u8 = 19;

/// What wait(2) adds to the number of a signal when a core was dumped.
const DUMPED: i32 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Command,
    Count { value: u64, digits: u8 },
    Stdin { left: u64 },
    Ended,
}

/// Reads one request.
#[derive(Debug)]
pub struct Decoder {
    stage: Stage,
    /// The last byte was a CR, of which the next will show whether it ends the line.
    return_seen: bool,
    request_max: usize,
    seen: usize,
    /// How often something was looked at, since the caller asked.
    steps: usize,
    arguments: Arguments,
}

impl Decoder {
    /// A decoder for a request of at most `request_max` bytes up to its standard input.
    pub fn new(request_max: usize) -> Self {
        Self {
            stage: Stage::Command,
            return_seen: false,
            request_max,
            seen: 0,
            steps: 0,
            arguments: Arguments::default(),
        }
    }

    /// How many bytes of memory the request takes that is not complete.
    pub fn request_bytes(&self) -> usize {
        self.arguments.footprint()
    }

    /// How many steps the decoder has made since the last call. Small pieces take many, and
    /// each has its price.
    pub fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.steps)
    }

    /// Looks at `input`, the bytes not yet consumed. Returns how many were consumed, and
    /// what was found. With all of standard input taken it finds the end, also in an
    /// empty `input`: no byte of the protocol marks it.
    ///
    /// # Errors
    ///
    /// When this is no request within the limits. The decoder is of no use afterwards.
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Decoded), WireError> {
        let mut used = 0;
        loop {
            self.steps += 1;
            let rest = &input[used..];
            match self.stage {
                Stage::Ended => return Ok((input.len(), Decoded::More)),
                Stage::Stdin { left: 0 } => {
                    self.stage = Stage::Ended;
                    return Ok((used, Decoded::End));
                }
                Stage::Stdin { .. } if rest.is_empty() => return Ok((used, Decoded::More)),
                Stage::Stdin { left } => {
                    let all = usize::try_from(left).unwrap_or(usize::MAX);
                    return Ok((used, Decoded::Stdin(all.min(rest.len()))));
                }
                Stage::Command | Stage::Count { .. } if rest.is_empty() => {
                    return Ok((used, Decoded::More));
                }
                Stage::Command => used += self.poll_head(rest, Self::take_command)?,
                Stage::Count { .. } => {
                    used += self.poll_head(rest, Self::take_count)?;
                    if matches!(self.stage, Stage::Stdin { .. }) {
                        let arguments = std::mem::take(&mut self.arguments);
                        return Ok((used, Decoded::Request(arguments)));
                    }
                }
            }
        }
    }

    /// One step of what comes before standard input, on no more bytes than it may have.
    fn poll_head(
        &mut self,
        rest: &[u8],
        take: impl FnOnce(&mut Self, &[u8]) -> Result<usize, WireError>,
    ) -> Result<usize, WireError> {
        let room = self.request_max - self.seen;
        if room == 0 {
            return Err(WireError::TooLarge {
                limit: self.request_max,
            });
        }
        let used = take(self, &rest[..rest.len().min(room)])?;
        self.seen += used;
        Ok(used)
    }

    fn take_command(&mut self, bytes: &[u8]) -> Result<usize, WireError> {
        if self.arguments.count() == 0 {
            self.arguments = Arguments::try_collect(SHELL.map(str::as_bytes))?;
        }
        if std::mem::take(&mut self.return_seen) {
            if bytes[0] == b'\n' {
                if http::is_request_line(self.command()) {
                    return Err(WireError::Http);
                }
                self.arguments.try_end()?;
                self.stage = Stage::Count {
                    value: 0,
                    digits: 0,
                };
                return Ok(1);
            }
            self.arguments.try_extend(b"\r")?;
        }
        let special = bytes.iter().position(|&b| b == b'\r' || b == 0);
        let plain = special.unwrap_or(bytes.len());
        self.arguments.try_extend(&bytes[..plain])?;
        match special.map(|at| bytes[at]) {
            None => Ok(plain),
            Some(0) => Err(WireError::Nul {
                argument: SHELL.len(),
            }),
            Some(_) => {
                self.return_seen = true;
                Ok(plain + 1)
            }
        }
    }

    /// The command as far as it has come.
    fn command(&self) -> &[u8] {
        let before: usize = SHELL.iter().map(|argument| argument.len() + 1).sum();
        &self.arguments.as_bytes_with_nul()[before..]
    }

    fn take_count(&mut self, bytes: &[u8]) -> Result<usize, WireError> {
        let Stage::Count { value, digits } = self.stage else {
            unreachable!("called only while the count is read");
        };
        match bytes[0] {
            b'\n' if self.return_seen => self.stage = Stage::Stdin { left: value },
            b'\r' if !self.return_seen && digits > 0 => self.return_seen = true,
            digit @ b'0'..=b'9' if !self.return_seen => {
                if digits == DIGITS_MAX {
                    return Err(WireError::CountTooLong { limit: DIGITS_MAX });
                }
                self.stage = Stage::Count {
                    value: value * 10 + u64::from(digit - b'0'),
                    digits: digits + 1,
                };
            }
            _ => return Err(WireError::CountNotANumber),
        }
        Ok(1)
    }

    /// Gives up the arguments that have come. The decoder is of no use afterwards.
    pub fn forget(&mut self) {
        self.arguments = Arguments::default();
    }

    /// Says that `n` bytes of standard input have been taken.
    ///
    /// # Panics
    ///
    /// When [`Decoded::Stdin`] offered fewer.
    pub fn advance(&mut self, n: usize) {
        match &mut self.stage {
            Stage::Stdin { left } if *left >= n as u64 => *left -= n as u64,
            stage => panic!("{n} bytes taken in {stage:?}"),
        }
    }

    /// The client will send no more.
    ///
    /// # Errors
    ///
    /// When the request is not complete, or standard input is shorter than announced.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self.stage {
            Stage::Command | Stage::Count { .. } => Err(WireError::EndBeforeRequest),
            Stage::Stdin {
                left: missing @ 1..,
            } => Err(WireError::StdinTruncated { missing }),
            Stage::Stdin { left: 0 } | Stage::Ended => {
                self.stage = Stage::Ended;
                Ok(())
            }
        }
    }
}

/// The number that wait(2) would give for a process that has ended like this.
fn wait_status(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code << 8,
        Exit::Signal { number, dumped } => number | if dumped { DUMPED } else { 0 },
    }
}

/// A whole reply: the status, then each output behind a line with its size. The reason for an
/// end that is not the program's own is the end of stderr.
pub fn end(ending: &Ending<'_>, mut put: impl FnMut(ReplyPart)) {
    let reason = ending.reason();
    let [out, err] = ending.kept;
    let status = wait_status(ending.exit);
    let head = format!("status:{status}\r\n{out}\r\n");
    put(ReplyPart::Bytes(head.into_bytes()));
    put(ReplyPart::Kept(Stream::Stdout));
    let size = format!("{}\r\n", err + reason.len() as u64);
    put(ReplyPart::Bytes(size.into_bytes()));
    put(ReplyPart::Kept(Stream::Stderr));
    if !reason.is_empty() {
        put(ReplyPart::Bytes(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::exec::Termsig;

    const LIMIT: usize = 100;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        command: Option<Vec<u8>>,
        stdin: Vec<u8>,
        ended: bool,
    }

    /// Feeds `pieces`, then the end of input where `finish` says so.
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
}
