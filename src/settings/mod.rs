//! The table of all settings with a number, a word, or true or false as their value. A new setting
//! is one more row.
//!
//! A row has the field of [`Settings`], its type and default, the setting's name, its accepted
//! values, and its properties: when a change takes effect, whether the command `set` may change it,
//! and the option of the command line, if there is one. The configuration file, the command line,
//! the command `set`, and the tests of the manual, of the installed file and of the completions all
//! use it. Rules and the execution of programs have keys of their own, in `config/allow.rs` and
//! `config/execution.rs`.
//!
//! Pure: plain values.

pub mod duration;
pub mod name;
pub mod value;

use std::time::Duration;

use log::LevelFilter;

use self::value::{Kind, Mode, SECONDS_MAX, Stored, Value, words};
use crate::wire::Termsig;

/// A setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file; an option of the same name begins with `--`.
    pub name: &'static str,
    /// Its accepted values.
    pub kind: Kind,
    /// Its properties.
    pub is: Is,
    get: fn(&Settings) -> Value,
    put: fn(&mut Settings, Value) -> bool,
}

/// How a setting may be changed.
#[derive(Clone, Copy, Debug)]
pub struct Is {
    /// A change takes effect only at the next start of the server.
    pub at_start: bool,
    /// It is among the limits in `status`. Settings that `set` may change always are.
    pub shown: bool,
    /// Its description for the command `set`, if that may change it.
    pub settable: Option<&'static str>,
    /// The option of the command line, if there is one.
    pub option: Option<Flag>,
}

/// An option of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The letter, if there is one.
    pub short: Option<char>,
    /// The name of the value in the help.
    pub value: &'static str,
    /// The text in the help, without the default.
    pub help: &'static str,
    /// Text in the help about the default, besides its value.
    pub default: &'static str,
}

/// In the file only; a change takes effect at once.
const FILE: Is = Is {
    at_start: false,
    shown: false,
    settable: None,
    option: None,
};

impl Is {
    const fn at_start(self) -> Self {
        Self {
            at_start: true,
            ..self
        }
    }

    const fn shown(self) -> Self {
        Self {
            shown: true,
            ..self
        }
    }

    const fn settable(self, meaning: &'static str) -> Self {
        Self {
            shown: true,
            settable: Some(meaning),
            ..self
        }
    }

    const fn option(self, short: Option<char>, value: &'static str, help: &'static str) -> Self {
        Self {
            option: Some(Flag {
                short,
                value,
                help,
                default: "",
            }),
            ..self
        }
    }

    const fn or(self, default: &'static str) -> Self {
        match self.option {
            Some(flag) => Self {
                option: Some(Flag { default, ..flag }),
                ..self
            },
            None => self,
        }
    }
}

impl Key {
    /// The setting of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The value that it has.
    pub fn get(&self, settings: &Settings) -> Value {
        (self.get)(settings)
    }

    /// Gives it a value.
    ///
    /// # Panics
    ///
    /// When the value is not of this setting's kind.
    pub fn put(&self, settings: &mut Settings, value: Value) {
        let fits = (self.put)(settings, value);
        assert!(fits, "{}: {value:?}", self.name);
    }

    /// Its default, as users see it.
    pub fn default(&self) -> String {
        self.get(&Settings::default()).to_string()
    }
}

/// Makes the table, and the struct with a field for each row.
macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $field:ident: $type:ty = $default:expr, $name:literal, $kind:expr, $is:expr;
    )*) => {
        /// The value of each setting.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// All settings, in the order of `--help` and of the limits in `status`.
        pub static KEYS: &[Key] = &[$(
            Key {
                name: $name,
                kind: $kind,
                is: $is,
                get: |settings| settings.$field.value(),
                put: |settings, value| match Stored::stored(value) {
                    Some(stored) => {
                        settings.$field = stored;
                        true
                    }
                    None => false,
                },
            },
        )*];
    };
}

/// A time of any length.
const TIME: Kind = Kind::Seconds(0.0, SECONDS_MAX);

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The maximum number of bytes of a setting: larger numbers are not exact in JSON.
const BYTES_MAX: u64 = 1 << 53;

