//! The server's part that connections need while they work, and the one place in which it waits.

use std::io;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Context;
use crate::os::errors::reason;
use crate::os::poller::{Poller, Ready, Watched};
use crate::wire::buffer::Pool;

/// The pause before an operation is tried again after a shortage.
pub(super) const BACK_OFF: Duration = Duration::from_millis(100);

/// How often a shortage is logged.
const SELDOM: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Io {
    poller: Poller,
    pool: Pool,
    large_pipes: Rc<()>,
    /// The time of this turn.
    now: Instant,
    /// When to look at descriptors of the server's own that are not in the poller.
    unwatched_at: Option<Instant>,
    shortage: Option<String>,
    shortage_logged: Option<Instant>,
}

impl Io {
    /// # Errors
    ///
    /// When the system gives no poller.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            pool: Pool::new(),
            large_pipes: Rc::new(()),
            now: Instant::now(),
            unwatched_at: None,
            shortage: None,
            shortage_logged: None,
        })
    }

    /// The time of this turn.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Lets something work on a connection.
    pub(super) fn with_context<T>(&mut self, work: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let mut context = Context {
            poller: &self.poller,
            pool: &mut self.pool,
            large_pipes: &self.large_pipes,
            now: self.now,
            spent: 0,
            shortage: None,
        };
        let result = work(&mut context);
        if let Some((what, errno)) = context.shortage {
            self.note_shortage(what, errno.desc());
        }
        result
    }

    /// Waits for events. A turn begins when that returns.
    ///
    /// # Errors
    ///
    /// When the poller fails, for another reason than a shortage.
    pub(super) fn wait(
        &mut self,
        ready: &mut Vec<Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        let waited = self.poller.wait(ready, timeout);
        self.now = Instant::now();
        let Err(error) = waited else { return Ok(()) };
        let shortage = [libc::ENOMEM, libc::ENOSPC, libc::ENOBUFS];
        if !error
            .raw_os_error()
            .is_some_and(|code| shortage.contains(&code))
        {
            return Err(error);
        }
        self.note_shortage("wait for events", &reason(&error));
        if ready.is_empty() {
            // So that the loop does not spin.
            thread::sleep(BACK_OFF);
        }
        Ok(())
    }

    /// Watches a descriptor of the server's own for input. If the poller refuses it, the clock
    /// replaces the poller.
    pub(super) fn watch(&mut self, watched: &mut Watched, what: &str) {
        if let Err(error) = watched.arm(&self.poller, true, false) {
            self.look_later(what, &error.to_string());
        }
    }

    /// Has unwatched descriptors checked after a pause: the server cannot do `what` now.
    pub(super) fn look_later(&mut self, what: &str, why: &str) {
        self.unwatched_at.get_or_insert(self.now + BACK_OFF);
        self.note_shortage(what, why);
    }

    /// When to check unwatched descriptors.
    pub(super) fn unwatched_at(&self) -> Option<Instant> {
        self.unwatched_at
    }

    /// Whether it is time to check unwatched descriptors.
    pub(super) fn take_unwatched(&mut self) -> bool {
        self.unwatched_at.take_if(|at| *at <= self.now).is_some()
    }

    /// A shortage: the server cannot do `what`.
    pub(super) fn note_shortage(&mut self, what: &str, why: &str) {
        let logged = self.shortage_logged;
        if logged.is_none_or(|at| at + SELDOM <= self.now) {
            self.shortage_logged = Some(self.now);
            self.shortage = Some(format!("cannot {what}: {why}"));
        }
    }

    /// A shortage to log.
    pub(super) fn take_shortage(&mut self) -> Option<String> {
        self.shortage.take()
    }
}
