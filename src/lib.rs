//! Runs local programs for the clients of a UNIX socket.

pub mod wire;
