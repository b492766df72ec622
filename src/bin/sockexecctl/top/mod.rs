//! `top`: the state of a server, updated until the user quits.
//!
//! On a terminal it is a full screen. Otherwise, with a number of updates, and on a terminal that has
//! no screen to address, each update is plain text after the previous one. A lost server is reported
//! and tried again; only the first query has to succeed.
//!
//! The screen is in three parts. A pure model has the state, and what a key or an answer makes of it;
//! the drawing makes lines of any model for any size; a thin shell has the terminal, the connection
//! and the clock.
//!
//! | files | content |
//! |---|---|
//! | `screen`, `terminal` | the shell: threads, the terminal, signals |
//! | `asker`, `sample`, `flow`, `usage`, `processes`, `names` | the server's answers, and what the system knows |
//! | `facts`, `model`, `keys`, `view`, `tab` | the model |
//! | `jobs`, `ended`, `groups`, `details`, `column` | rows and details |
//! | `draw`, `header`, `grid`, `footer`, `help`, `line` | the drawing |
//! | `frame` | an update as plain text |

mod asker;
mod column;
mod details;
mod draw;
mod ended;
mod facts;
#[cfg(test)]
mod fixture;
mod flow;
mod footer;
mod frame;
mod grid;
mod groups;
mod header;
mod help;
mod jobs;
mod keys;
mod line;
mod model;
mod names;
mod processes;
mod sample;
mod screen;
mod tab;
mod terminal;
mod usage;
mod view;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use terminal_size::{Height, Width, terminal_size_of};

use crate::arguments::Arguments;
use crate::ask::Failure;
use crate::output::{self, say};
use sample::{Look, Rates, Sample};

/// Queries the server each `interval`, `count` times or without end.
pub fn run(arguments: &Arguments, interval: Duration, count: Option<u64>) -> Result<(), Failure> {
    let looks = Looks {
        arguments: arguments.clone(),
        interval,
        left: count,
        due: Instant::now(),
        last: None,
    };
    let terminal = io::stdout().is_terminal();
    if terminal && !arguments.json && count.is_none() && has_screen() {
        return screen::run(arguments, interval);
    }
    let mut first = true;
    for look in looks {
        let lines = match look {
            Err(failure) if first => return Err(failure),
            Err(failure) if arguments.json => {
                vec![output::json(&json!({"error": failure.to_string()}))]
            }
            Ok((sample, rates)) if arguments.json => vec![output::json(&sample.to_json(rates))],
            Err(failure) => separated(frame::away(&failure, output::width()), first),
            Ok((sample, rates)) => separated(frame::all(&sample, rates, size()), first),
        };
        say(&lines)?;
        first = false;
    }
    Ok(())
}

/// Whether the terminal has a screen on which text can be replaced.
fn has_screen() -> bool {
    std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb")
}

/// The size of an update: all of it stays in sight on a terminal. Elsewhere nothing is cut.
fn size() -> Option<frame::Size> {
    let (Width(width), Height(height)) = terminal_size_of(io::stdout())?;
    // The empty line between two updates, and the line of the shell after the last.
    let height = usize::from(height).saturating_sub(2);
    (width > 0 && height > 0).then_some((width.into(), height))
}

/// Puts an empty line before each update except the first.
fn separated(mut lines: Vec<String>, first: bool) -> Vec<String> {
    if !first {
        lines.insert(0, String::new());
    }
    lines
}

/// The queries, each at its time.
#[derive(Debug)]
struct Looks {
    arguments: Arguments,
    interval: Duration,
    left: Option<u64>,
    due: Instant,
    last: Option<Sample>,
}

impl Iterator for Looks {
    type Item = Result<Look, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        // After a slow answer the next query is not due at once.
        self.due = Instant::now() + self.interval;
        Some(Sample::take(&self.arguments).map(|sample| {
            let rates = self
                .last
                .as_ref()
                .and_then(|last| Rates::between(last, &sample));
            self.last = Some(sample.clone());
            (sample, rates)
        }))
    }
}
