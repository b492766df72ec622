//! `follow`: the starts and ends of jobs as they come, one line each.
//!
//! It asks for the events behind the last one that it has, and the server answers once there is one.
//! So a reader that is slow, or was stopped, misses no event silently: the server counts those that it
//! has dropped meanwhile.

use std::io;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use sockexec::control::client::{Client, Reason};
use sockexec::control::history::{Event, Events, WAIT};
use sockexec::control::message::Args;
use sockexec::os::accounts::names::Names;
use sockexec::os::clock::TimeOfDay;

use crate::arguments::Arguments;
use crate::ask::{self, Failure, read};
use crate::output::{self, complain, printable, say};
use crate::recent::{reason, result, under, user};
use crate::stops::Stops;
use crate::table;
use crate::units::{UNKNOWN, bytes, seconds};

/// The pause before the next attempt to reach a server.
const PAUSE: Duration = Duration::from_millis(500);

/// A server waits longer than this for the next question. So a connection that is closed sooner was
/// closed because the server ends.
const IDLE_MIN: Duration = Duration::from_millis(100);

/// What is known of the server.
#[derive(Debug, Default)]
struct Position {
    /// The server's process, once it has answered.
    server: Option<u32>,
    /// The number of the last event that it has sent.
    last: Option<u64>,
}

/// Runs until the reader has gone or a signal comes; or until the server ends, without `retry`.
pub fn run(arguments: &Arguments, retry: bool) -> Result<(), Failure> {
    watch_reader();
    let stops = Stops::watch();
    let mut position = Position::default();
    // The first server must be there.
    let mut client = ask::connect(arguments)?;
    let mut complained = false;
    loop {
        let Err((failure, slow)) = follow(&mut client, arguments, &mut position, &stops) else {
            unreachable!("it ends with a failure only")
        };
        if !is_of_the_connection(&failure) {
            return Err(failure);
        }
        client = loop {
            // It has closed because this side was slow, and is still there.
            if slow && !complained {
                if let Ok(client) = ask::connect(arguments) {
                    break client;
                }
            }
            if !retry {
                return Err(Failure::Nothing(format!(
                    "{failure}: the server has ended, or is restarted; --retry waits for the next one"
                )));
            }
            if !std::mem::replace(&mut complained, true) {
                complain("the server has ended: waiting for the next one");
            }
            thread::sleep(PAUSE);
            if let Ok(client) = ask::connect(arguments) {
                complained = false;
                break client;
            }
        };
    }
}

/// Follows on one connection. Returns the failure that ends it, and whether the server may have
/// closed because it has waited for this side.
fn follow(
    client: &mut Client,
    arguments: &Arguments,
    position: &mut Position,
    stops: &Stops,
) -> Result<(), (Failure, bool)> {
    client.set_timeout(arguments.timeout() + WAIT);
    let mut before = Instant::now();
    loop {
        // A stop during the last question delayed this one as well.
        let slow = stops.take() || before.elapsed() >= IDLE_MIN;
        let payload = client
            .ask("events", args(position))
            .map_err(|error| (error.into(), slow || stops.take()))?;
        before = Instant::now();
        show(&payload, arguments.json, position).map_err(|failure| (failure, false))?;
    }
}

fn args(position: &Position) -> Args {
    let mut args = Args::new();
    args.insert("after".into(), position.last.into());
    args.insert("wait".into(), WAIT.as_secs().into());
    args
}

/// Whether a server that is there might be reached by another connection.
fn is_of_the_connection(failure: &Failure) -> bool {
    match failure {
        Failure::Server(error) => matches!(
            error.reason(),
            Reason::Closed | Reason::Connect(_) | Reason::System(_)
        ),
        _ => false,
    }
}

/// Prints the events of an answer. Those of another server than before all are new.
fn show(payload: &str, as_json: bool, position: &mut Position) -> Result<(), Failure> {
    let answer: Events = read(payload)?;
    if position.server.is_some_and(|server| server != answer.pid) {
        complain(&format!("another server is there, process {}", answer.pid));
        *position = Position {
            server: Some(answer.pid),
            last: Some(0),
        };
        return Ok(());
    }
    position.server = Some(answer.pid);
    position.last = Some(answer.next);
    let mut lines = Vec::new();
    if answer.missed > 0 {
        lines.push(match as_json {
            true => output::json(&json!({"kind": "missed", "missed": answer.missed})),
            false => format!("-- {} events are missing here", answer.missed),
        });
    }
    if as_json {
        let all: Value = read(payload)?;
        let events = all["events"].as_array().map_or(&[][..], Vec::as_slice);
        lines.extend(events.iter().map(output::json));
    } else {
        let (names, width) = (Names::read(), output::width());
        lines.extend(answer.events.iter().flat_map(|e| text(e, &names, width)));
    }
    match lines.is_empty() {
        true => Ok(()),
        false => say(&lines),
    }
}

/// The line of an event, and a second one with the reason of a failure.
fn text(event: &Event, names: &Names, width: Option<usize>) -> Vec<String> {
    let job = &event.job;
    let time = TimeOfDay::at(event.time).map_or_else(|| UNKNOWN.into(), |time| time.to_string());
    let ended = event.ended();
    let (kind, duration, out) = match &ended {
        None => (event.kind.clone(), String::new(), String::new()),
        Some(ended) => (
            result(ended),
            seconds(job.age),
            bytes(job.out.saturating_add(job.err)),
        ),
    };
    let line = format!(
        "{time} {:>6} {:<12} {:<12} {duration:>6} {out:>4} {}",
        job.id,
        printable(&user(job, names)),
        printable(&kind),
        printable(&job.title)
    );
    let mut lines = vec![table::cut(line.trim_end().to_owned(), width)];
    lines.extend(
        ended
            .and_then(|ended| reason(&ended))
            .map(|reason| under(&reason, width)),
    );
    lines
}

/// Ends the process when the reader of standard output has gone, also while nothing is written.
fn watch_reader() {
    thread::spawn(|| {
        let stdout = io::stdout();
        loop {
            let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
            if poll(&mut fds, PollTimeout::NONE).is_err() {
                continue;
            }
            let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
            match fds[0].revents() {
                Some(events) if events.intersects(gone) => output::end_by_broken_pipe(),
                // It is no descriptor that has a reader.
                _ => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pid: u32, next: u64) -> String {
        json!({"pid": pid, "next": next, "missed": 0, "events": []}).to_string()
    }

    #[test]
    fn a_place_among_the_events_of_a_server_is_kept_until_another_is_there() {
        let mut position = Position::default();
        assert_eq!(args(&position)["after"], Value::Null);
        show(&events(7, 12), false, &mut position).unwrap();
        assert_eq!(args(&position)["after"], 12);
        // Its events begin with the first, whatever it has answered to the number of the other.
        show(&events(8, 30), false, &mut position).unwrap();
        assert_eq!(args(&position)["after"], 0);
        show(&events(8, 31), false, &mut position).unwrap();
        assert_eq!(args(&position)["after"], 31);
    }
}
