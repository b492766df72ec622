//! Changes while the server runs: by a reload of the configuration file, and by the command
//! `set`.

use std::time::Instant;

use log::Level;

use super::Server;
use super::cgroups::Cgroups;
use crate::config::Config;
use crate::control::payload::Reloaded;
use crate::log::message::MessageId;
use crate::os::lookup::Lookup;
use crate::schedule::Phase;
use crate::settings::value::Value;

impl Server {
    /// Reads the configuration again: it is applied as a whole, or nothing changes.
    ///
    /// # Errors
    ///
    /// When it is not valid. The text, which is in the log as well, names file and line.
    pub(super) fn reload(&mut self) -> Result<Reloaded, String> {
        // To the manager a server that is about to end is not reloading.
        let serving = self.schedule.phase() == Phase::Serving;
        if serving {
            self.manager.reloading();
        }
        let (cgroups, now) = (&mut self.orphans.cgroups, self.io.now());
        let check = |config: &Config| prepare(cgroups, config, now);
        let result = self.configuration.load(check);
        match &result {
            Ok(reloaded) => {
                self.take_capacity();
                self.take_rules();
                log::set_max_level(self.configuration.settings().log_level);
                let (changed, later) = (list(&reloaded.changed), list(&reloaded.at_next_start));
                crate::log::message(
                    (Level::Info, MessageId::ConfigurationRead),
                    &format!(
                        "configuration read again, changed: {changed}; at the next start: {later}"
                    ),
                    &[
                        (
                            "SOCKEXEC_FILE",
                            reloaded.file.as_deref().unwrap_or_default(),
                        ),
                        ("SOCKEXEC_CHANGED", &changed),
                        ("SOCKEXEC_AT_NEXT_START", &later),
                    ],
                );
                self.log_rules();
            }
            Err(error) => crate::log::message(
                (Level::Error, MessageId::ConfigurationFailed),
                &format!("configuration not changed: {error}"),
                &[("SOCKEXEC_FAULT", error)],
            ),
        }
        let fault = self.configuration.last_read().fault.as_deref();
        self.manager.read(fault);
        if serving {
            self.manager.ready();
        }
        result
    }

    /// Prepares what programs need as the configuration has it, before the first is started.
    ///
    /// # Errors
    ///
    /// What cannot be had, and why.
    pub fn prepare(&mut self) -> Result<(), String> {
        let config = self.configuration.config();
        prepare(&mut self.orphans.cgroups, config, self.io.now())
    }

    fn take_capacity(&mut self) {
        let now = self.io.now();
        self.schedule.configure(self.configuration.capacity(), now);
        let jobs = self.configuration.settings().recent_jobs;
        self.control.history.keep(jobs);
    }

    /// Applies the rules of the configuration, also to all requests that are not started: a rule
    /// that was removed starts no program any more.
    pub(super) fn take_rules(&mut self) {
        // A link in PATH may have another target by now, and the rules were read with that
        // target.
        let directory = std::env::current_dir().ok();
        let lookup = Lookup::new(self.launcher.path(), directory.as_deref());
        let is_used = |quota| self.schedule.uses(quota);
        let rules = self.configuration.rules().clone();
        let quotas = self.guard.replace(rules, lookup, is_used);
        self.schedule.set_rules(&quotas);
        self.judge_again();
        let guard = &self.guard;
        self.statistics
            .keep_rules(|rule| guard.in_force().any(|own| &**own.title == rule));
    }

    /// Logs the rules in force. An operator must notice when there are none.
    pub(super) fn log_rules(&self) {
        let rules = self.configuration.rules();
        let level = match rules.allow_everything() && rules.default_given().is_none() {
            true => log::Level::Warn,
            false => log::Level::Info,
        };
        log::log!(level, "{}", self.configuration.summary());
        for warning in self.configuration.warnings() {
            log::warn!("{warning}");
        }
    }

    /// Applies the command `set`, until the configuration is read again.
    pub(super) fn set(&mut self, new: &[(&'static str, Value)]) {
        let before = self.configuration.settings().log_level;
        let changed = self.configuration.set(new);
        self.take_capacity();
        // Logged while the more talkative of the two levels holds.
        log::set_max_level(before.max(self.configuration.settings().log_level));
        log::info!("set by command: {}", list(&changed));
        log::set_max_level(self.configuration.settings().log_level);
    }
}

/// Prepares what programs need that are started as this configuration has it.
fn prepare(cgroups: &mut Cgroups, config: &Config, now: Instant) -> Result<(), String> {
    cgroups.prepare(config.cgroup.as_deref(), config.rules.executions(), now)
}

/// One line of them all.
fn list(all: &[String]) -> String {
    match all.is_empty() {
        true => "nothing".into(),
        false => all.join(", "),
    }
}
