//! The messages and commands of the control socket, and a client for them.
//!
//! One JSON object goes in each direction, framed by [`crate::wire::control`]:
//!
//! ```text
//! -> {"cmd":"kill","args":{"id":12,"signal":"TERM"},"respond":true,"close":true}
//! <- {"cmd":"kill","args":{"id":12,"signal":"TERM"},
//!     "response":{"status":"success","error":"","payload":"{\"pid\":4567,\"signal\":\"SIGTERM\"}"},
//!     "respond":true,"close":true}
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`message`] | that object |
//! | [`table`] | the commands and their arguments |
//! | [`command`] | a request as a command, checked by the table |
//! | [`form`] | the forms of arguments, and their ranges |
//! | [`payload`] | the answers to `status`, `jobs` and others |
//! | [`history`] | the answers to `recent`, `events` and `totals` |
//! | [`kill`] | the jobs that `kill` is about, and its answer |
//! | [`rules`] | the answer to `rules` |
//! | [`question`] | a question about the rules, also on a command line |
//! | [`configured`] | the answer to `config` |
//! | [`explained`] | the answer to that, and its text |
//! | [`client`] | a client, for tools |
//!
//! The server and `sockexecctl` share everything except [`client`]. Nothing here knows how the
//! server carries out a command. Source: sockexec-protocol(7).

pub mod client;
pub mod command;
pub mod configured;
pub mod explained;
pub mod form;
pub mod history;
pub mod kill;
pub mod message;
pub mod payload;
pub mod question;
pub mod rules;
pub mod table;
