//! Runs local programs for the clients of a UNIX socket.

pub mod session;
pub mod wire;
