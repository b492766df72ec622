//! The exec protocol: an argument list in, output and an exit status out.
//!
//! ```text
//! request = argc 1*argument *chunk end          (each a netstring)
//! argc    = the number of arguments, in decimal, at least 1
//! chunk   = a piece of standard input, not empty
//! end     = the empty netstring: end of standard input
//! reply   = *( "6:stdout," data / "6:stderr," data ) ( "8:exitcode," code / "7:termsig," signal )
//!
//! 1:2,5:uname,2:-a,0:,   ->   6:stdout,6:Linux<LF>,8:exitcode,1:0,
//! ```
//!
//! Source: sockexec-protocol(7). The decoder holds the arguments of a request until they
//! are complete, within a limit. It holds no standard input.

use std::borrow::Cow;

use super::WireError;
use super::foreign;
use super::netstring::{self, Token};
use super::terms::{Decoded, Ending, HEADER_MAX, Header, ReplyPart, Termsig};
use crate::program::{Arguments, Exit, Stream};
use crate::signal;

/// The maximum number of bytes of output in one pair.
pub const PAIR_MAX: usize = 32 * 1024;

/// The end of a pair of output.
pub const OUTPUT_END: u8 = b',';

/// Room for the longest last pair, `8:exitcode,10:1234567890,`, and for the framing of a reason.
const LAST_MAX: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    Count,
    Arguments {
        left: usize,
    },
    Stdin,
    /// Inside the empty netstring that ends standard input.
    Ending,
    Ended,
}

/// Reads one request.
#[derive(Debug)]
pub struct Decoder {
    framing: netstring::Decoder,
    expecting: Expecting,
    request_max: usize,
    seen: usize,
    /// The number of steps since the caller asked.
    steps: usize,
    /// The digits of argc.
    count: Vec<u8>,
    arguments: Arguments,
}

impl Decoder {
    /// A decoder for a request of at most `request_max` bytes up to its last argument.
    pub fn new(request_max: usize) -> Self {
        Self {
            framing: netstring::Decoder::new(),
            expecting: Expecting::Count,
            request_max,
            seen: 0,
            steps: 0,
            count: Vec::new(),
            arguments: Arguments::default(),
        }
    }

    /// The number of bytes of memory of the incomplete request.
    pub fn request_bytes(&self) -> usize {
        self.arguments.footprint()
    }

    /// The number of steps that the decoder has made since the last call. Small pieces take many,
    /// and each has its cost.
    pub fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.steps)
    }

    /// Decodes `input`, the bytes not yet consumed. Returns the number of consumed bytes, and
    /// the part that was found.
    ///
    /// # Errors
    ///
    /// When this is no request within the limits. The decoder cannot be used afterwards.
    #[inline]
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Decoded), WireError> {
        let mut used = 0;
        loop {
            self.steps += 1;
            let rest = &input[used..];
            match self.expecting {
                Expecting::Ended => return Ok((input.len(), Decoded::More)),
                Expecting::Stdin | Expecting::Ending => {
                    if let Some((skipped, n)) = self.skip_to_short(rest) {
                        return Ok((used + skipped, Decoded::Stdin(n)));
                    }
                    let (n, token) = self.framing.poll(rest)?;
                    used += n;
                    match token {
                        Token::More => return Ok((used, Decoded::More)),
                        Token::Payload(n) => return Ok((used, Decoded::Stdin(n))),
                        Token::Begin(0) => self.expecting = Expecting::Ending,
                        Token::End if self.expecting == Expecting::Ending => {
                            self.expecting = Expecting::Ended;
                            return Ok((used, Decoded::End));
                        }
                        Token::Begin(_) | Token::End => {}
                    }
                }
                Expecting::Count | Expecting::Arguments { .. } => {
                    let (n, found) = self.poll_head(rest)?;
                    used += n;
                    if let Some(found) = found {
                        return Ok((used, found));
                    }
                }
            }
        }
    }

    /// A small piece of standard input is found in one step.
    fn skip_to_short(&mut self, rest: &[u8]) -> Option<(usize, usize)> {
        match self.expecting {
            Expecting::Stdin => self.framing.skip_to_short(rest),
            _ => None,
        }
    }

    /// One step before standard input. `None`: continue.
    fn poll_head(&mut self, rest: &[u8]) -> Result<(usize, Option<Decoded>), WireError> {
        let (mut n, token) = match self.framing.poll(rest) {
            Err(malformed) if self.seen == 0 => return Err(first_fault(rest, malformed)),
            polled => polled?,
        };
        match token {
            Token::More => {}
            // Checked before a byte of it arrives, so that no client sends bytes that will be refused.
            Token::Begin(length) => self.admit(n, length)?,
            Token::Payload(length) => {
                self.take(&rest[..length])?;
                self.framing.advance(length);
                n = length;
            }
            Token::End => {}
        }
        self.seen += n;
        let found = match (token, self.expecting) {
            (Token::More, _) => Some(Decoded::More),
            (Token::End, Expecting::Count) => {
                let left = self.argc()?;
                self.expecting = Expecting::Arguments { left };
                None
            }
            (Token::End, Expecting::Arguments { left }) => {
                self.arguments.try_end()?;
                self.expecting = Expecting::Arguments { left: left - 1 };
                (left == 1).then(|| {
                    self.expecting = Expecting::Stdin;
                    Decoded::Request(std::mem::take(&mut self.arguments))
                })
            }
            _ => None,
        };
        Ok((n, found))
    }

    /// Whether a netstring of `length`, whose length took `digits` bytes, fits into the limit.
    fn admit(&self, digits: usize, length: usize) -> Result<(), WireError> {
        if self.expecting == Expecting::Count && length > usize::from(netstring::DIGITS_MAX) {
            return Err(WireError::ArgcNotANumber);
        }
        if self.seen + digits + length + 1 > self.request_max {
            return Err(WireError::TooLarge {
                limit: self.request_max,
            });
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        if self.expecting == Expecting::Count {
            self.count.extend_from_slice(bytes);
        } else if bytes.contains(&0) {
            return Err(WireError::Nul {
                argument: self.arguments.count(),
            });
        } else {
            self.arguments.try_extend(bytes)?;
        }
        Ok(())
    }

    fn argc(&self) -> Result<usize, WireError> {
        let digits = std::str::from_utf8(&self.count).unwrap_or_default();
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match digits.parse::<usize>() {
            _ if digits == "0" => Err(WireError::ArgcZero),
            // The shortest argument takes three bytes.
            Ok(argc) if plain && argc > self.request_max / 3 => Err(WireError::TooLarge {
                limit: self.request_max,
            }),
            Ok(argc) if plain => Ok(argc),
            _ => Err(WireError::ArgcNotANumber),
        }
    }

    /// Drops the arguments received so far. The decoder cannot be used afterwards.
    pub fn forget(&mut self) {
        self.arguments = Arguments::default();
    }

    /// Consumes `n` bytes of standard input.
    ///
    /// # Panics
    ///
    /// When [`Decoded::Stdin`] offered fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.framing.advance(n);
    }

    /// The client will send no more, which ends standard input like the empty netstring.
    ///
    /// # Errors
    ///
    /// When the request is not complete, or a chunk was cut short.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self.expecting {
            Expecting::Count | Expecting::Arguments { .. } => Err(WireError::EndBeforeRequest),
            Expecting::Stdin | Expecting::Ending if !self.framing.at_boundary() => {
                Err(netstring::Malformed::Truncated.into())
            }
            Expecting::Stdin | Expecting::Ending | Expecting::Ended => {
                self.expecting = Expecting::Ended;
                Ok(())
            }
        }
    }
}

