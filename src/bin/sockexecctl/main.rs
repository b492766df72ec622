//! `sockexecctl COMMAND`: asks a running server, and tells it what to do, on its control socket.
//!
//! Owns the exit code. What can be asked is [`sockexec::control`]; here is how it looks to a
//! person, and, with `--json`, to a program.
//!
//! | module | what it knows |
//! |---|---|
//! | `arguments` | the command line |
//! | `ask` | the way to the server, and which exit code a failure has |
//! | `report` | how the answers read |
//! | `table` | columns, lines that wrap, the width of the terminal |
//! | `units` | sizes and times for people |
//! | `output` | standard output, and what may be written to a terminal |
//! | `top` | the live screen |

mod arguments;
mod ask;
mod output;
mod report;
mod table;
mod top;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;
use sockexec::control::message::Args;
use sockexec::control::payload::Limits;

use arguments::{Arguments, Command};
use ask::{Failure, read};
use output::{printable, say, say_as_it_is};

/// For a command line that makes no sense.
const EXIT_USAGE: u8 = 100;

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
    let (name, args) = message(&arguments.command);
    let payload = ask::connect(arguments)?.ask(name, args)?;
    if arguments.json {
        // These three are plain text, which JSON has as a string.
        let plain = matches!(name, "ping" | "version" | "metrics");
        let value = if plain {
            Value::String(payload)
        } else {
            read(&payload)?
        };
        return say(&[output::json(&value)]);
    }
    let width = output::width();
    match arguments.command {
        Command::Status => say(&report::status(&read(&payload)?, width)),
        Command::Jobs => say(&report::jobs(&read::<Vec<_>>(&payload)?, width)),
        Command::Kill { .. } => say(&[report::killed(&read(&payload)?)]),
        Command::Set { .. } => {
            let limits: Limits = read(&payload)?;
            say(&table::wrap(&[report::limits(&limits)], width))
        }
        Command::Reload => say(&table::wrap(&report::reloaded(&read(&payload)?), width)),
        Command::Drain => say(&[report::draining(&read(&payload)?)]),
        Command::Metrics if !output::is_terminal() => say_as_it_is(&payload),
        Command::Metrics => say(&payload.lines().map(printable).collect::<Vec<_>>()),
        Command::Ping | Command::Version | Command::Top { .. } => say(&[printable(&payload)]),
    }
}

/// The command's name on the control socket, and its arguments.
fn message(command: &Command) -> (&'static str, Args) {
    let mut args = Args::new();
    let name = match command {
        Command::Status => "status",
        Command::Jobs => "jobs",
        Command::Kill { id, signal } => {
            args.insert("id".into(), (*id).into());
            args.insert("signal".into(), signal.as_str().into());
            "kill"
        }
        Command::Set { settings } => {
            args.extend(settings.iter().cloned());
            "set"
        }
        Command::Reload => "reload",
        Command::Drain => "drain",
        Command::Metrics => "metrics",
        Command::Ping => "ping",
        Command::Version => "version",
        Command::Top { .. } => unreachable!("it asks for two things, again and again"),
    };
    (name, args)
}

/// Says a line on standard error. There is nobody to tell when that fails.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "sockexecctl: {}", printable(line));
}
