//! The client library and the `sockexec-client` program, against servers that follow a script.
//!
//! Each test owns its server: one connection, or one end of a pair, and a function that holds
//! the server's side of the conversation. Nothing waits for time: a conversation continues on
//! bytes, a closed connection or a channel. The time-out of the servers' connections only turns
//! a hang into a failure. Other tests use the real daemon.

mod arguments;
mod connecting;
mod exit;
mod library;
mod reply;
mod server;
mod streams;
mod volume;
