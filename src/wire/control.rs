//! The framing of the control socket: messages that follow one another, in both directions.
//!
//! ```text
//! message = length ":" json
//! length  = 4 bytes, most significant first: the number of bytes of the JSON, at least 1
//!
//! 00 00 00 0e 3a {"cmd":"ping"}
//! ```
//!
//! Knows nothing of the JSON's content. The decoder collects a message until it is complete, within
//! a limit that is checked before the first byte of the JSON arrives, and takes no more room than
//! the received bytes. Source: sockexec-protocol(7).

use std::fmt;

use super::terms::{Ending, ReplyPart};
use super::{Protocol, foreign};
use crate::program::{OutOfMemory, try_append};

/// The maximum number of bytes of JSON in a message to the server.
pub const MESSAGE_MAX: usize = 1024 * 1024;

/// The bytes of a length.
const LENGTH: usize = 4;

/// The bytes in front of the JSON: its length and the `:`.
pub const HEADER: usize = LENGTH + 1;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// The length is 0, or over the limit.
    Length {
        /// The length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// This byte follows the length, and not a `:`.
    NoColon(u8),
    /// The input ended inside a message.
    Truncated,
    /// There is no memory for the message.
    NoMemory,
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { length, limit } => {
                write!(
                    f,
                    "a message of {length} bytes, it must have 1 to {limit} bytes"
                )?;
                let bytes = u32::try_from(*length).unwrap_or_default().to_be_bytes();
                match foreign::of_length(bytes) {
                    Some(spoken) => write!(f, "; {}", foreign::explain(Protocol::Control, spoken)),
                    None => Ok(()),
                }
            }
            Self::NoColon(byte) => write!(
                f,
                "'{}' instead of the ':' after a message's length",
                byte.escape_ascii()
            ),
            Self::Truncated => f.write_str("the input ends inside a message"),
            Self::NoMemory => f.write_str("there is no memory for the message"),
        }
    }
}

impl std::error::Error for BadMessage {}

/// A result of the decoder.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// More bytes are needed.
    More,
    /// A message is complete: the bytes of its JSON. The next one may follow at once.
    Message(Vec<u8>),
}

/// Splits a stream of bytes into messages.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    header: [u8; HEADER],
    /// The number of received bytes of the header.
    seen: usize,
    message: Vec<u8>,
}

impl Decoder {
    /// A decoder at the beginning of a message, for messages of at most `limit` bytes of JSON.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; HEADER],
            seen: 0,
            message: Vec::new(),
        }
    }

    /// True between two messages, where a stream may end.
    pub fn at_boundary(&self) -> bool {
        self.seen == 0
    }

    /// Decodes `input`, the bytes not yet consumed. Returns the number of consumed bytes, and the
    /// result.
    ///
    /// # Errors
    ///
    /// When this is no message within the limit. The decoder cannot be used afterwards.
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Found), BadMessage> {
        let mut used = 0;
        while self.seen < HEADER {
            let Some(&byte) = input.get(used) else {
                return Ok((used, Found::More));
            };
            used += 1;
            self.put_header(byte)?;
        }
        let missing = self.length() - self.message.len();
        let rest = &input[used..];
        let taken = missing.min(rest.len());
        try_append(&mut self.message, &rest[..taken])
            .map_err(|OutOfMemory| BadMessage::NoMemory)?;
        used += taken;
        if taken < missing {
            return Ok((used, Found::More));
        }
        self.seen = 0;
        Ok((used, Found::Message(std::mem::take(&mut self.message))))
    }

    /// Each part is checked when it is complete, so that no client sends bytes that will be refused.
    fn put_header(&mut self, byte: u8) -> Result<(), BadMessage> {
        self.header[self.seen] = byte;
        self.seen += 1;
        let (length, limit) = (self.length(), self.limit);
        match self.seen {
            LENGTH if length == 0 || length > limit => Err(BadMessage::Length { length, limit }),
            HEADER if byte != b':' => Err(BadMessage::NoColon(byte)),
            _ => Ok(()),
        }
    }

    fn length(&self) -> usize {
        let [a, b, c, d, _] = self.header;
        u32::from_be_bytes([a, b, c, d]) as usize
    }

    /// Drops the received part of a message. The decoder cannot be used afterwards.
    pub fn forget(&mut self) {
        self.message = Vec::new();
    }

    /// The client will send no more.
    ///
    /// # Errors
    ///
    /// When a message was cut short.
    pub fn finish(&self) -> Result<(), BadMessage> {
        match self.at_boundary() {
            true => Ok(()),
            false => Err(BadMessage::Truncated),
        }
    }
}

