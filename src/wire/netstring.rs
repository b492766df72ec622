//! Netstrings, the framing of the exec protocol.
//!
//! ```text
//! netstring = length ":" bytes ","
//! length    = "0" | nonzero-digit *8digit        (at most 9 digits)
//! example   = "5:uname,"
//! ```
//!
//! The decoder accepts bytes in any fragmentation and never holds any: it classifies the next
//! bytes, and the caller reports how many of them it took. It owns a few integers.
//! Source: <https://cr.yp.to/proto/netstrings.txt>, narrowed by sockexec-protocol(7).

use std::fmt;

/// The maximum number of digits of a length.
pub const DIGITS_MAX: u8 = 9;

/// A fault in a netstring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A byte in a length that is neither a digit nor `:`.
    Length(u8),
    /// A length without any digit.
    NoDigits,
    /// A length such as `007`.
    LeadingZero,
    /// More than [`DIGITS_MAX`] digits.
    TooManyDigits,
    /// This byte follows the bytes, and not a comma.
    NoComma(u8),
    /// The input ended inside a netstring.
    Truncated,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(byte) => {
                write!(f, "'{}' in the length of a netstring", byte.escape_ascii())
            }
            Self::NoDigits => f.write_str("a netstring without a length"),
            Self::LeadingZero => f.write_str("a netstring's length starts with a zero"),
            Self::TooManyDigits => {
                write!(f, "a netstring's length has more than {DIGITS_MAX} digits")
            }
            Self::NoComma(byte) => write!(
                f,
                "'{}' where a netstring's closing comma belongs",
                byte.escape_ascii()
            ),
            Self::Truncated => f.write_str("the input ends inside a netstring"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The meaning of the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// More bytes are needed.
    More,
    /// A netstring of this many bytes begins.
    Begin(usize),
    /// The next bytes, this number and at least one, are payload. They stay in place: the
    /// caller takes any number of them and calls [`Decoder::advance`].
    Payload(usize),
    /// The netstring is complete.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length { value: usize, digits: u8 },
    Payload { left: usize },
}

/// Splits a stream of bytes into netstrings.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a netstring.
    pub const fn new() -> Self {
        Self {
            state: State::Length {
                value: 0,
                digits: 0,
            },
        }
    }

    /// True between two netstrings, where a stream may end.
    pub fn at_boundary(&self) -> bool {
        matches!(self.state, State::Length { digits: 0, .. })
    }

    /// Decodes `input`, the bytes not yet consumed. Returns the number of bytes consumed as
    /// framing, and the meaning of the next ones.
    ///
    /// # Errors
    ///
    /// When the bytes are no netstring. The decoder cannot be used afterwards.
    #[inline]
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Token), Malformed> {
        match self.state {
            State::Length { .. } => self.poll_length(input),
            State::Payload { left: 0 } => match input.first() {
                None => Ok((0, Token::More)),
                Some(b',') => {
                    self.state = Self::new().state;
                    Ok((1, Token::End))
                }
                Some(&other) => Err(Malformed::NoComma(other)),
            },
            State::Payload { .. } if input.is_empty() => Ok((0, Token::More)),
            State::Payload { left } => Ok((0, Token::Payload(left.min(input.len())))),
        }
    }

    /// The step from the end of one netstring into the payload of the next, if that is short
    /// and a part of it is there: it replaces three calls of [`Decoder::poll`]. Returns the
    /// number of bytes consumed as framing, and the number of payload bytes.
    #[inline]
    pub fn skip_to_short(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        match (self.state, input) {
            (State::Payload { left: 0 }, [b',', digit @ b'1'..=b'9', b':', rest @ ..])
                if !rest.is_empty() =>
            {
                let left = usize::from(digit - b'0');
                self.state = State::Payload { left };
                Some((3, left.min(rest.len())))
            }
            _ => None,
        }
    }

    #[inline]
    fn poll_length(&mut self, input: &[u8]) -> Result<(usize, Token), Malformed> {
        let State::Length {
            mut value,
            mut digits,
        } = self.state
        else {
            unreachable!("called only while a length is read");
        };
        for (i, &byte) in input.iter().enumerate() {
            match byte {
                b'0'..=b'9' if digits == DIGITS_MAX => return Err(Malformed::TooManyDigits),
                b'0'..=b'9' if digits > 0 && value == 0 => return Err(Malformed::LeadingZero),
                b'0'..=b'9' => {
                    value = value * 10 + usize::from(byte - b'0');
                    digits += 1;
                }
                b':' if digits == 0 => return Err(Malformed::NoDigits),
                b':' => {
                    self.state = State::Payload { left: value };
                    return Ok((i + 1, Token::Begin(value)));
                }
                other => return Err(Malformed::Length(other)),
            }
        }
        self.state = State::Length { value, digits };
        Ok((input.len(), Token::More))
    }

    /// Consumes `n` bytes of the payload.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`Token::Payload`] offered.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        match &mut self.state {
            State::Payload { left } if *left >= n => *left -= n,
            state => panic!("{n} bytes taken in {state:?}"),
        }
    }
}

