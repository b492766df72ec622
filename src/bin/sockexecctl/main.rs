//! `sockexecctl COMMAND`: inspects and controls a running server through its control socket.
//!
//! Owns the exit code. The commands are in [`sockexec::control`]; this program presents the
//! answers to a person and, with `--json`, to a program.
//!
//! | module | content |
//! |---|---|
//! | `arguments` | the command line |
//! | `ask` | the connection to the server, and the exit code of each failure |
//! | `config` | the configuration, and where it came from |
//! | `drain` | `drain --wait` |
//! | `follow` | starts and ends of jobs, as they come |
//! | `instances` | the servers that there are, and whether they run |
//! | `kill` | `kill`: its command line and its result |
//! | `metrics` | the figures of several servers, and HTTP |
//! | `overview` | a line about each server |
//! | `recent` | the text of jobs that have ended |
//! | `report` | the text of the answers |
//! | `rules` | the text of the rules in force |
//! | `signal_words` | a signal as kill(1) takes it |
//! | `stops` | whether this process was stopped |
//! | `table` | columns, lines that wrap, the width of the terminal |
//! | `totals` | the tables of jobs by group |
//! | `units` | sizes and times for people |
//! | `output` | standard output, and escaping for a terminal |
//! | `top` | the live screen |

mod arguments;
mod ask;
mod config;
mod drain;
mod follow;
mod instances;
mod kill;
mod metrics;
mod output;
mod overview;
mod recent;
mod report;
mod rules;
mod signal_words;
mod stops;
mod table;
mod top;
mod totals;
mod units;

use std::process::ExitCode;

use serde_json::Value;
use sockexec::control::explained::Explained;
use sockexec::control::message::Args;
use sockexec::control::payload::Limits;

use arguments::{Arguments, Command};
use ask::{EXIT_USAGE, Failure, read};
use output::{complain, printable, say, say_as_it_is};

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(code);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Command::Top { interval, count } = arguments.command {
        return top::run(arguments, interval, count);
    }
    match arguments.command {
        Command::Status { all: true } => return overview::run(arguments),
        Command::Drain { wait: true } => return drain::run(arguments),
        Command::Follow { retry } => return follow::run(arguments, retry),
        Command::Metrics { http: true, .. } => return metrics::serve(arguments),
        Command::Metrics { all: true, .. } => return say_all_metrics(arguments),
        _ => {}
    }
    let (name, args) = message(&arguments.command)?;
    let payload = ask::connect(arguments)?.ask(name, args)?;
    if arguments.json {
        // These three answers are plain text, a string in JSON.
        let plain = matches!(name, "ping" | "version" | "metrics");
        let value = if plain {
            Value::String(payload)
        } else {
            read(&payload)?
        };
        let value = match &arguments.command {
            Command::Totals { by } => totals::part(value, *by),
            Command::Config { names } => config::only(value, names)?,
            _ => value,
        };
        say(&[output::json(&value)])?;
        return match &arguments.command {
            Command::Kill(kill) => kill.check(&value),
            _ => Ok(()),
        };
    }
    let width = output::width();
    match &arguments.command {
        Command::Status { .. } => say(&report::status(&read(&payload)?, width)),
        Command::Jobs => say(&report::jobs(&read::<Vec<_>>(&payload)?, width)),
        Command::Kill(kill) => kill.report(&payload),
        Command::Set { .. } => {
            let limits: Limits = read(&payload)?;
            say(&table::wrap(&[report::limits(&limits)], width))
        }
        Command::Explain(_) => {
            let lines = read::<Explained>(&payload)?.lines();
            say(&lines.iter().map(|line| printable(line)).collect::<Vec<_>>())
        }
        Command::Reload => say(&table::wrap(&report::reloaded(&read(&payload)?), width)),
        Command::Drain { .. } => say(&[report::draining(&read(&payload)?)]),
        Command::Config { names } => {
            let all = config::only(read(&payload)?, names)?;
            say(&config::text(&read(&all.to_string())?, width))
        }
        Command::Rules => say(&rules::text(&read(&payload)?, width)),
        Command::Undrain => say(&[report::undrained(&read(&payload)?)]),
        Command::Metrics { .. } => say_metrics(&payload),
        Command::Recent(_) => say(&recent::text(&read(&payload)?, width)),
        Command::Totals { by } => say(&totals::text(&read(&payload)?, *by, width)),
        Command::Ping | Command::Version | Command::Top { .. } | Command::Follow { .. } => {
            say(&[printable(&payload)])
        }
    }
}

/// Says figures: unchanged, if another program reads them.
fn say_metrics(text: &str) -> Result<(), Failure> {
    match output::is_terminal() {
        true => say(&text.lines().map(printable).collect::<Vec<_>>()),
        false => say_as_it_is(text),
    }
}

/// Says the figures of all servers, also if some of these fail.
fn say_all_metrics(arguments: &Arguments) -> Result<(), Failure> {
    let (text, failures) = metrics::of_all(arguments)?;
    match arguments.json {
        true => say(&[output::json(&Value::String(text))])?,
        false => say_metrics(&text)?,
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::Nothing(failures.join("; "))),
    }
}

/// The command's name on the control socket, and its arguments.
fn message(command: &Command) -> Result<(&'static str, Args), Failure> {
    let mut args = Args::new();
    let name = match command {
        Command::Status { .. } => "status",
        Command::Jobs => "jobs",
        Command::Kill(kill) => {
            args = kill.args()?;
            "kill"
        }
        Command::Set { settings } => {
            args.extend(settings.iter().cloned());
            "set"
        }
        Command::Explain(asked) => {
            let question = asked.clone().question().map_err(Failure::Name)?;
            args = question.to_args();
            "explain"
        }
        Command::Reload => "reload",
        Command::Drain { .. } => "drain",
        Command::Undrain => "undrain",
        Command::Config { .. } => "config",
        Command::Rules => "rules",
        Command::Metrics { .. } => "metrics",
        Command::Recent(wanted) => {
            args = recent::args(wanted)?;
            "recent"
        }
        Command::Totals { .. } => "totals",
        Command::Ping => "ping",
        Command::Version => "version",
        Command::Top { .. } | Command::Follow { .. } => unreachable!("it asks again and again"),
    };
    Ok((name, args))
}
