//! The table of all settings that a number or a word decides: name, what is accepted,
//! default, and where in the configuration it is.
//!
//! The command line, the configuration file, the commands that change a setting, and the
//! check of the manual all go by this table. The rules, which have keys of their own, are in
//! `allow`.

use std::time::Duration;

use log::LevelFilter;

use super::value::{Kind, SECONDS_MAX, Value};
use super::{Config, LogTo};
use crate::session::policy::Termsig;

/// A setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file; an option of the same name begins with `--`.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// Its default, as it is told to people.
    pub default: &'static str,
    /// A change takes effect when the server is started the next time only.
    pub at_start: bool,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, Value),
}

impl Key {
    /// The setting of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The value that the configuration has.
    pub fn get(&self, config: &Config) -> Value {
        (self.get)(config)
    }

    /// Changes the configuration.
    ///
    /// # Panics
    ///
    /// When the value is not of this setting's kind.
    pub fn set(&self, config: &mut Config, value: Value) {
        (self.set)(config, value);
    }
}

/// A time of any length.
const TIME: Kind = Kind::Seconds(0.0, SECONDS_MAX);

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// All settings, in the order of the manual.
pub static KEYS: [Key; 20] = [
    Key {
        name: "max-connections",
        kind: Kind::Number(1, 1_000_000),
        default: "100",
        at_start: false,
        get: |c| Value::Number(c.max_connections.into()),
        set: |c, v| c.max_connections = v.number(),
    },
    Key {
        name: "user-share",
        kind: Kind::Number(1, 100),
        default: "100",
        at_start: false,
        get: |c| Value::Number(c.user_share.into()),
        set: |c, v| c.user_share = v.number(),
    },
    Key {
        name: "timeout",
        kind: TIME,
        default: "60",
        at_start: false,
        get: |c| Value::Seconds(c.limits.timeout.unwrap_or_default()),
        set: |c, v| c.limits.timeout = unless_zero(v.time()),
    },
    Key {
        name: "request-timeout",
        kind: Kind::Seconds(0.1, SECONDS_MAX),
        default: "10",
        at_start: false,
        get: |c| Value::Seconds(c.limits.request_timeout),
        set: |c, v| c.limits.request_timeout = v.time(),
    },
    Key {
        name: "kill-timeout",
        kind: TIME,
        default: "10",
        at_start: false,
        get: |c| Value::Seconds(c.limits.kill_timeout),
        set: |c, v| c.limits.kill_timeout = v.time(),
    },
    Key {
        name: "linger",
        kind: Kind::Seconds(0.0, 60.0),
        default: "1",
        at_start: false,
        get: |c| Value::Seconds(c.limits.linger),
        set: |c, v| c.limits.linger = v.time(),
    },
    Key {
        name: "stop-grace",
        kind: TIME,
        default: "0",
        at_start: false,
        get: |c| Value::Seconds(c.stop_grace),
        set: |c, v| c.stop_grace = v.time(),
    },
    Key {
        name: "idle-exit",
        kind: TIME,
        default: "0",
        at_start: false,
        get: |c| Value::Seconds(c.idle_exit.unwrap_or_default()),
        set: |c, v| c.idle_exit = Some(v.time()),
    },
    Key {
        name: "queue",
        kind: Kind::Number(1, 65_535),
        default: "100",
        at_start: true,
        get: |c| Value::Number(c.queue.into()),
        set: |c, v| c.queue = v.number(),
    },
    Key {
        name: "mode",
        kind: Kind::Mode,
        default: "0660",
        at_start: true,
        get: |c| Value::Mode(c.mode),
        set: |c, v| c.mode = v.mode(),
    },
    Key {
        name: "request-max",
        kind: Kind::Number(4 * KIB, GIB),
        default: "2097152",
        at_start: false,
        get: |c| Value::Number(c.limits.request_max as u64),
        set: |c, v| c.limits.request_max = v.number(),
    },
    Key {
        name: "requests-memory",
        kind: Kind::Number(4 * KIB, 1 << 53),
        default: "67108864",
        at_start: false,
        get: |c| Value::Number(c.requests_memory),
        set: |c, v| c.requests_memory = v.number(),
    },
    Key {
        name: "output-memory",
        kind: Kind::Number(4 * KIB, GIB),
        default: "1048576",
        at_start: false,
        get: |c| Value::Number(c.limits.output_memory as u64),
        set: |c, v| c.limits.output_memory = v.number(),
    },
    Key {
        name: "output-max",
        kind: Kind::Number(0, 1 << 53),
        default: "1073741824",
        at_start: false,
        get: |c| Value::Number(c.limits.output_max),
        set: |c, v| c.limits.output_max = v.number(),
    },
    Key {
        name: "spool-total",
        kind: Kind::Number(0, 1 << 53),
        default: "8589934592",
        at_start: false,
        get: |c| Value::Number(c.spool_total),
        set: |c, v| c.spool_total = v.number(),
    },
    Key {
        name: "control-idle",
        kind: Kind::Seconds(0.1, 3600.0),
        default: "5",
        at_start: false,
        get: |c| Value::Seconds(c.limits.control_idle),
        set: |c, v| c.limits.control_idle = v.time(),
    },
    Key {
        name: "control-message-max",
        kind: Kind::Number(KIB, 64 * MIB),
        default: "1048576",
        at_start: false,
        get: |c| Value::Number(c.limits.control_message_max as u64),
        set: |c, v| c.limits.control_message_max = v.number(),
    },
    Key {
        name: "termsig",
        kind: Kind::Words(&[
            ("number", "15"),
            ("name", "TERM, as the original server did"),
        ]),
        default: "number",
        at_start: false,
        get: |c| {
            Value::Word(match c.limits.termsig {
                Termsig::Number => "number",
                Termsig::Name => "name",
            })
        },
        set: |c, v| {
            c.limits.termsig = match v.word() {
                "name" => Termsig::Name,
                _ => Termsig::Number,
            }
        },
    },
    Key {
        name: "log",
        kind: Kind::Words(&[
            ("auto", "syslog as a service, stderr in the foreground"),
            ("syslog", "syslogd, facility daemon"),
            ("stderr", "standard error"),
        ]),
        default: "auto",
        at_start: true,
        get: |c| {
            Value::Word(match c.log {
                LogTo::Auto => "auto",
                LogTo::Syslog => "syslog",
                LogTo::Stderr => "stderr",
            })
        },
        set: |c, v| {
            c.log = match v.word() {
                "syslog" => LogTo::Syslog,
                "stderr" => LogTo::Stderr,
                _ => LogTo::Auto,
            }
        },
    },
    Key {
        name: "log-level",
        kind: Kind::Words(&[
            ("error", "what keeps the server from its work"),
            ("warn", "faults of clients and programs too"),
            ("info", "a line for each job too"),
            ("debug", "what happens on each connection too"),
        ]),
        default: "info",
        at_start: false,
        get: |c| {
            Value::Word(match c.level {
                LevelFilter::Off | LevelFilter::Error => "error",
                LevelFilter::Warn => "warn",
                LevelFilter::Info => "info",
                LevelFilter::Debug | LevelFilter::Trace => "debug",
            })
        },
        set: |c, v| {
            c.level = match v.word() {
                "error" => LevelFilter::Error,
                "warn" => LevelFilter::Warn,
                "debug" => LevelFilter::Debug,
                _ => LevelFilter::Info,
            }
        },
    },
];

fn unless_zero(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_told_are_the_defaults_there_are() {
        let config = Config::default();
        for key in &KEYS {
            assert_eq!(key.get(&config).to_string(), key.default, "{}", key.name);
        }
    }

    #[test]
    fn each_key_sets_what_it_gets_and_nothing_else() {
        for key in &KEYS {
            let texts: Vec<String> = match key.kind {
                Kind::Number(least, most) => vec![least.to_string(), most.to_string()],
                Kind::Seconds(least, most) => vec![least.to_string(), most.to_string()],
                Kind::Mode => vec!["0000".into(), "0777".into()],
                Kind::Words(words) => words.iter().map(|(word, _)| (*word).into()).collect(),
            };
            for text in texts {
                let mut config = Config::default();
                key.set(&mut config, key.kind.parse(&text).unwrap());
                assert_eq!(key.get(&config).to_string(), text, "{}", key.name);
                for other in KEYS.iter().filter(|other| other.name != key.name) {
                    let value = other.get(&config).to_string();
                    assert_eq!(value, other.default, "{} by {}", other.name, key.name);
                }
            }
        }
    }
}
