//! The lines that a daemon writes, taken from a pipe as they come.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// All lines so far, and a way to wait for one.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads `source` to its end in a thread of its own, so that the writer never waits.
    pub fn read(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = lines.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                shared.with(|state| state.lines.push(text));
                line.clear();
            }
            shared.with(|state| state.ended = true);
        });
        lines
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// Waits for a line that `wanted` accepts, also among those that have come already.
    pub fn wait_for(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        self.wait(|lines| lines.iter().find(|l| wanted(l)).cloned())
            .unwrap_or_else(|| panic!("no line: {what}; there are {:#?}", self.all()))
    }

    /// Waits until the lines satisfy `find`, or returns `None` when none more will come.
    pub fn wait<T>(&self, mut find: impl FnMut(&[String]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = find(&state.lines) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left == Duration::ZERO {
                return None;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }
}