/// The fault of the first netstring. Its first byte may be the reason.
fn first_fault(input: &[u8], malformed: netstring::Malformed) -> WireError {
    match input.first().copied().and_then(foreign::of_first) {
        Some(spoken) => WireError::Foreign { malformed, spoken },
        None => malformed.into(),
    }
}

/// The header of a pair of `n` bytes of output, for the front of the buffer that holds them.
#[inline]
pub fn output_header(stream: Stream, n: usize) -> Header {
    debug_assert!(n <= PAIR_MAX);
    let mut bytes = [0; HEADER_MAX];
    bytes[..9].copy_from_slice(match stream {
        Stream::Stdout => b"6:stdout,",
        Stream::Stderr => b"6:stderr,",
    });
    let mut digits = [0; HEADER_MAX - 10];
    let (mut rest, mut first) = (n, digits.len());
    while rest > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let digits = &digits[first..];
    bytes[9..9 + digits.len()].copy_from_slice(digits);
    bytes[9 + digits.len()] = b':';
    let length = 10 + digits.len();
    Header { bytes, length }
}

/// The end of a reply: the reason of a fault, if there is one, and the last pair.
pub fn end(ending: &Ending<'_>, mut put: impl FnMut(ReplyPart)) {
    let reason = ending.reason();
    let mut out = Vec::with_capacity(reason.len() + LAST_MAX);
    if !reason.is_empty() {
        put_pair(&mut out, "stderr", &reason);
    }
    let text = exit_text(ending.exit, ending.termsig);
    let kind = match ending.exit {
        Exit::Code(_) => "exitcode",
        Exit::Signal { .. } => "termsig",
    };
    put_pair(&mut out, kind, text.as_bytes());
    put(ReplyPart::Bytes(out));
}

/// The last pair.
fn exit_text(exit: Exit, termsig: Termsig) -> Cow<'static, str> {
    match exit {
        Exit::Code(code) => code.to_string().into(),
        Exit::Signal { number, .. } => signal::short_name(number)
            .filter(|_| termsig == Termsig::Name)
            .map_or_else(|| number.to_string().into(), Into::into),
    }
}

fn put_pair(out: &mut Vec<u8>, kind: &str, data: &[u8]) {
    netstring::encode(out, kind.as_bytes());
    netstring::encode(out, data);
}

#[cfg(test)]
mod tests;
