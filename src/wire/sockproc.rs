//! The sockproc protocol: a command for the shell in, its status and output back.
//!
//! ```text
//! request = command CRLF count CRLF stdin
//! command = for the shell; ends at the first CRLF, so that a lone CR or LF is part of it
//! count   = the number of bytes of standard input, 1 to 19 decimal digits
//! reply   = "status:" status CRLF size CRLF stdout size CRLF stderr
//! status  = the wait status of the command, see wait(2), in decimal: exit 3 is 768, SIGTERM 15
//! size    = the number of bytes of that output, in decimal
//!
//! uname<CRLF>0<CRLF>   ->   status:0<CRLF>6<CRLF>Linux<LF>0<CRLF>
//! ```
//!
//! The first line of an HTTP request is not accepted as a command: see [`super::http`].
//!
//! Source: sockexec-protocol(7). The decoder holds the command until the count is
//! complete, within a limit. It holds no standard input.

use super::terms::{Decoded, Ending, ReplyPart};
use super::{WireError, foreign, http};
use crate::program::{Arguments, Exit, Stream};

/// The shell; the command becomes the last argument.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The maximum number of digits of a count: any such number fits into 64 bits.
const DIGITS_MAX: u8 = 19;

/// The bit of wait(2) for a core dump, added to the number of the signal.
const DUMPED: i32 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Command,
    Count { value: u64, digits: u8 },
    Stdin { left: u64 },
    Ended,
}

/// Reads one request.
#[derive(Debug)]
pub struct Decoder {
    reading: Reading,
    /// The last byte was a CR; the next byte decides whether it ends the line.
    return_seen: bool,
    request_max: usize,
    seen: usize,
    /// The number of steps since the caller asked.
    steps: usize,
    arguments: Arguments,
}

impl Decoder {
    /// A decoder for a request of at most `request_max` bytes up to its standard input.
    pub fn new(request_max: usize) -> Self {
        Self {
            reading: Reading::Command,
            return_seen: false,
            request_max,
            seen: 0,
            steps: 0,
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
    /// the part that was found. After all of standard input it finds the end, even in an
    /// empty `input`: no byte of the protocol marks it.
    ///
    /// # Errors
    ///
    /// When this is no request within the limits. The decoder cannot be used afterwards.
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Decoded), WireError> {
        let mut used = 0;
        loop {
            self.steps += 1;
            let rest = &input[used..];
            match self.reading {
                Reading::Ended => return Ok((input.len(), Decoded::More)),
                Reading::Stdin { left: 0 } => {
                    self.reading = Reading::Ended;
                    return Ok((used, Decoded::End));
                }
                Reading::Stdin { .. } if rest.is_empty() => return Ok((used, Decoded::More)),
                Reading::Stdin { left } => {
                    let all = usize::try_from(left).unwrap_or(usize::MAX);
                    return Ok((used, Decoded::Stdin(all.min(rest.len()))));
                }
                Reading::Command | Reading::Count { .. } if rest.is_empty() => {
                    return Ok((used, Decoded::More));
                }
                Reading::Command => used += self.poll_head(rest, Self::take_command)?,
                Reading::Count { .. } => {
                    used += self.poll_head(rest, Self::take_count)?;
                    if matches!(self.reading, Reading::Stdin { .. }) {
                        let arguments = std::mem::take(&mut self.arguments);
                        return Ok((used, Decoded::Request(arguments)));
                    }
                }
            }
        }
    }

    /// One step before standard input, on no more bytes than the limit allows.
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
                self.reading = Reading::Count {
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

    /// The received part of the command.
    fn command(&self) -> &[u8] {
        let before: usize = SHELL.iter().map(|argument| argument.len() + 1).sum();
        &self.arguments.as_bytes_with_nul()[before..]
    }

    fn take_count(&mut self, bytes: &[u8]) -> Result<usize, WireError> {
        let Reading::Count { value, digits } = self.reading else {
            unreachable!("called only while the count is read");
        };
        match bytes[0] {
            b'\n' if self.return_seen => self.reading = Reading::Stdin { left: value },
            b'\r' if !self.return_seen && digits > 0 => self.return_seen = true,
            digit @ b'0'..=b'9' if !self.return_seen => {
                if digits == DIGITS_MAX {
                    return Err(WireError::CountTooLong { limit: DIGITS_MAX });
                }
                self.reading = Reading::Count {
                    value: value * 10 + u64::from(digit - b'0'),
                    digits: digits + 1,
                };
            }
            _ => return Err(WireError::CountNotANumber),
        }
        Ok(1)
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
    pub fn advance(&mut self, n: usize) {
        match &mut self.reading {
            Reading::Stdin { left } if *left >= n as u64 => *left -= n as u64,
            reading => panic!("{n} bytes taken in {reading:?}"),
        }
    }

    /// The client will send no more.
    ///
    /// # Errors
    ///
    /// When the request is not complete, or standard input is shorter than announced.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self.reading {
            Reading::Command
                if self.arguments.count() > 0 && foreign::is_netstring(self.command()) =>
            {
                Err(WireError::EndInNetstring)
            }
            Reading::Command | Reading::Count { .. } => Err(WireError::EndBeforeRequest),
            Reading::Stdin {
                left: missing @ 1..,
            } => Err(WireError::StdinTruncated { missing }),
            Reading::Stdin { left: 0 } | Reading::Ended => {
                self.reading = Reading::Ended;
                Ok(())
            }
        }
    }
}

/// The wait status of a process that has ended like this.
fn wait_status(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code << 8,
        Exit::Signal { number, dumped } => number | if dumped { DUMPED } else { 0 },
    }
}

/// A whole reply: the status, then each output after a line with its size. The reason of a fault
/// is the end of stderr.
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
mod tests;