/// Appends `json` as one message.
///
/// # Panics
///
/// When it has more bytes than four bytes of length can express, which are 4 GiB.
pub fn encode(out: &mut Vec<u8>, json: &[u8]) {
    let length = u32::try_from(json.len()).expect("a message has less than 4 GiB");
    out.reserve(HEADER + json.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.push(b':');
    out.extend_from_slice(json);
}

/// The last message of a conversation: the reason, unless the client ended it.
pub fn end(ending: &Ending<'_>, mut put: impl FnMut(ReplyPart)) {
    if let Some(fault) = ending.fault {
        let mut answer = Vec::new();
        encode(&mut answer, failure(fault).as_bytes());
        put(ReplyPart::Bytes(answer));
    }
}

/// The JSON of a failure that answers no command.
fn failure(reason: &str) -> String {
    let reason = serde_json::Value::from(reason);
    format!(
        "{{\"cmd\":\"\",\"args\":{{}},\"response\":{{\"status\":\"failure\",\
         \"error\":{reason},\"payload\":\"\"}},\"respond\":true,\"close\":true}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::message::{Request, Response};

    const LIMIT: usize = 300;

    /// Decodes `pieces`, then the end of the input.
    fn decode(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, BadMessage> {
        let mut decoder = Decoder::new(LIMIT);
        let mut all = Vec::new();
        for mut piece in pieces.iter().copied() {
            loop {
                let (used, found) = decoder.poll(piece)?;
                piece = &piece[used..];
                match found {
                    Found::More => break,
                    Found::Message(message) => all.push(message),
                }
            }
            assert!(piece.is_empty());
        }
        decoder.finish()?;
        Ok(all)
    }

    fn in_every_split(input: &[u8], check: impl Fn(Result<Vec<Vec<u8>>, BadMessage>)) {
        for a in 0..=input.len() {
            for b in a..=input.len() {
                check(decode(&[&input[..a], &input[a..b], &input[b..]]));
            }
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        check(decode(&bytes));
    }

    #[test]
    fn messages_in_every_split() {
        for (input, messages) in [
            (&b""[..], &[][..]),
            (b"\0\0\0\x01:x", &[&b"x"[..]]),
            (b"\0\0\0\x0e:{\"cmd\":\"ping\"}", &[b"{\"cmd\":\"ping\"}"]),
            (
                b"\0\0\0\x02:{}\0\0\0\x05::::::\0\0\0\x01:\0",
                &[b"{}", b":::::", b"\0"],
            ),
        ] {
            in_every_split(input, |found| assert_eq!(found.unwrap(), messages));
        }
    }

    #[test]
    fn errors_in_every_split() {
        let limit = LIMIT;
        for (input, error) in [
            (&b"\0\0\0\0"[..], BadMessage::Length { length: 0, limit }),
            (b"\0\0\x01\x2d", BadMessage::Length { length: 301, limit }),
            (
                b"\xff\xff\xff\xff:{}",
                BadMessage::Length {
                    length: 0xffff_ffff,
                    limit,
                },
            ),
            (
                b"GET / HTTP/1.1\r\n",
                BadMessage::Length {
                    length: 0x4745_5420,
                    limit,
                },
            ),
            (b"\0\0\0\x02{}", BadMessage::NoColon(b'{')),
            (b"\0\0\0\x02:{}\0\0\0\x02,", BadMessage::NoColon(b',')),
            (b"\0", BadMessage::Truncated),
            (b"\0\0\0\x02", BadMessage::Truncated),
            (b"\0\0\0\x02:", BadMessage::Truncated),
            (b"\0\0\0\x02:{}\0\0\0\x02:{", BadMessage::Truncated),
        ] {
            in_every_split(input, |found| assert_eq!(found, Err(error), "{input:?}"));
        }
    }

    #[test]
    fn a_message_may_be_exactly_as_long_as_the_limit() {
        let mut input = Vec::new();
        encode(&mut input, &[b'x'; LIMIT]);
        assert_eq!(decode(&[&input]).unwrap(), [vec![b'x'; LIMIT]]);
    }

    #[test]
    fn a_length_that_is_claimed_takes_no_room() {
        let mut decoder = Decoder::new(MESSAGE_MAX);
        assert_eq!(decoder.poll(b"\0\x10\0\0:{"), Ok((6, Found::More)));
        assert!(decoder.message.capacity() < 1024);
    }

    #[test]
    fn a_failure_is_the_answer_that_the_server_would_make() {
        for reason in ["", "a \"quoted\" \\ line\n\t\u{1}", "Grüße \u{2028} 😀 /"] {
            let failure_of_server = Request::default().answered(Response::failure(reason));
            assert_eq!(failure(reason).as_bytes(), failure_of_server.to_json());
        }
    }

    #[test]
    fn refusals_name_the_limit() {
        let error = Decoder::new(MESSAGE_MAX).poll(&[0, 0x10, 0, 1]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "a message of 1048577 bytes, it must have 1 to 1048576 bytes"
        );
    }
}
