//! Signals, and the shutdown: running programs must end, and clients get their replies.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Server;
use super::listeners::Close;
use crate::control::payload::Draining;
use crate::schedule::{Class, Phase};
use crate::session::Input;

impl Server {
    pub(super) fn take_signals(&mut self) {
        let (signals, watched) = &mut self.signals;
        let taken = match signals.take() {
            Ok(taken) => taken,
            // Not armed again before that, or the loop would spin.
            Err(errno) => return self.io.look_later("read signals", errno.desc()),
        };
        watched.fired();
        for signal in taken {
            log::debug!("{signal} came");
            match signal {
                Signal::SIGUSR1 => self.log_state(),
                Signal::SIGHUP => {
                    // Whether it went well is in the log.
                    let _ = self.reload();
                }
                _ => self.stop(signal),
            }
        }
    }

    fn stop(&mut self, signal: Signal) {
        let active = self.schedule.counts().active;
        match self.schedule.phase() {
            // Of a drain that was asked for: running programs get the time of a stop now.
            Phase::Serving | Phase::Finishing { until: None } => {
                log::info!("{signal}: stopping, {active} connections active");
                self.drain(Some(self.configuration.settings().stop_grace));
            }
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => {
                log::info!("{signal} again: not waiting any longer");
                self.schedule.hurry(self.io.now());
            }
        }
    }

    /// Accepts no connection for programs any more, and lets running jobs continue for the time
    /// of grace, or within their own limits.
    pub(super) fn drain(&mut self, grace: Option<Duration>) {
        self.control.release(self.io.now());
        if self.schedule.drain(grace, self.io.now()) && grace.is_some() {
            // Not for a drain without a deadline: the service manager would end the server after
            // its own stop timeout.
            self.manager.stopping();
        }
    }

    /// Accepts connections for programs again, after a drain.
    ///
    /// # Errors
    ///
    /// When the server stops, or a socket cannot be opened again. Then it drains as before.
    pub(super) fn undrain(&mut self) -> Result<Draining, String> {
        match self.schedule.phase() {
            Phase::Serving => {}
            Phase::Finishing { until: None } => {
                let opened = self.listeners.open_again();
                opened.map_err(|error| format!("the server drains on: {error}"))?;
                self.schedule.undrain();
                let active = self.schedule.counts().active;
                log::info!("undrain: accepting again, {active} connections active");
            }
            Phase::Finishing { .. } | Phase::Ending { .. } | Phase::Over => {
                return Err("the server stops, and accepts no connection any more".into());
            }
        }
        Ok(self.draining())
    }

    /// How many connections there are to finish.
    pub(super) fn draining(&self) -> Draining {
        let counts = self.schedule.counts();
        Draining {
            active: (counts.active + counts.over_quota) as u64,
        }
    }

    /// Ends everything, except processes that cannot be ended.
    pub(super) fn end(mut self) {
        self.close_listeners(|class| match class {
            Class::Job => Close::Emptied,
            Class::Control => Close::Yes,
        });
        self.control.release(self.io.now());
        let answers = self.answer_held();
        self.send_answers(answers);
        self.inform_all(|| Input::StopNow);
        for id in self.table.ids() {
            if let Some(containment) = self.table.remove(id).and_then(|e| e.connection.close()) {
                let now = self.io.now();
                self.orphans.cgroups.give_back(*containment, now);
            }
        }
        std::mem::take(&mut self.orphans.cgroups).close();
        self.manager.flush();
        log::info!("ended: {}", self.statistics);
        log::logger().flush();
    }
}
