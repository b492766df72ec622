//! The figures of several servers in one text, for Prometheus, also as the answer to an HTTP request.
//!
//! | module | content |
//! |---|---|
//! | `exposition`, `sample` | their figures in one text, each with the label `instance` |
//! | `request`, `response` | HTTP |
//! | `exchange` | standard input and output, on which a client is |
//!
//! A server whose socket systemd holds starts when a client connects. A scrape must not do that, or
//! no server would ever rest: so the control groups show first whether it runs.

mod exchange;
mod exposition;
mod request;
mod response;
mod sample;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sockexec::control::client::Client;
use sockexec::control::message::Args;

use self::exchange::Exchange;
use self::exposition::{Answer, Exposition};
use self::request::Wanted;
use self::response::Response;
use crate::arguments::Arguments;
use crate::ask::Failure;
use crate::instances::{self, Instance};
use crate::output::complain;

/// The maximum size of one server's figures: far more than those of a thousand rules. A tenant's
/// programs could replace their server, and must not fill the memory of this process.
const SIZE_MAX: usize = 4 * 1024 * 1024;

/// The number of servers that are asked at the same time.
const AT_ONCE: usize = 32;

/// The figures of all servers, or of the one that is named, and the failures of those that should have answered.
pub fn of_all(arguments: &Arguments) -> Result<(String, Vec<String>), Failure> {
    let instances = match arguments.given_socket() {
        None => instances::all(),
        Some(socket) => vec![Instance::at(socket)],
    };
    if instances.is_empty() {
        let place = instances::PLACE;
        return Err(Failure::Nothing(format!(
            "no server has a control socket, {place}/sockexec*/control.sock"
        )));
    }
    let mut exposition = Exposition::default();
    let mut failures = Vec::new();
    let answers = ask_all(&instances, arguments.timeout());
    for (instance, answer) in instances.iter().zip(answers) {
        if let Err(why) = exposition.add(&instance.name, &answer) {
            // Most reasons start with the path, which is the name of a server that is no unit.
            let named = why.starts_with(&instance.name);
            failures.push(match named {
                true => why,
                false => format!("{}: {why}", instance.name),
            });
        }
    }
    Ok((exposition.into_string(), failures))
}

/// Answers the HTTP request on standard input.
pub fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let mut exchange = Exchange::new(arguments.timeout());
    let wanted = match exchange.request() {
        // The client has gone, or has only checked whether something listens.
        Ok(None) => return Ok(()),
        Ok(Some(request)) => request::read(&request),
        Err(refusal) => Err(refusal),
    };
    let (response, body) = match wanted {
        Ok(Wanted::Figures { body }) => (figures(arguments), body),
        Err(refusal) => (Response::refusal(&refusal), true),
    };
    exchange.answer(&response.to_bytes(body));
    Ok(())
}

/// The answer to a valid request. A server that does not run, or does not answer, makes it no
/// failure: that would hide the figures of the others.
fn figures(arguments: &Arguments) -> Response {
    match of_all(arguments) {
        Ok((text, failures)) => {
            for failure in failures {
                complain(&failure);
            }
            Response::figures(text)
        }
        Err(failure) => {
            complain(&failure.to_string());
            Response::unavailable(&failure.to_string())
        }
    }
}

/// Asks all, some at the same time: one that hangs holds up no other.
fn ask_all(instances: &[Instance], timeout: Duration) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let answers: Vec<_> = instances.iter().map(|_| OnceLock::new()).collect();
    thread::scope(|scope| {
        for _ in 0..instances.len().min(AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let found = instances.get(index).zip(answers.get(index));
                    let Some((instance, answer)) = found else {
                        return;
                    };
                    let _ = answer.set(ask(instance, timeout));
                }
            });
        }
    });
    let missing = || Answer::Failed("the request was not made".into());
    let answers = answers.into_iter().map(OnceLock::into_inner);
    answers
        .map(|answer| answer.unwrap_or_else(missing))
        .collect()
}

fn ask(instance: &Instance, timeout: Duration) -> Answer {
    if instance.rests {
        return Answer::NotRunning;
    }
    let asked = Client::connect(&instance.socket, timeout)
        .and_then(|client| client.with_answer_max(SIZE_MAX).ask("metrics", Args::new()));
    match asked {
        Ok(text) => Answer::Figures(text),
        Err(error) if error.has_no_server() => Answer::NotRunning,
        Err(error) => Answer::Failed(error.to_string()),
    }
}
