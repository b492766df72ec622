//! Helpers of the integration tests: a real daemon in a directory of its own, a client
//! that reads replies and checks each rule of the protocol about them, and the waits.
//!
//! Nothing here sleeps to let something happen: each wait is for an event (a message on
//! the notify socket, a log line, a process descriptor, bytes) and has an end
//! ([`PATIENCE`]). The one exception is [`process::eventually`], for what the kernel
//! shows but does not announce.

// Each test crate uses its own part of this module.
#![allow(dead_code, unused_imports)]

pub mod client;
pub mod control;
pub mod daemon;
pub mod inject;
pub mod lines;
pub mod machine;
pub mod notify;
pub mod process;
pub mod random;
pub mod reply;
pub mod sandbox;
pub mod skip;
pub mod sockproc;
pub mod temporary;
pub mod user;

pub use client::{Client, request, shell};
pub use control::Control;
pub use daemon::{Daemon, Setup};
pub use reply::{End, Reply};

use std::time::Duration;

/// How long a wait may take before the test fails: far more than anything needs on a
/// machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);
