//! The client library and the `sockexec-client` program, against servers that follow a script.
//!
//! Each test owns its server: one connection, or one end of a pair, and a function that holds
//! the server's side of the conversation. Nothing waits for time: a conversation goes on when
//! bytes, a closed connection or a channel say so. The time-out that the servers' connections
//! have only turns a hang into a failure. Against the real daemon there are other tests.

mod arguments;
mod connecting;
mod exit;
mod library;
mod reply;
mod server;
mod streams;
mod volume;
