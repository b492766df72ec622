//! Any bytes as the JSON of a message to the server: it is understood or refused in few
//! words, and its answer is a message again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockexec::control::command::Command;
use sockexec::control::history::WAIT_MAX;
use sockexec::control::kill::Target;
use sockexec::control::message::{Request, Response, Status};
use sockexec::settings::Key;
use sockexec::settings::value::{Kind, Value};
use sockexec::signal::SIGNAL_MAX;

/// What a client sent stands in a refusal, but not much of it.
const REFUSAL_MAX: usize = 1500;

fn in_range(command: &Command) -> bool {
    match command {
        Command::Kill { target, signal } => {
            let named = match target {
                Target::One(id) => *id > 0,
                Target::These(ids) => !ids.is_empty() && ids.iter().all(|&id| id > 0),
                Target::Matching(_) => true,
            };
            named && (1..=SIGNAL_MAX).contains(signal)
        }
        Command::Recent(wanted) => wanted.limit > 0,
        Command::Events(since) => since.wait.as_secs_f64() <= WAIT_MAX,
        Command::Set(settings) => {
            !settings.is_empty()
                && settings
                    .iter()
                    .all(|(name, value)| is_settable(name, *value))
        }
        _ => true,
    }
}

/// Whether `set` may give the setting of this name this value.
fn is_settable(name: &str, value: Value) -> bool {
    let key = Key::find(name).expect("a setting that there is");
    let in_range = match (key.kind, value) {
        (Kind::Number(least, most) | Kind::Bytes(least, most), Value::Number(number)) => {
            (least..=most).contains(&number)
        }
        (Kind::Seconds(least, most), Value::Seconds(time)) => {
            (least..=most).contains(&time.as_secs_f64())
        }
        (Kind::Rate(most), Value::Rate(rate)) => rate == 0.0 || (0.001..=most).contains(&rate),
        (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Mode, Value::Mode(mode)) => mode <= 0o777,
        (Kind::Words(words), Value::Word(word)) => words.iter().any(|(name, _)| *name == word),
        _ => false,
    };
    key.is.settable.is_some() && in_range
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
