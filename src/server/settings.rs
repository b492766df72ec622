//! The limits in effect, and how they change while the server runs: by the configuration
//! file, read again, and by the command `set`.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;

use super::{Phase, Server};
use crate::config::keys::Key;
use crate::config::{Config, takes_effect_at_start};
use crate::control::command;
use crate::control::payload::Reloaded;
use crate::os::lookup::Lookup;
use crate::session::policy::{Budget, Demand, Limits};

/// What stays as it is while the server runs.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// How many descriptors there may be.
    pub descriptors: usize,
    /// Whether output may be kept until the end, which takes more of them.
    pub spools: bool,
    /// Whether there may be control connections.
    pub control: bool,
    /// After how long without any connection the server ends, where nobody says it.
    pub idle_exit: Option<Duration>,
}

impl Frame {
    /// What the server is asked to carry.
    pub fn demand(&self, connections: usize, user_share: u8) -> Demand {
        Demand {
            connections,
            parks: user_share < 100,
            spools: self.spools,
            control: self.control,
        }
    }

    /// Shares the descriptors out, and says so where they do not carry what is asked.
    fn budget(&self, connections: usize, user_share: u8) -> Budget {
        let demand = self.demand(connections, user_share);
        let budget = Budget::new(demand, self.descriptors);
        if self.descriptors < demand.descriptors() {
            log::warn!(
                "{connections} connections need {} descriptors and the hard limit is {}: serving \
                 {} connections with {} programs at once",
                demand.descriptors(),
                self.descriptors,
                budget.connections_max,
                budget.programs_max
            );
        }
        budget
    }
}

/// How the server behaves now.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What each connection may use.
    pub(super) limits: Limits,
    /// What all may use.
    pub(super) budget: Budget,
    /// How many of a hundred connections may be one user's.
    pub(super) user_share: u8,
    /// How many bytes requests may take together before their programs are started.
    pub(super) requests_memory: u64,
    /// How many bytes temporary files may have together.
    pub(super) spool_total: u64,
    /// How long those who are connected may go on after the server was told to stop.
    pub(super) stop_grace: Duration,
    /// After how long without any connection the server ends.
    pub(super) idle_exit: Option<Duration>,
}

impl Settings {
    pub(super) fn new(config: &Config, frame: &Frame) -> Self {
        let idle_exit = match config.idle_exit {
            Some(idle) => Some(idle).filter(|idle| !idle.is_zero()),
            None => frame.idle_exit,
        };
        Self {
            limits: config.limits.clone(),
            budget: frame.budget(config.max_connections as usize, config.user_share),
            user_share: config.user_share,
            requests_memory: config.requests_memory,
            spool_total: config.spool_total,
            stop_grace: config.stop_grace,
            idle_exit,
        }
    }
}

impl Server {
    /// Reads the configuration again: all of it is taken, or nothing changes.
    ///
    /// # Errors
    ///
    /// When it is not valid. The text, which is in the log as well, names file and line.
    pub(super) fn reload(&mut self) -> Result<Reloaded, String> {
        // To the manager a server that is about to end is not reloading.
        let serving = self.phase == Phase::Serving;
        if serving {
            let mut states = vec![NotifyState::Reloading];
            states.extend(NotifyState::monotonic_usec_now().ok());
            self.notifier.notify(&states);
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
            self.notifier.notify(&[NotifyState::Ready]);
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
        self.settings = Settings::new(&config, &self.frame);
        self.share_out();
        // A link in PATH may lead elsewhere by now, and the rules were read with what it
        // leads to.
        self.lookup = lookup(self.launcher.path());
        self.replace_rules(config.rules.clone());
        log::set_max_level(config.level);
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        let reloaded = Reloaded {
            file: config.file.as_ref().map(|f| f.display().to_string()),
            changed: owned(now),
            at_next_start: owned(later),
        };
        self.config = config;
        Ok(reloaded)
    }

    /// Sets the limits of what all connections share.
    pub(super) fn share_out(&mut self) {
        let settings = &self.settings;
        let (share, places) = (settings.user_share, settings.budget.parked_max as u64);
        self.parking.configure(places, share);
        self.requests.configure(settings.requests_memory, share);
        self.spools.configure(settings.spool_total, share);
    }

    /// Says what holds. That there are no rules at all should be no surprise to anybody.
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

    /// Takes what the command `set` says, until the configuration is read again.
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
        self.settings = Settings::new(&self.config, &self.frame);
        self.share_out();
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

/// Where programs are now.
pub(super) fn lookup(path: &[u8]) -> Lookup {
    Lookup::new(path, std::env::current_dir().ok().as_deref())
}

/// One line of them all.
fn list(all: &[String]) -> String {
    match all.is_empty() {
        true => "nothing".into(),
        false => all.join(", "),
    }
}
