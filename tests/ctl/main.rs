//! The `sockexecctl` program and the client of the control socket, against servers that follow a
//! script, and `top` in a pseudo terminal.
//!
//! Nothing waits for time: a test continues on bytes, a screen or the end of a process.
//! Against the real daemon there are other tests.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod arguments;
mod commands;
mod completions;
mod drain;
mod faults;
mod history;
mod instances;
mod plain;
mod pty;
mod screen;
mod server;
mod stopped;
mod terminal;
mod tmux;
mod vt;
