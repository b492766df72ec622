//! The bytes on the sockets, without the sockets: no system call, no clock, no log.
//!
//! The framing and the protocols handle bytes only; the types here are their interface to the
//! rest of the program. All details of a protocol, in both directions, are in one file.
//!
//! | file | content |
//! |---|---|
//! | `protocol` | the protocols |
//! | `codec` | all of them as one |
//! | `exec`, `sockproc`, `control` | one protocol: decoding requests, encoding replies |
//! | `netstring`, `http` | the framing of exec, and the recognition of HTTP requests |
//! | `foreign` | recognition of the other protocols, for the reasons of refusals |
//! | `terms`, `error` | shared types: parts of requests and replies, and faults |
//! | `buffer` | bytes in transit |

pub mod buffer;
mod codec;
pub mod control;
mod error;
pub mod exec;
pub mod foreign;
pub mod http;
pub mod netstring;
mod protocol;
pub mod sockproc;
mod terms;

pub use self::codec::{Codec, Sizes};
pub use self::error::WireError;
pub use self::protocol::{Protocol, Purpose};
pub use self::terms::{Decoded, Ending, Framing, HEADER_MAX, Header, ReplyPart, Termsig};
