//! The configuration in effect: from the file and the command line, with later changes by `set`,
//! and the resulting limits of all connections.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::{Config, Origin, Source, takes_effect_at_start};
use crate::control::payload::Reloaded;
use crate::rules::Rules;
use crate::schedule::{Budget, CONTROL_MAX, Capacity, Demand, Rate};
use crate::session::timers::GIVE_UP;
use crate::settings::value::Value;
use crate::settings::{Key, Settings};

/// Values that do not change while the server runs.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The limit of descriptors.
    pub descriptors: usize,
    /// The number of listening sockets.
    pub listeners: usize,
    /// Whether output may be kept until the end, which takes more of them.
    pub spools: bool,
    /// Whether there may be control connections.
    pub control: bool,
    /// The default time without any connection after which the server exits.
    pub idle_exit: Option<Duration>,
}

impl Frame {
    /// The configured demand.
    pub fn demand(&self, config: &Config) -> Demand {
        let settings = &config.settings;
        Demand {
            connections: settings.max_connections as usize,
            listeners: self.listeners,
            shares: settings.user_share < 100,
            cgroups: config.rules.contain(),
            detached: match config.rules.detach() {
                true => settings.detached_max as usize,
                false => 0,
            },
            spools: self.spools,
            control: self.control,
        }
    }

    /// The budget of descriptors. Logs a warning if they are too few for the demand.
    fn budget(&self, config: &Config) -> Budget {
        let demand = self.demand(config);
        let budget = Budget::new(demand, self.descriptors);
        if self.descriptors < demand.descriptors() {
            log::warn!(
                "{} connections need {} descriptors and the hard limit is {}: serving \
                 {} connections with {} programs at once",
                demand.connections,
                demand.descriptors(),
                self.descriptors,
                budget.connections_max,
                budget.programs_max
            );
        }
        budget
    }
}

/// The last attempt to read the configuration.
#[derive(Debug)]
pub(super) struct LastRead {
    /// Why it failed, if it did: the configuration in force is older than the file.
    pub(super) fault: Option<String>,
    /// When an attempt last succeeded, in seconds since 1970.
    pub(super) success: f64,
}

impl LastRead {
    /// One that has succeeded now.
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            fault: None,
            success: since.unwrap_or_default().as_secs_f64(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Configuration {
    config: Config,
    /// That with which the server was started: some of it stays.
    first: Box<Config>,
    source: Source,
    frame: Frame,
    capacity: Capacity,
    /// Those of the configuration, which connections share.
    settings: Rc<Settings>,
    last_read: LastRead,
}

impl Configuration {
    pub(super) fn new(config: Config, source: Source, frame: Frame) -> Self {
        Self {
            capacity: capacity(&config, &frame),
            settings: Rc::new(config.settings),
            first: Box::new(config.clone()),
            config,
            source,
            frame,
            // A server whose first attempt fails does not start.
            last_read: LastRead::now(),
        }
    }

    /// The last attempt to read it.
    pub(super) fn last_read(&self) -> &LastRead {
        &self.last_read
    }

    /// The value of each setting, for new connections.
    pub(super) fn settings(&self) -> &Rc<Settings> {
        &self.settings
    }

    /// The shared limits.
    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The limit of descriptors.
    pub(super) fn descriptors(&self) -> usize {
        self.frame.descriptors
    }

    /// All of it.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// That with which the server was started.
    pub(super) fn first(&self) -> &Config {
        &self.first
    }

    /// The configuration file, and whether an option names it.
    pub(super) fn file(&self) -> (&Path, bool) {
        self.source.file()
    }

    /// Which programs may be run.
    pub(super) fn rules(&self) -> &Rules {
        &self.config.rules
    }

    /// The rules in force and the user of programs, for people.
    pub(super) fn summary(&self) -> String {
        self.config.summary()
    }

    /// Warnings about the rules, their programs and the file.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.config.warnings();
        warnings.extend(self.config.warnings_of_limits());
        warnings.extend(self.config.warning_of_root().map(str::to_owned));
        warnings
    }

    /// Reads the configuration again: all of it is taken if it passes `check`, or nothing changes.
    ///
    /// # Errors
    ///
    /// When it is not valid. The text names file and line.
    pub(super) fn load(
        &mut self,
        check: impl FnOnce(&Config) -> Result<(), String>,
    ) -> Result<Reloaded, String> {
        let result = self.try_to_load(check);
        match &result {
            Ok(_) => self.last_read = LastRead::now(),
            Err(fault) => self.last_read.fault = Some(fault.clone()),
        }
        result
    }

    fn try_to_load(
        &mut self,
        check: impl FnOnce(&Config) -> Result<(), String>,
    ) -> Result<Reloaded, String> {
        let config = self.source.load()?;
        config.check_privileges()?;
        if config.rules.lift_silently(&self.config.rules) {
            let file = config.file.as_deref().unwrap_or(Path::new(""));
            return Err(format!(
                "{}: there is no rule any more, so any client that can connect could run anything; if \
                 that is intended, set default = \"allow\"",
                file.display()
            ));
        }
        // The last, since it prepares what the new configuration needs.
        check(&config)?;
        let (later, now): (Vec<&str>, Vec<&str>) = config
            .changed_since(&self.config)
            .into_iter()
            .partition(|key| takes_effect_at_start(key));
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        let reloaded = Reloaded {
            file: config.file.as_ref().map(|f| f.display().to_string()),
            changed: owned(now),
            at_next_start: owned(later),
        };
        self.take(config);
        Ok(reloaded)
    }

    /// Applies the command `set`, until the configuration is read again. Returns the
    /// settings that differ, with their values.
    pub(super) fn set(&mut self, new: &[(&'static str, Value)]) -> Vec<String> {
        let mut config = self.config.clone();
        for &(name, value) in new {
            if let Some(key) = Key::find(name) {
                config.put(key, value, Origin::Set);
            }
        }
        let changed = config
            .changed_since(&self.config)
            .into_iter()
            .filter_map(|name| {
                let key = Key::find(name)?;
                Some(format!("{name} = {}", key.get(&config.settings)))
            })
            .collect();
        self.take(config);
        changed
    }

    fn take(&mut self, config: Config) {
        self.capacity = capacity(&config, &self.frame);
        self.settings = Rc::new(config.settings);
        self.config = config;
    }
}

fn capacity(config: &Config, frame: &Frame) -> Capacity {
    let settings = &config.settings;
    let budget = frame.budget(config);
    Capacity {
        connections: budget.connections_max,
        programs: budget.programs_max,
        over_quota: budget.over_quota_max,
        lingering: budget.lingering_max,
        detached: budget.detached_max,
        control: CONTROL_MAX,
        user_share: settings.user_share,
        rate: Rate::new(settings.requests_per_second, settings.burst),
        requests_memory: settings.requests_memory,
        spool_total: settings.spool_total,
        idle_exit: match config.idle_exit() {
            Some(idle) => Some(idle).filter(|idle| !idle.is_zero()),
            None => frame.idle_exit,
        },
        stop_time: settings.kill_timeout + settings.linger + 2 * GIVE_UP,
    }
}
