//! What one connection may use, and for how long.

use std::time::Duration;

pub use crate::wire::Termsig;

/// How long the server waits for a program after SIGKILL before it stops waiting. Only a
/// program that is stuck in the kernel takes longer; its process is reaped when it ends.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// What one connection may use, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may last from its acceptance to the end of the program;
    /// `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// How long a request may take from the connection's acceptance to its last argument,
    /// whatever `timeout` is.
    pub request_timeout: Duration,
    /// How long a program may go on after SIGTERM before SIGKILL.
    pub kill_timeout: Duration,
    /// How long a connection whose reply has been sent may go on sending.
    pub linger: Duration,
    /// The size of a request up to its last argument, in bytes.
    pub request_max: usize,
    /// How much of a program's output is kept in memory, in bytes for each of the two
    /// streams, where a reply can only begin when all output is there; what is more goes
    /// to a temporary file.
    pub output_memory: usize,
    /// How much a program may write to one of its streams there, in bytes.
    pub output_max: u64,
    /// How long the control socket waits for the next command.
    pub control_idle: Duration,
    /// The size of a message on the control socket, in bytes.
    pub control_message_max: usize,
    /// How a reply names the signal that ended a program.
    pub termsig: Termsig,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(60)),
            request_timeout: Duration::from_secs(10),
            kill_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            request_max: 2 * 1024 * 1024,
            output_memory: 1024 * 1024,
            output_max: 1024 * 1024 * 1024,
            control_idle: Duration::from_secs(5),
            control_message_max: 1024 * 1024,
            termsig: Termsig::Number,
        }
    }
}
