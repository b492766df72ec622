//! What goes over the socket, without the socket: no system call, no clock, no log.
//!
//! The framing and the protocols speak of bytes only; the types here are what they
//! say to the rest of the program. All that is peculiar to a protocol, in both directions, is in
//! one file.
//!
//! | file | what it knows |
//! |---|---|
//! | `protocol` | which protocols there are |
//! | `codec` | all of them as one |
//! | `exec`, `sockproc`, `control` | one protocol: reading what a client sends, writing what it gets |
//! | `netstring`, `http` | what they are made of, and what must not be taken for one |
//! | `terms`, `error` | what they say: of a request and a reply, and of what is wrong |
//! | `buffer` | bytes on their way through |

pub mod buffer;
mod codec;
pub mod control;
mod error;
pub mod exec;
pub mod http;
pub mod netstring;
mod protocol;
pub mod sockproc;
mod terms;

pub use self::codec::{Codec, Sizes};
pub use self::error::WireError;
pub use self::protocol::{Protocol, Purpose};
pub use self::terms::{Decoded, Ending, Framing, HEADER_MAX, Header, ReplyPart, Termsig};
