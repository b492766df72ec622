//! `status --all`: a line about each server of this machine.
//!
//! A server whose socket systemd holds starts when a client connects. The control groups show whether
//! it runs, so one that rests is not touched.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sockexec::control::client::Client;
use sockexec::control::message::Args;
use sockexec::control::payload::Status;

use crate::arguments::Arguments;
use crate::ask::{Failure, read};
use crate::instances::{self, Instance};
use crate::output::{self, say};
use crate::table::{self, Align};
use crate::units::{UNKNOWN, bytes, or_unknown, seconds};

/// The number of servers that are asked at the same time.
const AT_ONCE: usize = 32;

/// The maximum size of one server's status. A tenant's programs could replace their server, and must
/// not fill the memory of this process.
const SIZE_MAX: usize = 1024 * 1024;

/// What is known of a server.
enum Known {
    /// Its status, as it has sent it.
    Runs(Box<Status>, Value),
    /// It does not run, and the next client starts it.
    Rests,
    /// Why it does not answer.
    Silent(String),
}

/// Prints a line about each. A server that rests is no failure.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let instances = instances::all();
    if instances.is_empty() {
        let place = instances::PLACE;
        return Err(Failure::Nothing(format!(
            "no server has a control socket, {place}/sockexec*/control.sock"
        )));
    }
    let mut all = Vec::new();
    for some in instances.chunks(AT_ONCE) {
        all.extend(some.iter().zip(ask_all(some, arguments.timeout())));
    }
    match arguments.json {
        true => {
            let list = all.iter().map(|(instance, known)| entry(instance, known));
            say(&[output::json(&list.collect())])?;
        }
        false => say(&text(&all, output::width()))?,
    }
    let silent = all.iter().filter_map(|(instance, known)| match known {
        Known::Silent(why) => Some(format!("{}: {why}", instance.name)),
        Known::Runs(..) | Known::Rests => None,
    });
    let silent: Vec<_> = silent.collect();
    match silent.is_empty() {
        true => Ok(()),
        false => Err(Failure::Nothing(silent.join("; "))),
    }
}

fn ask_all(instances: &[Instance], timeout: Duration) -> Vec<Known> {
    thread::scope(|scope| {
        let asked: Vec<_> = instances
            .iter()
            .map(|instance| scope.spawn(move || ask(instance, timeout)))
            .collect();
        let failed = |_| Known::Silent("the request failed".into());
        asked
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(failed))
            .collect()
    })
}

fn ask(instance: &Instance, timeout: Duration) -> Known {
    if instance.rests {
        return Known::Rests;
    }
    let asked = Client::connect(&instance.socket, timeout)
        .and_then(|client| client.with_answer_max(SIZE_MAX).ask("status", Args::new()));
    let payload = match asked {
        Ok(payload) => payload,
        Err(error) => return Known::Silent(error.to_string()),
    };
    match (read(&payload), read(&payload)) {
        (Ok(status), Ok(value)) => Known::Runs(status, value),
        (Err(failure), _) | (_, Err(failure)) => Known::Silent(failure.to_string()),
    }
}

fn entry(instance: &Instance, known: &Known) -> Value {
    let (status, error) = match known {
        Known::Runs(_, value) => (value.clone(), None),
        Known::Rests => (Value::Null, None),
        Known::Silent(why) => (Value::Null, Some(why)),
    };
    json!({
        "instance": instance.name,
        "socket": instance.socket.display().to_string(),
        "rests": matches!(known, Known::Rests),
        "status": status,
        "error": error,
    })
}

fn text(all: &[(&Instance, Known)], width: Option<usize>) -> Vec<String> {
    use Align::{Left, Right};
    let headings = [
        ("INSTANCE", Left),
        ("STATE", Left),
        ("UP", Right),
        ("PROGRAMS", Right),
        ("WAITING", Right),
        ("ENDED", Right),
        ("FAILED", Right),
        ("IN", Right),
        ("OUT", Right),
        ("MEMORY", Right),
        ("", Left),
    ];
    let row = |(instance, known): &(&Instance, Known)| {
        let mut cells = [const { String::new() }; 11].map(|_| UNKNOWN.to_owned());
        cells[0].clone_from(&instance.name);
        cells[10].clear();
        match known {
            Known::Runs(status, _) => fill(&mut cells, status),
            Known::Rests => {
                "rests".clone_into(&mut cells[1]);
                "the next client starts it".clone_into(&mut cells[10]);
            }
            Known::Silent(why) => {
                "silent".clone_into(&mut cells[1]);
                cells[10].clone_from(why);
            }
        }
        cells
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table::columns(headings, &rows, width)
}

fn fill(cells: &mut [String; 11], status: &Status) {
    let ended = status.outcomes.total();
    cells[1].clone_from(&status.state);
    cells[2] = seconds(status.uptime);
    cells[3] = status.programs.to_string();
    // Whatever they wait for.
    let waiting = [status.parked, status.waiting, status.throttled];
    cells[4] = waiting.iter().sum::<u64>().to_string();
    cells[5] = ended.to_string();
    cells[6] = ended.saturating_sub(status.outcomes.exit_zero).to_string();
    cells[7] = bytes(status.totals.bytes_in);
    cells[8] = bytes(status.totals.bytes_out);
    cells[9] = or_unknown(status.memory, bytes);
}
