//! The command line of `sockexec`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args as _, Command, FromArgMatches as _, Parser};

use super::address::absolute;
use super::{Address, Given};
use crate::control::question;
use crate::settings::name::nearest;
use crate::settings::value::{Kind, Value};
use crate::settings::{KEYS, Key};
use crate::wire::Protocol;

const ABOUT: &str = "\
Runs local programs for the clients of a UNIX socket.

A client connects, sends the arguments of a program, and receives its output as it is
written, and then its exit code. sockexec-protocol(7) describes the protocol, sockexec(8) the
server, sockexec.toml(5) its configuration file; sockexec-client(1) is a client.";

const EXAMPLES: &str = "\
Examples:
  sockexec /run/my/exec.sock              serve at a path, in the foreground
  sockexec -t 0 -m 20 /run/my/exec.sock   no deadline, at most 20 programs at once
  sockexec-client /run/my/exec.sock uname -a

Without PATH the listening sockets come from systemd, or with --inetd from inetd or s6.
A TIME is a number of seconds, or a time with units such as 500ms, 90s, 5m, 1h30m or 2d.
An option wins over the configuration file.
Exit codes: 0 ended on request, 100 wrong usage, 111 the system refused something.";

/// The options that are no settings.
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
struct Flags {
    /// Descriptor 0 is the socket, as inetd and s6 pass it
    #[arg(long)]
    inetd: bool,

    /// Listen for the sockproc protocol too: a path, or a port of 127.0.0.1; may be repeated
    #[arg(long, value_name = "PATH|PORT", value_parser = Address::parse)]
    sockproc: Vec<Address>,

    /// Listen for the control protocol too; may be repeated
    #[arg(long, value_name = "PATH")]
    control: Vec<PathBuf>,

    /// The configuration file, which must exist [default: /etc/sockexec/sockexec.toml, if it exists]
    // A unit names one, and an administrator's options follow it.
    #[arg(long, value_name = "FILE", overrides_with = "config")]
    config: Option<PathBuf>,

    /// The user of programs where the file has no run-as; empty for the server's own user [default: empty]
    // A unit names one, and an administrator's options follow it.
    #[arg(long, value_name = "NAME", overrides_with = "job_user")]
    job_user: Option<String>,

    /// A setting that neither an option nor the file sets, with its value; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = fallback)]
    fallback: Vec<(&'static str, Value)>,

    /// The cgroup2 directory for the jobs' cgroups [default: the one that systemd has delegated]
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,

    /// Become this user once the sockets are open; only root can, and keeps what run-as needs
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Only check the options and the configuration file, and print the rules in force
    #[arg(long)]
    check: bool,

    /// With --check: print only what is wrong
    #[arg(long, requires = "check")]
    quiet: bool,

    /// Only explain which rule decides about a request, and why; the question is --user USER PROGRAM
    /// ARGUMENT... and comes last, see sockexec(8)
    #[arg(
        long,
        num_args = 1..,
        allow_hyphen_values = true,
        value_name = "QUESTION",
        conflicts_with = "check"
    )]
    explain: Option<Vec<String>>,

    /// Log each event of a connection, as --log-level debug does
    #[arg(short, long, conflicts_with = "log-level")]
    debug: bool,

    /// Print the version
    #[arg(short, short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Where to listen, if no sockets are handed over
    path: Option<PathBuf>,
}

/// Reads a value of this kind; help lists the words that it accepts.
fn parser(kind: Kind) -> ValueParser {
    match kind {
        Kind::Words(words) => {
            let all = words
                .iter()
                .map(|(word, meaning)| PossibleValue::new(word).help(meaning));
            PossibleValuesParser::new(all)
                .try_map(move |word| kind.parse(&word))
                .into()
        }
        _ => ValueParser::new(move |text: &str| kind.parse(text)),
    }
}

/// Reads a setting and its value.
fn fallback(text: &str) -> Result<(&'static str, Value), String> {
    let (name, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    let key = Key::find(name).ok_or_else(|| {
        let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        let near = nearest(name, &names).map(|near| format!("; did you mean {near}?"));
        format!("there is no setting {name:?}{}", near.unwrap_or_default())
    })?;
    let value = key.kind.parse(value);
    Ok((key.name, value.map_err(|error| format!("{name}: {error}"))?))
}

/// The option of a setting. It has no default here, so that it is known whether it was given; its
/// default stands in its help.
fn option(key: &'static Key) -> Option<Arg> {
    let flag = key.is.option?;
    let help = format!("{} [default: {}{}]", flag.help, key.default(), flag.default);
    let option = Arg::new(key.name)
        .long(key.name)
        .value_name(flag.value)
        .value_parser(parser(key.kind))
        .help(help);
    Some(match flag.short {
        Some(letter) => option.short(letter),
        None => option,
    })
}

/// The options, with their values. No option is a digit: in the place of a value, `-1` is a value,
/// and the refusal names the accepted values.
fn command() -> Command {
    let settings = Command::new("sockexec").args(KEYS.iter().filter_map(option));
    Flags::augment_args(settings).mut_args(|arg| {
        let has_value = arg.get_action().takes_values() && !arg.is_positional();
        arg.allow_negative_numbers(has_value)
    })
}

/// Reads the command line.
pub fn read(arguments: Vec<OsString>) -> Result<Given, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let flags = Flags::from_arg_matches(&matches)?;
    check_addresses(&flags)?;
    let exec = flags.path.into_iter().map(Address::Path);
    let control = flags.control.into_iter().map(Address::Path);
    let sockproc = flags.sockproc.into_iter();
    let listen = exec
        .map(|address| (Protocol::Exec, address))
        .chain(control.map(|address| (Protocol::Control, address)))
        .chain(sockproc.map(|address| (Protocol::Sockproc, address)))
        .collect();
    let options = KEYS.iter().filter(|key| key.is.option.is_some());
    let given = options.filter_map(|key| {
        let value = matches.get_one::<Value>(key.name)?;
        Some((key.name, *value))
    });
    let debug = flags.debug.then_some(("log-level", Value::Word("debug")));
    Ok(Given {
        values: given.chain(debug).collect(),
        file: flags.config,
        listen,
        inetd: flags.inetd,
        job_user: flags.job_user.filter(|name| !name.is_empty()),
        cgroup: flags.cgroup.as_deref().map(absolute),
        check: flags.check,
        quiet: flags.quiet,
        fallback: flags.fallback,
        user: flags.user,
        explain: flags.explain.map(question::read).transpose()?,
        ..Given::default()
    })
}