settings! {
    /// Connections served at once.
    max_connections: u32 = 100, "max-connections", Kind::Number(1, 1_000_000),
        FILE.settable("connections served at once")
            .option(Some('m'), "N", "Connections served at once; further clients wait");
    /// How long a connection may last from its acceptance to the end of the program; `None`:
    /// without limit.
    timeout: Option<Duration> = Some(Duration::from_secs(60)), "timeout", TIME,
        FILE.settable("how long a connection may last, 0 for no deadline")
            .option(Some('t'), "TIME", "How long a connection may last, 0 for no deadline");
    /// How long a request may take from the connection's acceptance to its last argument,
    /// whatever `timeout` is.
    request_timeout: Duration = Duration::from_secs(10), "request-timeout",
        Kind::Seconds(0.1, SECONDS_MAX), FILE.shown();
    /// How long a program may continue after SIGTERM before SIGKILL.
    kill_timeout: Duration = Duration::from_secs(10), "kill-timeout", TIME,
        FILE.settable("from SIGTERM to SIGKILL for a program that must end")
            .option(
                Some('k'),
                "TIME",
                "Time between SIGTERM and SIGKILL for a program that must end",
            );
    /// How long a client may continue to send after its reply has been sent.
    linger: Duration = Duration::from_secs(1), "linger", Kind::Seconds(0.0, 60.0), FILE;
    /// How long programs may continue when the server stops, before SIGTERM.
    stop_grace: Duration = Duration::ZERO, "stop-grace", TIME,
        FILE.shown().option(
            None,
            "TIME",
            "Time that programs have to end by themselves when the server shuts down",
        );
    /// The time without any connection after which the server exits; zero: never.
    idle_exit: Duration = Duration::ZERO, "idle-exit", TIME,
        FILE.option(
            None,
            "TIME",
            "Time without any connection after which to exit, 0 for never",
        )
        .or(", with --inetd 30");
    /// The share of one user of the shared totals, in percent.
    user_share: u8 = 100, "user-share", Kind::Number(1, 100), FILE.shown();
    /// How many requests of one user may start in a second; zero: any number.
    requests_per_second: f64 = 0.0, "requests-per-second", Kind::Rate(1e6),
        FILE.settable("how many requests of a user may start in a second, 0 for any number");
    /// How many requests of one user may start at once after a pause, where there is a rate.
    burst: u32 = 10, "burst", Kind::Number(1, 1_000_000),
        FILE.settable("requests of a user that may start at once, where there is a rate");
    /// Cgroups in which processes live on after their job.
    detached_max: u32 = 100, "detached-max", Kind::Number(0, 1_000_000),
        FILE.settable("cgroups in which processes live on after their job");
    /// Whether a program that others could change is an error, and not a warning.
    strict: bool = false, "strict", Kind::Bool, FILE;
    /// Connections that may wait to be accepted.
    queue: u32 = 100, "queue", Kind::Number(1, 65_535),
        FILE.at_start()
            .option(Some('q'), "N", "Connections that may wait to be accepted");
    /// Permissions of the sockets that the server makes.
    mode: Mode = Mode(0o660), "mode", Kind::Mode,
        FILE.at_start()
            .option(Some('M'), "MODE", "Permissions of the socket, octal");
    /// The size of a request up to its last argument, in bytes.
    request_max: usize = 2 * 1024 * 1024, "request-max", Kind::Bytes(4 * KIB, GIB), FILE;
    /// The memory of all requests together before their programs are started, in bytes.
    requests_memory: u64 = 64 * MIB, "requests-memory",
        Kind::Bytes(4 * KIB, BYTES_MAX), FILE.shown();
    /// How much of a program's output is kept in memory, in bytes for each of the two streams,
    /// if a reply can only begin when all output is there; more goes to a temporary file.
    output_memory: usize = 1024 * 1024, "output-memory", Kind::Bytes(4 * KIB, GIB), FILE;
    /// How much a program may write to one of its streams there, in bytes.
    output_max: u64 = GIB, "output-max", Kind::Bytes(0, BYTES_MAX), FILE;
    /// The size of all temporary files together, in bytes.
    spool_total: u64 = 8 * GIB, "spool-total", Kind::Bytes(0, BYTES_MAX), FILE.shown();
    /// How long the control socket waits for the next command.
    control_idle: Duration = Duration::from_secs(5), "control-idle",
        Kind::Seconds(0.1, 3600.0), FILE;
    /// The size of a message on the control socket, in bytes.
    control_message_max: usize = 1024 * 1024, "control-message-max",
        Kind::Bytes(KIB, 64 * MIB), FILE;
    /// How many jobs that have ended are kept in memory; zero: none.
    recent_jobs: u32 = 1000, "recent-jobs", Kind::Number(0, 10_000),
        FILE.settable("how many ended jobs are kept in memory, 0 for none");
    /// The form of a signal in a reply.
    termsig: Termsig = Termsig::Number, "termsig",
        Kind::Words(&[
            ("number", "15"),
            ("name", "TERM, as in the original server"),
        ]),
        FILE.option(
            None,
            "FORM",
            "Form of the signal that ended a program, in replies",
        );
    /// The destination of log lines.
    log: LogTo = LogTo::Auto, "log",
        Kind::Words(&[
            ("auto", "syslog as a service, stderr in the foreground"),
            ("syslog", "syslogd"),
            ("journal", "the systemd journal, with fields"),
            ("stderr", "standard error"),
        ]),
        FILE.at_start()
            .option(None, "TARGET", "Where log lines go");
    /// The facility of log lines for syslogd and the journal.
    log_facility: Facility = Facility::Daemon, "log-facility", FACILITIES, FILE.at_start();
    /// Which log lines are written.
    log_level: LevelFilter = LevelFilter::Info, "log-level",
        Kind::Words(&[
            ("error", "errors of the server"),
            ("warn", "faults of clients and programs too"),
            ("info", "a line for each job too"),
            ("debug", "each event of a connection too"),
        ]),
        FILE.settable("which lines are logged")
            .option(None, "LEVEL", "Which log lines are written");
    /// When a job gets a record in the log.
    audit: Audit = Audit::End, "audit",
        Kind::Words(&[
            ("end", "a record when it has ended"),
            ("both", "one when it starts too"),
        ]),
        FILE.settable("whether a job has a record at its start too");
    /// Whether the records have the arguments of programs.
    log_arguments: bool = true, "log-arguments", Kind::Bool, FILE;
}

