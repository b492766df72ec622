//! Notifications to the service manager: readiness, status, watchdog.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::os::notify::Notifier;
use crate::schedule::Counts;

/// The shortest interval of status notifications.
const SELDOM: Duration = Duration::from_secs(1);

/// The figures of the status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Connections that have a slot.
    active: usize,
    /// Slots.
    connections_max: usize,
    /// Connections accepted since the start.
    accepted: u64,
    /// It accepts none any more.
    draining: bool,
}

impl Load {
    pub(super) fn new(
        counts: &Counts,
        connections_max: usize,
        accepted: u64,
        draining: bool,
    ) -> Self {
        Self {
            active: counts.active,
            connections_max,
            accepted,
            draining,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Manager {
    notifier: Notifier,
    watchdog_at: Option<Instant>,
    sent: Option<(Instant, Load)>,
    /// What stands in front of the load in the status: why the configuration was not read.
    fault: Option<String>,
    /// When to send again notifications that the manager has not accepted.
    again: Option<Instant>,
}

impl Manager {
    pub(super) fn new(notifier: Notifier, now: Instant) -> Self {
        Self {
            watchdog_at: notifier.watchdog().map(|within| now + within / 2),
            notifier,
            sent: None,
            fault: None,
            again: None,
        }
    }

    /// The server serves with its configuration.
    pub(super) fn ready(&mut self) {
        self.notifier.notify(&[NotifyState::Ready]);
    }

    /// The server reads its configuration again.
    pub(super) fn reloading(&mut self) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now().ok());
        self.notifier.notify(&states);
    }

    /// The configuration was read again, or was not, for this reason: the next status has it.
    pub(super) fn read(&mut self, fault: Option<&str>) {
        if self.fault.as_deref() != fault {
            self.fault = fault.map(str::to_owned);
            self.sent = None;
        }
    }

    /// The server stops.
    pub(super) fn stopping(&mut self) {
        self.notifier.notify(&[NotifyState::Stopping]);
    }

    /// When [`Manager::tick`] is due, with this load.
    pub(super) fn poll_timeout(&self, load: Load) -> Option<Instant> {
        let status_at = self
            .sent
            .filter(|&(_, sent)| self.notifier.has_manager() && sent != load)
            .map(|(at, _)| at + SELDOM);
        [self.watchdog_at, self.again, status_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends due notifications.
    pub(super) fn tick(&mut self, load: Load, now: Instant) {
        if self.watchdog_at.is_some_and(|at| at <= now) {
            self.notifier.notify(&[NotifyState::Watchdog]);
            self.watchdog_at = self.notifier.watchdog().map(|within| now + within / 2);
        }
        let is_new = |(at, sent)| sent != load && at + SELDOM <= now;
        if self.sent.is_none_or(is_new) {
            let text = status(load, self.fault.as_deref());
            self.notifier.notify(&[NotifyState::Status(&text)]);
            self.sent = Some((now, load));
        }
        if self.again.is_none_or(|at| at <= now) {
            self.again = self
                .notifier
                .flush_or_retry_after()
                .map(|pause| now + pause);
        }
    }

    /// Sends waiting notifications, for the last time.
    pub(super) fn flush(&mut self) {
        self.notifier.flush_or_retry_after();
    }
}

/// The status line.
fn status(load: Load, fault: Option<&str>) -> String {
    let Load {
        active,
        connections_max,
        accepted,
        draining,
    } = load;
    let state = if draining { "draining: " } else { "" };
    let load =
        format!("{state}{active} of {connections_max} connections active, {accepted} accepted");
    match fault {
        // A notification ends a value at the end of its line.
        Some(fault) => {
            let fault = fault.replace(char::is_control, " ");
            format!("configuration not read: {fault}; {load}")
        }
        None => load,
    }
}
