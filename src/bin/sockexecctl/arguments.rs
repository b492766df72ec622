//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use serde_json::Value;
use sockexec::control::client::SOCKET;
use sockexec::control::question::Asked;
use sockexec::settings::KEYS;
use sockexec::settings::value::{Kind, Stored as _};

use crate::instances;
use crate::kill::Kill;
use crate::signal_words;
use crate::totals::By;

const ABOUT: &str = "\
Inspects and controls a running sockexec server through its control socket.

The server answers only root and its own user. See sockexecctl(1).";

/// The heading in the help, of each command too, above the options that all commands have.
const COMMON: &str = "Options of all commands";

/// How long to wait for an answer, without the option.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that an option accepts, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// The shortest time, so that there is a pause between queries.
const SECONDS_MIN: f64 = 0.001;

/// The parsed command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "sockexecctl",
    about = "Inspects and controls a running sockexec server",
    long_about = ABOUT,
    after_help = "Exit codes: 0 done, 1 refused by the server, 100 wrong usage, 111 no answer.",
    version,
    disable_version_flag = true,
    max_term_width = 96
)]
pub struct Arguments {
    /// The server's control socket [default: /run/sockexec/control.sock]
    #[arg(short, long, global = true, value_name = "PATH", help_heading = COMMON)]
    pub socket: Option<PathBuf>,

    /// The server of this tenant, sockexec@NAME: its control socket is /run/sockexec-NAME/control.sock
    #[arg(long, global = true, value_name = "NAME", value_parser = instances::socket_of,
        help_heading = COMMON)]
    pub instance: Option<PathBuf>,

    /// Print the answer as JSON, on one line
    #[arg(long, global = true, help_heading = COMMON)]
    pub json: bool,

    /// How long to wait for an answer, or for the end of a drain that waits for it: seconds, or a
    /// time such as 500ms or 1m [default: 5]
    #[arg(long, global = true, allow_negative_numbers = true, value_name = "TIME", value_parser = time,
        help_heading = COMMON)]
    pub timeout: Option<Duration>,

    /// Print the version
    #[arg(short = 'V', short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// State, limits, totals and percentiles
    Status {
        /// Of all servers of this machine, a line each; none is started for that
        #[arg(short, long)]
        all: bool,
    },
    /// The current jobs
    Jobs,
    /// Send a signal to the program of a job, or of each of several, and all of its process group
    Kill(Kill),
    #[command(about = set_help())]
    Set {
        /// The limits to change
        #[arg(
            required = true,
            allow_negative_numbers = true,
            value_name = "NAME=VALUE",
            value_parser = setting
        )]
        settings: Vec<(String, Value)>,
    },
    /// The configuration in effect, and where each value came from
    Config {
        /// Only these: names of settings and others
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// The rules in force, in order, and how many programs run under each
    Rules,
    /// Explain which rule decides about a request, with which limits, and why others do not
    Explain(Asked),
    /// Make the server read its configuration file again
    Reload,
    /// Make the server stop accepting, finish its running jobs, and exit
    Drain {
        /// Wait until the server has ended
        #[arg(long)]
        wait: bool,
    },
    /// Make a draining server accept again
    Undrain,
    /// All figures, in the text format of Prometheus
    Metrics {
        /// Of all servers: each figure has the unit's name as the label instance
        #[arg(short, long)]
        all: bool,
        /// The same, as the answer to an HTTP request on standard input
        #[arg(long, conflicts_with_all = ["all", "json"])]
        http: bool,
    },
    /// The last jobs that have ended, and how
    Recent(RecentJobs),
    /// Starts and ends of jobs as they come, until interrupted
    Follow {
        /// Wait for the next server when this one ends
        #[arg(long)]
        retry: bool,
    },
    /// Jobs by program, by user and by rule
    Totals {
        /// Only the table of these groups
        #[arg(long, value_name = "GROUP")]
        by: Option<By>,
    },
    /// Check that the server answers
    Ping,
    /// A live screen of jobs, rates and totals; ? shows its keys, q quits
    Top {
        /// The time between two updates: seconds, or a time such as 500ms or 1m
        #[arg(long, allow_negative_numbers = true, value_name = "TIME", default_value = "1",
            value_parser = time)]
        interval: Duration,
        /// Print this number of updates as plain text, and stop
        #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = count)]
        count: Option<u64>,
    },
    /// The server's version
    Version,
}