/// The destination of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// To syslogd as a service, to standard error in the foreground.
    Auto,
    /// To syslogd.
    Syslog,
    /// To the systemd journal, with fields.
    Journal,
    /// To standard error.
    Stderr,
}

words!(LogTo {
    "auto" = LogTo::Auto,
    "syslog" = LogTo::Syslog,
    "journal" = LogTo::Journal,
    "stderr" = LogTo::Stderr,
});

/// When a job gets a record in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// At its end.
    End,
    /// At its start and at its end.
    Both,
}

words!(Audit { "end" = Audit::End, "both" = Audit::Both });

/// The facilities, as words.
const FACILITIES: Kind = Kind::Words(&[
    ("daemon", "services"),
    ("authpriv", "security, for administrators alone"),
    ("auth", "security"),
    ("user", "users"),
    ("local0", "for the site"),
    ("local1", "for the site"),
    ("local2", "for the site"),
    ("local3", "for the site"),
    ("local4", "for the site"),
    ("local5", "for the site"),
    ("local6", "for the site"),
    ("local7", "for the site"),
]);

/// The facility of log lines, with its number in syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the names in syslog(3)")]
pub enum Facility {
    User = 1,
    Daemon = 3,
    Auth = 4,
    Authpriv = 10,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

words!(Facility {
    "daemon" = Facility::Daemon,
    "authpriv" = Facility::Authpriv,
    "auth" = Facility::Auth,
    "user" = Facility::User,
    "local0" = Facility::Local0,
    "local1" = Facility::Local1,
    "local2" = Facility::Local2,
    "local3" = Facility::Local3,
    "local4" = Facility::Local4,
    "local5" = Facility::Local5,
    "local6" = Facility::Local6,
    "local7" = Facility::Local7,
});

words!(Termsig { "number" = Termsig::Number, "name" = Termsig::Name });

words!(LevelFilter {
    "error" = LevelFilter::Error | LevelFilter::Off,
    "warn" = LevelFilter::Warn,
    "info" = LevelFilter::Info,
    "debug" = LevelFilter::Debug | LevelFilter::Trace,
});

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of what a setting accepts, as text.
    fn ends(kind: Kind) -> Vec<String> {
        match kind {
            Kind::Number(least, most) | Kind::Bytes(least, most) => {
                vec![least.to_string(), most.to_string()]
            }
            Kind::Seconds(least, most) => vec![least.to_string(), most.to_string()],
            Kind::Rate(most) => vec!["0".into(), "0.001".into(), most.to_string()],
            Kind::Mode => vec!["0000".into(), "0777".into()],
            Kind::Bool => vec!["false".into(), "true".into()],
            Kind::Words(words) => words.iter().map(|(word, _)| (*word).into()).collect(),
        }
    }

    #[test]
    fn each_key_puts_what_it_gets_and_nothing_else() {
        for key in KEYS {
            for text in ends(key.kind) {
                let mut settings = Settings::default();
                key.put(&mut settings, key.kind.parse(&text).unwrap());
                assert_eq!(key.get(&settings).to_string(), text, "{}", key.name);
                for other in KEYS.iter().filter(|other| other.name != key.name) {
                    let value = other.get(&settings).to_string();
                    assert_eq!(value, other.default(), "{} by {}", other.name, key.name);
                }
            }
        }
    }

    #[test]
    fn a_time_that_is_nearly_nothing_is_not_no_deadline() {
        let key = Key::find("timeout").unwrap();
        let mut settings = Settings::default();
        key.put(&mut settings, key.kind.parse("1e-10").unwrap());
        assert_eq!(settings.timeout, Some(Duration::from_nanos(1)));
        key.put(&mut settings, key.kind.parse("0").unwrap());
        assert_eq!(settings.timeout, None);
    }

    #[test]
    fn every_default_is_accepted() {
        for key in KEYS {
            let parsed = key.kind.parse(&key.default());
            assert_eq!(parsed, Ok(key.get(&Settings::default())), "{}", key.name);
        }
    }
}
