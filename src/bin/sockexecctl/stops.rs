//! Whether this process was stopped for a while, as by Ctrl-Z. A server does not wait that long for the
//! next question, and closes the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGCONT;

/// See the module.
#[derive(Debug, Default)]
pub struct Stops(Arc<AtomicBool>);

impl Stops {
    /// Watches from now on. Where that fails, no stop is seen.
    pub fn watch() -> Self {
        let stops = Self::default();
        let _ = signal_hook::flag::register(SIGCONT, Arc::clone(&stops.0));
        stops
    }

    /// Whether it was stopped since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
