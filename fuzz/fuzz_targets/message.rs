//! Any bytes as the JSON of a message to the server: it is understood or refused in few
//! words, and its answer is a message again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockexec::control::command::{Command, Settings};
use sockexec::control::form::{CONNECTIONS_MAX, SECONDS_MAX};
use sockexec::control::message::{Request, Response, Status};
use sockexec::signal::SIGNAL_MAX;

/// What a client sent stands in a refusal, but not much of it.
const REFUSAL_MAX: usize = 1500;

fn in_range(command: &Command) -> bool {
    match command {
        Command::Kill { id, signal } => *id > 0 && (1..=SIGNAL_MAX).contains(signal),
        Command::Set(settings) => {
            let seconds = [settings.timeout, settings.kill_timeout];
            *settings != Settings::default()
                && settings
                    .max_connections
                    .is_none_or(|n| (1..=CONNECTIONS_MAX).contains(&n))
                && seconds
                    .iter()
                    .flatten()
                    .all(|time| time.as_secs_f64() <= f64::from(SECONDS_MAX))
        }
        _ => true,
    }
}

fuzz_target!(|data: &[u8]| {
    let request = match Request::read(data) {
        Ok(request) => request,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let response = match Command::read(&request) {
        Ok(command) => {
            assert!(in_range(&command), "{command:?}");
            Response::success("done")
        }
        Err(refusal) => {
            assert!(refusal.len() < REFUSAL_MAX, "{refusal}");
            assert!(!refusal.contains(char::is_control), "{refusal:?}");
            Response::failure(refusal)
        }
    };
    let done = response.status == Status::Success;
    let answer = request.answered(response);
    let read = Request::read(&answer.to_json()).expect("an answer");
    assert_eq!(read, answer);
    assert_eq!(
        read.response.map(|r| r.status == Status::Success),
        Some(done)
    );
});