/// Refuses an address that is given twice: only one socket can be there.
fn check_addresses(flags: &Flags) -> Result<(), clap::Error> {
    let path = |path: &PathBuf| absolute(path).display().to_string();
    let exec = flags.path.iter().map(|given| ("PATH", path(given)));
    let control = flags.control.iter().map(|given| ("--control", path(given)));
    let sockproc = flags.sockproc.iter().map(|given| {
        let text = match given {
            Address::Path(given) => path(given),
            Address::Tcp(address) => address.to_string(),
        };
        ("--sockproc", text)
    });
    let all: Vec<_> = exec.chain(control).chain(sockproc).collect();
    for (n, (option, address)) in all.iter().enumerate() {
        let mut earlier = all[..n].iter().filter(|(_, other)| other == address);
        let text = match earlier.next() {
            None => continue,
            Some((other, _)) if other == option => format!("{option} has {address} twice"),
            Some((other, _)) => format!("{other} and {option} are the same: {address}"),
        };
        let text = format!("{text}; each socket needs a path of its own");
        return Err(command().error(ErrorKind::ArgumentConflict, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_tells_the_default_of_each_option_that_has_one() {
        let command = command();
        let help = |name: &str| {
            let mut options = command.get_arguments();
            let option = options.find(|option| option.get_long() == Some(name))?;
            option.get_help().map(ToString::to_string)
        };
        let told = |name: &str, default: &str| {
            let default = format!("[default: {default}");
            help(name).map(|help| help.contains(&default))
        };
        let mut seen = 0;
        for key in KEYS {
            if let Some(told) = told(key.name, &key.default()) {
                assert!(told, "{}", key.name);
                seen += 1;
            }
        }
        assert_eq!(seen, 10);
        assert_eq!(told("config", crate::config::FILE), Some(true));
    }

    #[test]
    fn refusals_name_the_option_and_its_range() {
        for (line, option, range) in [
            ("sockexec -m 0 x", "--max-connections", "1 to 1000000"),
            ("sockexec -q 70000 x", "--queue", "1 to 65535"),
            ("sockexec -t minus x", "--timeout", "seconds from 0 to"),
            ("sockexec -k nan x", "--kill-timeout", "seconds from 0 to"),
            ("sockexec -t 5min x", "--timeout", "90s, 5m, 1h30m or 2d"),
            ("sockexec -M 888 x", "--mode", "0 to 0777"),
            ("sockexec -M +7 x", "--mode", "0 to 0777"),
            (
                "sockexec --log-level x x",
                "--log-level",
                "error, warn, info, debug",
            ),
            ("sockexec -d --log-level warn x", "--debug", "--log-level"),
            ("sockexec --sockproc 0.0.0.0:1 x", "--sockproc", "loopback"),
            ("sockexec --sockproc 70000", "--sockproc", "1 to 65535"),
            (
                "sockexec --control /a /a",
                "PATH and --control",
                "the same: /a;",
            ),
            (
                "sockexec --control a --sockproc a /x",
                "--control and --sockproc",
                "the same: /",
            ),
            (
                "sockexec --control /a --control /a",
                "--control has",
                "/a twice",
            ),
            (
                "sockexec --sockproc 99 --sockproc 99",
                "--sockproc has",
                "127.0.0.1:99 twice",
            ),
        ] {
            let error = read(line.split(' ').map(Into::into).collect()).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(option) && message.contains(range),
                "{message}"
            );
        }
    }

    #[test]
    fn a_negative_number_is_refused_with_the_option_and_its_range() {
        for (line, option, range) in [
            ("-t -1", "--timeout", "seconds from 0 to 315360000"),
            ("-k -0.5", "--kill-timeout", "seconds from 0 to 315360000"),
            ("-q -1", "--queue", "1 to 65535"),
            ("-m -1", "--max-connections", "1 to 1000000"),
            ("-M -1", "--mode", "0 to 0777"),
            ("-t-1", "--timeout", "seconds from 0 to"),
            ("--mode -660", "--mode", "0 to 0777"),
            ("--stop-grace -1", "--stop-grace", "seconds from 0 to"),
            ("--idle-exit -1e3", "--idle-exit", "seconds from 0 to"),
            ("--sockproc -1", "--sockproc", "1 to 65535"),
            ("--log-level -1", "--log-level", "error, warn, info, debug"),
        ] {
            let line = format!("sockexec {line} x");
            let error = read(line.split(' ').map(Into::into).collect()).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains("for '-") && message.contains(option),
                "{message}"
            );
            assert!(message.contains(range), "{message}");
        }
    }

    #[test]
    fn no_option_with_a_value_takes_a_negative_one_for_an_option() {
        let command = command();
        for option in command.get_arguments().filter(|o| !o.is_positional()) {
            let (takes, name) = (option.get_action().takes_values(), option.get_id());
            assert_eq!(option.is_allow_negative_numbers_set(), takes, "{name}");
        }
    }
}
