//! `drain --wait`: waits until the server has ended.
//!
//! It stays on the connection on which it has asked for the drain, since a new one would start
//! another server where systemd holds the socket.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sockexec::control::client::{Client, ControlError, Reason};
use sockexec::control::message::Args;
use sockexec::control::payload::Status;

use crate::arguments::Arguments;
use crate::ask::{self, Failure, read};
use crate::output::{self, say};
use crate::report;
use crate::stops::Stops;

/// The pause between two questions. A server waits longer than this for the next one.
const PAUSE: Duration = Duration::from_millis(50);

/// A server waits longer than this for the next question. So a connection that is closed sooner was
/// closed because the server ends.
const IDLE_MIN: Duration = Duration::from_millis(100);

/// Drains the server, and waits. The time-out, if one was given, is that of the whole wait.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let until = arguments.timeout.map(|timeout| Instant::now() + timeout);
    let stops = Stops::watch();
    let mut client = ask::connect(arguments)?;
    let payload = client.ask("drain", Args::new())?;
    match arguments.json {
        true => say(&[output::json(&read::<Value>(&payload)?)])?,
        false => say(&[report::draining(&read(&payload)?)])?,
    }
    let shows = output::is_terminal() && !arguments.json;
    let (mut before, mut process, mut asked) = (None, 0, Instant::now());
    loop {
        let stopped = stops.take();
        let status: Status = match client.ask("status", Args::new()) {
            Ok(payload) => read(&payload)?,
            Err(error) if !is_the_end(&error) => return Err(error.into()),
            // This process was stopped for a while, and the server did not wait for it.
            Err(_)
                if (stopped || asked.elapsed() > IDLE_MIN) && still_drains(arguments, process) =>
            {
                client = ask::connect(arguments)?;
                continue;
            }
            Err(_) => break,
        };
        asked = Instant::now();
        process = status.pid;
        if status.state == "serving" {
            let text = "the server accepts connections again";
            return Err(Failure::Partly(vec![text.into()]));
        }
        let left = status.active + status.parked;
        if shows && before.is_some_and(|before| before != left) {
            say(&[format!("{left} to finish")])?;
        }
        before = Some(left);
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(Failure::Nothing(format!(
                "{left} jobs have not finished in time; the server still drains"
            )));
        }
        thread::sleep(PAUSE);
    }
    match arguments.json {
        true => Ok(()),
        false => say(&["drained: the server has ended".into()]),
    }
}

/// Whether the server has closed the connection.
fn is_the_end(error: &ControlError) -> bool {
    matches!(error.reason(), Reason::Closed)
}

/// Whether the same server is still there.
fn still_drains(arguments: &Arguments, process: u32) -> bool {
    let ask = |mut client: Client| client.ask("status", Args::new()).ok();
    let status = ask::connect(arguments).ok().and_then(ask);
    let status = status.and_then(|payload| read::<Status>(&payload).ok());
    status.is_some_and(|status| status.pid == process && status.state != "serving")
}
