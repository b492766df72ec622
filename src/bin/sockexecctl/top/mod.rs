//! `top`: the state of a server, updated until the user quits.
//!
//! On a terminal it is a full screen; otherwise each update is printed after the previous one. A
//! lost server is reported and tried again; only the first query has to succeed.

mod frame;
mod sample;
mod screen;
mod terminal;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

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
    if io::stdout().is_terminal() && !arguments.json {
        return screen::run(looks);
    }
    let mut first = true;
    for look in looks {
        let lines = match look {
            Err(failure) if first => return Err(failure),
            Err(failure) if arguments.json => {
                vec![output::json(&json!({"error": failure.to_string()}))]
            }
            Ok((sample, rates)) if arguments.json => vec![output::json(&sample.to_json(rates))],
            Err(failure) => separated(frame::away(&failure, None, None), first),
            Ok((sample, rates)) => separated(frame::all(&sample, rates, None), first),
        };
        say(&lines)?;
        first = false;
    }
    Ok(())
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
