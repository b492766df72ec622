//! What changes while the server runs: by the configuration file, read again, and by the
//! command `set`.

use std::path::Path;

use super::Server;
use super::settings::Settings;
use crate::config::keys::Key;
use crate::config::takes_effect_at_start;
use crate::control::command;
use crate::control::payload::Reloaded;
use crate::os::lookup::Lookup;
use crate::schedule::Phase;

impl Server {
    /// Reads the configuration again: all of it is taken, or nothing changes.
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
        let result = self.take_config();
        match &result {
            Ok(reloaded) => {
                log::info!(
                    "configuration read again, changed: {}; at the next start: {}",
                    list(&reloaded.changed),
                    list(&reloaded.at_next_start)
                );
                self.log_rules();
            }
            Err(error) => log::error!("configuration not changed: {error}"),
        }
        if serving {
            self.manager.ready();
        }
        result
    }

    fn take_config(&mut self) -> Result<Reloaded, String> {
        let config = self.source.load()?;
        if config.rules.lift_silently(&self.config.rules) {
            let file = config.file.as_deref().unwrap_or(Path::new(""));
            return Err(format!(
                "{}: there is no rule any more, so any client that can connect could run anything; if \
                 that is meant, say default = \"allow\"",
                file.display()
            ));
        }
        let (later, now): (Vec<&str>, Vec<&str>) = config
            .changed_since(&self.config)
            .into_iter()
            .partition(|key| takes_effect_at_start(key));
        log::set_max_level(config.level);
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        let reloaded = Reloaded {
            file: config.file.as_ref().map(|f| f.display().to_string()),
            changed: owned(now),
            at_next_start: owned(later),
        };
        self.config = config;
        self.take_settings();
        self.take_rules();
        Ok(reloaded)
    }

    fn take_settings(&mut self) {
        self.settings = Settings::new(&self.config, &self.frame);
        self.schedule.configure(self.settings.capacity());
    }

    /// Takes the rules of the configuration. Whatever is not started is asked about anew: a
    /// rule that has been taken away starts nothing any more.
    pub(super) fn take_rules(&mut self) {
        // A link in PATH may lead elsewhere by now, and the rules were read with what it
        // leads to.
        let directory = std::env::current_dir().ok();
        let lookup = Lookup::new(self.launcher.path(), directory.as_deref());
        let is_used = |quota| self.schedule.uses(quota);
        let rules = self
            .guard
            .replace(self.config.rules.clone(), lookup, is_used);
        self.schedule.set_rules(&rules);
    }

    /// Logs what holds. That there are no rules at all should surprise no operator.
    pub(super) fn log_rules(&self) {
        let rules = &self.config.rules;
        let level = match rules.allow_everything() && rules.default_given().is_none() {
            true => log::Level::Warn,
            false => log::Level::Info,
        };
        log::log!(level, "{rules}");
        if let (Some(warning), Some(file)) = (self.config.exposure(), &self.config.file) {
            log::warn!("{}: {warning}", file.display());
        }
    }

    /// Takes what the command `set` sets, until the configuration is read again.
    pub(super) fn set(&mut self, new: &command::Settings) {
        let before = self.config.clone();
        let limits = &mut self.config.limits;
        if let Some(timeout) = new.timeout {
            limits.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        }
        if let Some(kill_timeout) = new.kill_timeout {
            limits.kill_timeout = kill_timeout;
        }
        if let Some(connections) = new.max_connections {
            self.config.max_connections = connections;
        }
        if let Some(level) = new.log_level {
            self.config.level = level;
        }
        self.take_settings();
        // Told while the more talkative of the two levels holds.
        log::set_max_level(before.level.max(self.config.level));
        let changed: Vec<String> = self
            .config
            .changed_since(&before)
            .into_iter()
            .filter_map(|name| {
                let key = Key::find(name)?;
                Some(format!("{name} = {}", key.get(&self.config)))
            })
            .collect();
        log::info!("set by command: {}", list(&changed));
        log::set_max_level(self.config.level);
    }
}

/// One line of them all.
fn list(all: &[String]) -> String {
    match all.is_empty() {
        true => "nothing".into(),
        false => all.join(", "),
    }
}
