//! The command line: options, their defaults and ranges.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use crate::session::policy::{Limits, Termsig};

const ABOUT: &str = "\
Runs local programs for the clients of a UNIX socket.

A client connects, sends the arguments of a program, and gets its output and its exit code
back as they come. The protocol is described in sockexec-protocol(7), the server in
sockexec(8); sockexec-client(1) is a client.";

const EXAMPLES: &str = "\
Examples:
  sockexec /run/my/exec.sock              serve at a path, in the foreground
  sockexec -t 0 -m 20 /run/my/exec.sock   no deadline, at most 20 programs at once
  sockexec-client /run/my/exec.sock uname -a

Without PATH the listening sockets come from systemd, or with --inetd from inetd or s6.
Exit codes: 0 ended as told, 100 wrong usage, 111 the system refused something.";

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogTo {
    /// syslog as a service, stderr in the foreground
    Auto,
    /// syslogd, facility daemon
    Syslog,
    /// standard error
    Stderr,
}

/// How a termination by a signal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TermsigAs {
    /// 15
    Number,
    /// TERM, as the original server did
    Name,
}

/// What the command line says.
#[derive(Debug, Parser)]
#[command(
    name = "sockexec",
    about = "Runs local programs for the clients of a UNIX socket",
    long_about = ABOUT,
    after_help = EXAMPLES,
    version,
    disable_version_flag = true,
    max_term_width = 96
)]
pub struct Config {
    /// Connections that may wait to be accepted
    #[arg(short, long, value_name = "N", default_value_t = 100,
          value_parser = queue)]
    pub queue: u32,

    /// Permissions of the socket, octal
    #[arg(short = 'M', long, value_name = "MODE", default_value = "0660", value_parser = mode)]
    pub mode: u32,

    /// Connections served at once; more wait in the queue
    #[arg(short, long, value_name = "N", default_value_t = 100,
          value_parser = connections)]
    pub max_connections: u32,

    /// Seconds that a connection may last, 0 for no deadline
    #[arg(short, long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub timeout: Duration,

    /// Seconds between SIGTERM and SIGKILL for a program that must end
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub kill_timeout: Duration,

    /// Seconds that programs get to end by themselves when the server is told to stop
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub stop_grace: Duration,

    /// Seconds without any connection after which to leave, 0 for never [default: 0, with --inetd 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub idle_exit: Option<Duration>,

    /// Descriptor 0 is the socket, as inetd and s6 pass it
    #[arg(long)]
    pub inetd: bool,

    /// How to tell a client of a termination by a signal
    #[arg(long, value_name = "FORM", default_value = "number")]
    pub termsig: TermsigAs,

    /// Where log lines go
    #[arg(long, value_name = "TARGET", default_value = "auto")]
    pub log: LogTo,

    /// Log what happens on each connection
    #[arg(short, long)]
    pub debug: bool,

    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    pub version: Option<bool>,

    /// Where to listen, where no sockets are handed over
    pub path: Option<PathBuf>,
}

/// The longest time that an option takes: ten years.
const SECONDS_MAX: f64 = 315_360_000.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("not a number of seconds from 0 to {SECONDS_MAX}")),
    }
}

fn queue(text: &str) -> Result<u32, String> {
    number(text, 65_535)
}

fn connections(text: &str) -> Result<u32, String> {
    number(text, 1_000_000)
}

fn number(text: &str, most: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("not a number from 1 to {most}")),
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(mode),
        _ => Err("not an octal mode from 0 to 0777".into()),
    }
}

impl Config {
    /// What each connection may use.
    pub fn limits(&self) -> Limits {
        Limits {
            timeout: Some(self.timeout).filter(|t| !t.is_zero()),
            kill_timeout: self.kill_timeout,
            termsig: match self.termsig {
                TermsigAs::Number => Termsig::Number,
                TermsigAs::Name => Termsig::Name,
            },
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Config, clap::Error> {
        Config::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_of_the_original() {
        let config = parse("sockexec -d -q 5 -m 7 -t 0 -k 3 -M 600 /tmp/exec.sock").unwrap();
        assert_eq!(
            (config.queue, config.max_connections, config.mode),
            (5, 7, 0o600)
        );
        let limits = config.limits();
        assert_eq!(limits.timeout, None);
        assert_eq!(limits.kill_timeout, Duration::from_secs(3));
        assert!(config.debug);
        let config = parse("sockexec /tmp/exec.sock").unwrap();
        assert_eq!(
            (config.queue, config.max_connections, config.mode),
            (100, 100, 0o660)
        );
        assert_eq!(config.limits(), Limits::default());
    }

    #[test]
    fn refusals_name_the_option_and_its_range() {
        for (line, option, range) in [
            ("sockexec -m 0 x", "--max-connections", "1 to 1000000"),
            ("sockexec -q -1 x", "-1", ""),
            ("sockexec -q 70000 x", "--queue", "1 to 65535"),
            ("sockexec -t minus x", "--timeout", "seconds from 0 to"),
            ("sockexec -k nan x", "--kill-timeout", "seconds from 0 to"),
            ("sockexec -M 888 x", "--mode", "0 to 0777"),
            ("sockexec -M +7 x", "--mode", "0 to 0777"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(
                message.contains(option) && message.contains(range),
                "{message}"
            );
        }
    }
}
