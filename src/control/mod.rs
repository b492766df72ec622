//! The control socket's vocabulary, and its client: what a running server can be asked and told.
//!
//! One JSON object goes each way, framed by [`crate::wire::control`]:
//!
//! ```text
//! -> {"cmd":"kill","args":{"id":12,"signal":"TERM"},"respond":true,"close":true}
//! <- {"cmd":"kill","args":{"id":12,"signal":"TERM"},
//!     "response":{"status":"success","error":"","payload":"{\"pid\":4567,\"signal\":\"SIGTERM\"}"},
//!     "respond":true,"close":true}
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | [`message`] | that object |
//! | [`table`] | which commands and arguments there are |
//! | [`command`] | what a request asks for, checked by the table |
//! | [`form`] | what an argument may be, and its range |
//! | [`payload`] | what the answers to `status`, `jobs` and others say |
//! | [`client`] | asking, for tools |
//!
//! The server and `sockexecctl` share all but [`client`]. Nothing here knows how the server does
//! what it is asked. Source: sockexec-protocol(7).

pub mod client;
pub mod command;
pub mod form;
pub mod message;
pub mod payload;
pub mod table;
