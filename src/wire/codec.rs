//! All protocols as one: a closed choice, so that one more shows every place that must know it.

use super::terms::{Decoded, Ending, Framing, ReplyPart};
use super::{Protocol, WireError, control, exec, sockproc};
use crate::program::Stream;

/// How large what a client sends may be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A request up to its last argument, in bytes.
    pub request: usize,
    /// A message to the server itself, in bytes.
    pub message: usize,
}

/// Reads what a client sends, and writes what it gets, whatever it speaks.
///
/// The bytes of output pass it by: it says what goes in front of them, or where they belong.
#[derive(Debug)]
pub enum Codec {
    /// See [`exec`].
    Exec(exec::Decoder),
    /// See [`sockproc`].
    Sockproc(sockproc::Decoder),
    /// See [`control`].
    Control(control::Decoder),
}

impl Codec {
    /// One that stands before the first byte of a client that speaks `protocol`.
    pub fn new(protocol: Protocol, most: Sizes) -> Self {
        match protocol {
            Protocol::Exec => Self::Exec(exec::Decoder::new(most.request)),
            Protocol::Sockproc => Self::Sockproc(sockproc::Decoder::new(most.request)),
            Protocol::Control => Self::Control(control::Decoder::new(most.message)),
        }
    }

    /// What is spoken.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Exec(_) => Protocol::Exec,
            Self::Sockproc(_) => Protocol::Sockproc,
            Self::Control(_) => Protocol::Control,
        }
    }

    /// Looks at `input`, the bytes not yet consumed. Returns how many were consumed, and
    /// what was found.
    ///
    /// # Errors
    ///
    /// When this is not what the protocol asks for, within its limits. The codec is of no
    /// use afterwards.
    #[inline]
    pub fn poll(&mut self, input: &[u8]) -> Result<(usize, Decoded), WireError> {
        match self {
            Self::Exec(decoder) => decoder.poll(input),
            Self::Sockproc(decoder) => decoder.poll(input),
            Self::Control(decoder) => {
                let (used, found) = decoder.poll(input)?;
                Ok((
                    used,
                    match found {
                        control::Found::More => Decoded::More,
                        control::Found::Message(message) => Decoded::Message(message),
                    },
                ))
            }
        }
    }

    /// How many bytes of memory the request takes that is not complete.
    pub fn request_bytes(&self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.request_bytes(),
            Self::Sockproc(decoder) => decoder.request_bytes(),
            Self::Control(_) => 0,
        }
    }

    /// How many steps decoding has taken since the last call, as a measure of its work.
    pub fn take_steps(&mut self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.take_steps(),
            Self::Sockproc(decoder) => decoder.take_steps(),
            // A message is one piece, whatever its size.
            Self::Control(_) => 0,
        }
    }

    /// Says that `n` bytes of standard input have been taken.
    ///
    /// # Panics
    ///
    /// When [`Decoded::Stdin`] offered fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        match self {
            Self::Exec(decoder) => decoder.advance(n),
            Self::Sockproc(decoder) => decoder.advance(n),
            Self::Control(_) => assert_eq!(n, 0, "a message is no standard input"),
        }
    }

    /// Gives up what was collected of a request or a message: nobody will ask for it.
    pub fn forget(&mut self) {
        match self {
            Self::Exec(decoder) => decoder.forget(),
            Self::Sockproc(decoder) => decoder.forget(),
            Self::Control(decoder) => decoder.forget(),
        }
    }

    /// The client will send no more.
    ///
    /// # Errors
    ///
    /// When something has begun and is not complete.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self {
            Self::Exec(decoder) => decoder.finish(),
            Self::Sockproc(decoder) => decoder.finish(),
            Self::Control(decoder) => Ok(decoder.finish()?),
        }
    }

    /// What becomes of `n` bytes of output.
    #[inline]
    pub fn frame(&self, stream: Stream, n: usize) -> Framing {
        match self {
            Self::Exec(_) => Framing::Sent {
                header: exec::output_header(stream, n),
                end: exec::OUTPUT_END,
            },
            Self::Sockproc(_) => Framing::Kept,
            Self::Control(_) => Framing::None,
        }
    }

    /// Writes the end of a reply, behind what was sent as it came: `put` gets its parts in their
    /// order.
    pub fn end(&self, ending: &Ending<'_>, put: impl FnMut(ReplyPart)) {
        match self {
            Self::Exec(_) => exec::end(ending, put),
            Self::Sockproc(_) => sockproc::end(ending, put),
            Self::Control(_) => control::end(ending, put),
        }
    }
}
