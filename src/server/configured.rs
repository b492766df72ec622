//! The command `config`: the configuration in effect, and where each value came from.

use serde_json::{Value, json};

use super::Server;
use super::explain::of_execution;
use crate::config::{Config, EXECUTION_KEYS, Origin};
use crate::control::configured::{Configured, Entry};
use crate::control::payload;
use crate::execution::Execution;
use crate::rules::Unmatched;
use crate::settings::{KEYS, Key, Settings};

impl Server {
    pub(super) fn configured_answer(&self) -> Configured {
        Configured {
            settings: KEYS.iter().map(|key| self.of_setting(key)).collect(),
            programs: of_programs(self.configuration.config()),
            startup: self.of_startup(),
        }
    }

    fn of_setting(&self, key: &Key) -> Entry {
        let (config, first) = (self.configuration.config(), self.configuration.first());
        let value = |settings: &Settings| payload::value(key.get(settings));
        let in_effect = if key.is.at_start { first } else { config };
        let (now, later) = (value(&in_effect.settings), value(&config.settings));
        Entry {
            at_next_start: (now != later).then_some(later),
            value: now,
            default: value(&Settings::default()),
            note: self.note(key.name),
            ..origin(in_effect, key.name, &format!("--{}", key.name))
        }
    }

    /// What keeps the server from the value of a setting.
    fn note(&self, name: &str) -> Option<String> {
        let capacity = self.configuration.capacity();
        let wanted = self.configuration.settings().max_connections as usize;
        match name {
            "max-connections" if capacity.connections < wanted => {
                let most = capacity.connections;
                Some(format!("{most}, for the limit of descriptors"))
            }
            "idle-exit" if self.configuration.config().idle_exit().is_none() => {
                let idle = capacity.idle_exit?;
                Some(format!("{}, for --inetd", idle.as_secs_f64()))
            }
            _ => None,
        }
    }

    /// What the command line and the environment decide alone.
    fn of_startup(&self) -> Vec<Entry> {
        let config = self.configuration.first();
        let path = |path: &Option<std::path::PathBuf>| match path {
            Some(path) => json!(path.display().to_string()),
            None => Value::Null,
        };
        let option = |name: &str, value: Value| Entry {
            source: if value.is_null() { "default" } else { "option" }.into(),
            place: (!value.is_null()).then(|| format!("--{name}")),
            name: name.into(),
            value,
            ..Entry::default()
        };
        let mut all = vec![self.file(), option("user", json!(config.user))];
        all.push(option("cgroup", path(&config.cgroup)));
        all.push(option("pidfile", path(&config.pidfile)));
        let environment = |name: &str, place: &str, value: Value| Entry {
            name: name.into(),
            value,
            source: "environment".into(),
            place: Some(place.into()),
            ..Entry::default()
        };
        all.push(self.search_path());
        let descriptors = self.configuration.descriptors();
        let limit = json!(descriptors);
        all.push(environment("descriptors", "RLIMIT_NOFILE", limit));
        for (protocol, address, handed_over) in self.listeners.describe() {
            let name = format!("listen {}", protocol.name());
            all.push(match (handed_over, config.inetd) {
                (true, true) => Entry {
                    name,
                    ..option("inetd", json!(address))
                },
                (true, false) => environment(&name, "LISTEN_FDS", json!(address)),
                (false, _) => Entry {
                    name,
                    place: Some(listen_option(protocol.name())),
                    ..option("", json!(address))
                },
            });
        }
        all
    }

    /// Where programs are searched.
    fn search_path(&self) -> Entry {
        let path = self.launcher.path();
        let own = std::env::var_os("PATH");
        let is_inherited = own.is_some_and(|own| own.as_encoded_bytes() == path);
        Entry {
            name: "path".into(),
            value: json!(String::from_utf8_lossy(path)),
            source: if is_inherited {
                "environment"
            } else {
                "default"
            }
            .into(),
            place: is_inherited.then(|| "PATH".into()),
            ..Entry::default()
        }
    }

    fn file(&self) -> Entry {
        let (file, named) = self.configuration.file();
        Entry {
            name: "config".into(),
            value: json!(file.display().to_string()),
            source: if named { "option" } else { "default" }.into(),
            place: named.then(|| "--config".into()),
            default: json!(crate::config::FILE),
            note: self
                .configuration
                .config()
                .file
                .is_none()
                .then(|| "there is no such file".into()),
            ..Entry::default()
        }
    }
}

/// The option that has a socket made.
fn listen_option(protocol: &str) -> String {
    match protocol {
        "exec" => "PATH".into(),
        other => format!("--{other}"),
    }
}

/// How programs are executed, and the rules as such.
fn of_programs(config: &Config) -> Vec<Entry> {
    let rules = &config.rules;
    let values = of_execution(rules.general());
    let defaults = of_execution(&Execution::default());
    let mut all: Vec<_> = EXECUTION_KEYS
        .iter()
        .map(|key| Entry {
            value: values.get(key.name).cloned().unwrap_or_default(),
            default: defaults.get(key.name).cloned().unwrap_or_default(),
            ..origin(config, key.name, "--job-user")
        })
        .collect();
    all.push(Entry {
        value: match rules.unmatched() {
            Unmatched::Allow => json!("allow"),
            Unmatched::Deny => json!("deny"),
        },
        default: match rules.iter().next() {
            None => json!("allow"),
            Some(_) => json!("deny"),
        },
        ..origin(config, "default", "")
    });
    all.push(Entry {
        value: json!(rules.iter().count()),
        default: json!(0),
        ..origin(config, "allow", "")
    });
    all
}

/// The origin of a key, which `option` may set.
fn origin(config: &Config, name: &str, option: &str) -> Entry {
    let (source, place) = match config.origins.of(name) {
        Origin::Default => ("default", None),
        Origin::Fallback => ("fallback", Some("--fallback".into())),
        Origin::Option => ("option", Some(option.into())),
        Origin::Set => ("set", None),
        Origin::File(line) => {
            let file = config.file.as_deref().unwrap_or(std::path::Path::new(""));
            ("file", Some(format!("{}:{line}", file.display())))
        }
    };
    Entry {
        name: name.into(),
        source: source.into(),
        place,
        ..Entry::default()
    }
}
