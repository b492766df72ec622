//! What goes over the socket, without the socket: no system call, no clock, no log.

pub mod netstring;
