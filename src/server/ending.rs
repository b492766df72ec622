//! Signals, and how the server ends: what runs must end, and clients hear of it.

use std::time::Duration;

use nix::sys::signal::Signal;
use sd_notify::NotifyState;

use super::{Phase, Server};
use crate::id::ConnectionId;
use crate::session::Input;
use crate::session::policy::GIVE_UP;

/// How long a server that must not wait waits for what it has killed to be gone, so that
/// clients hear of it.
const HURRY: Duration = Duration::from_secs(1);

impl Server {
    pub(super) fn take_signals(&mut self) {
        self.signals_watched.fired();
        for signal in self.signals.take() {
            log::debug!("{signal} came");
            match signal {
                Signal::SIGUSR1 => self.log_state(),
                Signal::SIGHUP => {
                    // Whether it went well is in the log.
                    let _ = self.reload();
                }
                _ if self.phase == Phase::Serving => {
                    log::info!("{signal}: stopping, {} connections active", self.active);
                    self.drain(Some(self.settings.stop_grace));
                }
                // A drain was asked for: now what runs gets the time that it has at a stop.
                _ if matches!(self.phase, Phase::Finishing { until: None }) => {
                    log::info!("{signal}: stopping, {} connections active", self.active);
                    self.notifier.notify(&[NotifyState::Stopping]);
                    self.phase = Phase::Finishing {
                        until: Some(self.now + self.settings.stop_grace),
                    };
                }
                _ => {
                    log::info!("{signal} again: not waiting any longer");
                    self.tell_all(|| Input::StopNow);
                    let until = self.now + HURRY;
                    self.phase = Phase::Draining { until };
                }
            }
        }
    }

    /// Accepts nobody any more, and lets what runs go on for the time of grace, or as long
    /// as its own limits let it.
    pub(super) fn drain(&mut self, grace: Option<Duration>) {
        if self.phase != Phase::Serving {
            return;
        }
        if grace.is_some() {
            // Not for a drain, which takes its time: the service manager would end it after
            // its own time for a stop.
            self.notifier.notify(&[NotifyState::Stopping]);
        }
        let until = grace.map(|grace| self.now + grace);
        self.phase = Phase::Finishing { until };
        self.close_listeners(false);
        if grace.is_some_and(|grace| grace.is_zero()) {
            self.end_programs();
        }
    }

    /// Makes what runs end.
    pub(super) fn end_programs(&mut self) {
        let limits = &self.settings.limits;
        let until = self.now + limits.kill_timeout + limits.linger + 2 * GIVE_UP;
        self.phase = Phase::Draining { until };
        self.close_listeners(true);
        self.tell_all(|| Input::Stop);
    }

    pub(super) fn tell_all(&mut self, input: impl Fn() -> Input) {
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in all {
            self.with(id, |connection, context| {
                connection.inform(input(), context)
            });
        }
    }

    /// Leaves nothing behind but what cannot be ended.
    pub(super) fn end(mut self) {
        self.close_listeners(true);
        for (id, mut entry) in std::mem::take(&mut self.connections) {
            self.work(id, &mut entry, |connection, context| {
                connection.inform(Input::StopNow, context);
            });
            entry.connection.close();
        }
        self.notifier.flush();
        log::info!("ended: {}", self.statistics);
        crate::log::flush();
    }
}