/// Appends `data` as one netstring.
pub fn encode(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(data.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(data);
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input`, fed in pieces that end at the given cuts.
    fn decode(input: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, Malformed> {
        let mut decoder = Decoder::new();
        let (mut all, mut current) = (Vec::new(), Vec::new());
        let mut begin = 0;
        for &end in cuts.iter().chain([&input.len()]) {
            let mut piece = &input[begin..end];
            begin = end;
            loop {
                let (used, token) = decoder.poll(piece)?;
                piece = &piece[used..];
                match token {
                    Token::More => break,
                    Token::Begin(_) => current.clear(),
                    Token::Payload(n) => {
                        current.extend_from_slice(&piece[..n]);
                        decoder.advance(n);
                        piece = &piece[n..];
                    }
                    Token::End => all.push(std::mem::take(&mut current)),
                }
            }
            assert!(piece.is_empty());
        }
        if decoder.at_boundary() {
            Ok(all)
        } else {
            Err(Malformed::Truncated)
        }
    }

    #[test]
    fn decodes_in_every_split() {
        let input = b"0:,5:uname,2:-a,12:hello,world\n,";
        let whole = decode(input, &[]).unwrap();
        assert_eq!(
            whole,
            [&b""[..], b"uname", b"-a", b"hello,world\n"].map(<[u8]>::to_vec)
        );
        for a in 0..=input.len() {
            for b in a..=input.len() {
                assert_eq!(decode(input, &[a, b]).as_ref(), Ok(&whole), "{a} {b}");
            }
        }
    }

    #[test]
    fn refuses_what_is_malformed_in_every_split() {
        for (input, error) in [
            (&b":,"[..], Malformed::NoDigits),
            (b"x", Malformed::Length(b'x')),
            (b"1x", Malformed::Length(b'x')),
            (b"-1:", Malformed::Length(b'-')),
            (b"00:,", Malformed::LeadingZero),
            (b"01:a,", Malformed::LeadingZero),
            (b"1234567890:", Malformed::TooManyDigits),
            (b"1:ab", Malformed::NoComma(b'b')),
            (b"0:\n", Malformed::NoComma(b'\n')),
            (b"3:ab", Malformed::Truncated),
            (b"3:abc", Malformed::Truncated),
            (b"3", Malformed::Truncated),
        ] {
            for cut in 0..=input.len() {
                assert_eq!(decode(input, &[cut]), Err(error), "{input:?} {cut}");
            }
        }
    }

    #[test]
    fn encodes_what_it_decodes() {
        let mut out = Vec::new();
        encode(&mut out, b"");
        encode(&mut out, b"a,b:c");
        assert_eq!(out, b"0:,5:a,b:c,");
        assert_eq!(
            decode(&out, &[]).unwrap(),
            [b"".to_vec(), b"a,b:c".to_vec()]
        );
    }
}