/// Which ended jobs are wanted.
#[derive(Clone, Debug, Args)]
pub struct RecentJobs {
    /// Only jobs that failed
    #[arg(long)]
    pub failed: bool,

    /// Only jobs of this user, a name or a number
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Only jobs of this program, a name or a path
    #[arg(long, value_name = "PROGRAM")]
    pub program: Option<String>,

    /// This number of jobs at most
    #[arg(short = 'n', long = "limit", allow_negative_numbers = true, value_name = "N", default_value = "100",
        value_parser = count)]
    pub count: u64,
}

impl Arguments {
    /// The control socket of the server that is meant.
    pub fn socket(&self) -> &Path {
        self.given_socket().unwrap_or(Path::new(SOCKET))
    }

    /// That of the server that the command line names, if it does.
    pub fn given_socket(&self) -> Option<&Path> {
        let given = self.instance.as_ref().or(self.socket.as_ref());
        given.map(PathBuf::as_path)
    }

    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Reads the command line of this process.
    pub fn read() -> Result<Self, clap::Error> {
        let words = signal_words::named(std::env::args_os());
        let arguments = Self::try_parse_from(words)?;
        if let Command::Set { settings } = &arguments.command {
            for (n, (name, _)) in settings.iter().enumerate() {
                if settings[..n].iter().any(|(earlier, _)| earlier == name) {
                    let text = format!("{name} is set twice");
                    return Err(Self::command().error(ErrorKind::ArgumentConflict, text));
                }
            }
        }
        // An option before the command and one behind it are no conflict to the parser.
        let (socket, instance) = (&arguments.socket, &arguments.instance);
        let all = matches!(arguments.command, Command::Status { all: true });
        let conflict = match (socket, instance) {
            (Some(_), Some(_)) => Some("--instance cannot be used with --socket"),
            (Some(_), None) if all => Some("status --all cannot be used with --socket"),
            (None, Some(_)) if all => Some("status --all cannot be used with --instance"),
            _ => None,
        };
        match conflict {
            Some(text) => Err(Self::command().error(ErrorKind::ArgumentConflict, text)),
            None => Ok(arguments),
        }
    }
}

/// The help of `set`, with the settings that it may change.
fn set_help() -> String {
    let settable = KEYS.iter().filter(|key| key.is.settable.is_some());
    let names: Vec<_> = settable.map(|key| key.name).collect();
    format!("Change limits for new jobs: {}", names.join(", "))
}

fn time(text: &str) -> Result<Duration, String> {
    let kind = Kind::Seconds(SECONDS_MIN, SECONDS_MAX);
    let time = kind.parse(text)?;
    Duration::stored(time).ok_or_else(|| format!("not {}", kind.accepted()))
}

/// A number of updates, or of jobs.
fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("not a number from 1 to {}", u64::MAX)),
    }
}

/// A name and a value, which is sent to the server as a number if it is one. The server knows
/// the names and ranges, and may be newer than this program.
fn setting(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let number = serde_json::from_str(value).ok().filter(Value::is_number);
            Ok((name.into(), number.unwrap_or_else(|| value.into())))
        }
        _ => Err("not of the form NAME=VALUE, such as timeout=60".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_numbers_where_they_are() {
        for (text, name, value) in [
            ("timeout=60", "timeout", json!(60)),
            ("timeout=0.5", "timeout", json!(0.5)),
            ("log-level=debug", "log-level", json!("debug")),
            ("timeout=", "timeout", json!("")),
            ("x=a=b", "x", json!("a=b")),
            ("x=true", "x", json!("true")),
        ] {
            assert_eq!(setting(text), Ok((name.into(), value)));
        }
        assert!(setting("timeout").is_err() && setting("=1").is_err());
    }
}
