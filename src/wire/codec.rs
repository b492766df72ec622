//! All protocols as one type: a closed enum, so that the compiler finds every place that a new
//! protocol must change.

use super::terms::{Decoded, Ending, Framing, ReplyPart};
use super::{Protocol, WireError, control, exec, sockproc};
use crate::program::Stream;

/// The maximum sizes of input from a client.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A request up to its last argument, in bytes.
    pub request: usize,
    /// A message to the server itself, in bytes.
    pub message: usize,
}

/// Decodes a client's input and encodes its reply, in any protocol.
///
/// The bytes of output do not pass through it: it provides their header, or their place.
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
    /// A codec before the first byte of a client that speaks `protocol`.
    pub fn new(protocol: Protocol, most: Sizes) -> Self {
        match protocol {
            Protocol::Exec => Self::Exec(exec::Decoder::new(most.request)),
            Protocol::Sockproc => Self::Sockproc(sockproc::Decoder::new(most.request)),
            Protocol::Control => Self::Control(control::Decoder::new(most.message)),
        }
    }

    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Exec(_) => Protocol::Exec,
            Self::Sockproc(_) => Protocol::Sockproc,
            Self::Control(_) => Protocol::Control,
        }
    }

    /// Decodes `input`, the bytes not yet consumed. Returns the number of consumed bytes, and
    /// the part that was found.
    ///
    /// # Errors
    ///
    /// When the bytes break the protocol or its limits. The codec cannot be used afterwards.
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

    /// The number of bytes of memory of the incomplete request.
    pub fn request_bytes(&self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.request_bytes(),
            Self::Sockproc(decoder) => decoder.request_bytes(),
            Self::Control(_) => 0,
        }
    }

    /// The number of decoding steps since the last call, as a measure of the work.
    pub fn take_steps(&mut self) -> usize {
        match self {
            Self::Exec(decoder) => decoder.take_steps(),
            Self::Sockproc(decoder) => decoder.take_steps(),
            // A message is one piece, whatever its size.
            Self::Control(_) => 0,
        }
    }

    /// Consumes `n` bytes of standard input.
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

    /// Drops the collected part of a request or a message, which is not needed any more.
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
    /// When a request or a message has begun and is not complete.
    pub fn finish(&mut self) -> Result<(), WireError> {
        match self {
            Self::Exec(decoder) => decoder.finish(),
            Self::Sockproc(decoder) => decoder.finish(),
            Self::Control(decoder) => Ok(decoder.finish()?),
        }
    }

    /// The handling of `n` bytes of output.
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

    /// Writes the end of a reply, after the output that was sent: `put` gets its parts in order.
    pub fn end(&self, ending: &Ending<'_>, put: impl FnMut(ReplyPart)) {
        match self {
            Self::Exec(_) => exec::end(ending, put),
            Self::Sockproc(_) => sockproc::end(ending, put),
            Self::Control(_) => control::end(ending, put),
        }
    }
}
