//! Queries the server for the screen, in a thread of its own: at each interval, and at once when
//! another tab needs more.
//!
//! A signal for a job goes its own way, so that it does not wait for an answer to anything else.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::json;
use sockexec::control::client::{Client, Reason};
use sockexec::control::message::Args;
use sockexec::control::payload::Killed;

use super::facts::{More, Update, Wish};
use super::flow::flows;
use super::sample::{Rates, Sample};
use super::usage::Meter;
use crate::arguments::Arguments;
use crate::ask::{self, Failure, read};
use crate::report;

/// How many ended jobs are asked for.
const RECENT_MAX: u64 = 1000;

/// What the thread has found out.
#[derive(Debug)]
pub enum Answer {
    Update(Result<Box<Update>, String>),
    /// To a wish, between two updates.
    More(More),
}

/// The queries.
#[derive(Debug)]
pub struct Asker {
    arguments: Arguments,
    interval: Duration,
    wish: Wish,
    meter: Meter,
    last: Option<Sample>,
}

impl Asker {
    pub fn new(arguments: &Arguments, interval: Duration) -> Self {
        Self {
            arguments: arguments.clone(),
            interval,
            wish: Wish::Nothing,
            meter: Meter::new(),
            last: None,
        }
    }

    /// Queries the server until nobody listens any more.
    pub fn run(mut self, wishes: &Receiver<Wish>, put: impl Fn(Answer)) {
        // The first update has been made before.
        let mut due = Instant::now() + self.interval;
        loop {
            match wishes.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(wish) => {
                    // Of several wishes the last one counts.
                    self.wish = wishes.try_iter().last().unwrap_or(wish);
                    let more =
                        ask::connect(&self.arguments).and_then(|mut client| self.more(&mut client));
                    // A failure is reported by the next update.
                    if let Ok(more) = more {
                        put(Answer::More(more));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    // After a slow answer the next query is not due at once.
                    due = Instant::now() + self.interval;
                    let update = self.update().map(Box::new);
                    put(Answer::Update(
                        update.map_err(|failure| failure.to_string()),
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One update.
    pub fn update(&mut self) -> Result<Update, Failure> {
        let mut client = ask::connect(&self.arguments)?;
        let sample = Sample::take_from(&mut client)?;
        let usages = self.meter.read(sample.status.pid, &sample.jobs);
        let last = self.last.as_ref();
        let rates = last.and_then(|last| Rates::between(last, &sample));
        let flows = flows(last, &sample);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.last = Some(sample.clone());
        Ok(Update {
            sample,
            rates,
            flows,
            usages,
            more: self.more(&mut client)?,
            time: now.unwrap_or_default().as_secs_f64(),
        })
    }

    /// What is wished for besides.
    fn more(&self, client: &mut Client) -> Result<More, Failure> {
        let mut args = Args::new();
        match self.wish {
            Wish::Nothing => Ok(More::Nothing),
            Wish::Recent => {
                args.insert("limit".into(), json!(RECENT_MAX));
                self.answer(client, "recent", args, More::Recent)
            }
            Wish::Totals => self.answer(client, "totals", args, More::Totals),
        }
    }

    fn answer<T: DeserializeOwned>(
        &self,
        client: &mut Client,
        name: &str,
        args: Args,
        make: fn(T) -> More,
    ) -> Result<More, Failure> {
        match client.ask(name, args) {
            Ok(payload) => read(&payload).map(make),
            Err(error) => match error.reason() {
                Reason::Failure(why) => Ok(More::Refused(self.wish, why.clone())),
                _ => Err(error.into()),
            },
        }
    }
}

/// Sends a signal to a job. Returns what has happened.
pub fn kill(arguments: &Arguments, id: u64, signal: &str) -> Result<String, Failure> {
    let mut args = Args::new();
    args.insert("id".into(), id.into());
    args.insert("signal".into(), signal.into());
    let payload = ask::connect(arguments)?.ask("kill", args)?;
    let killed: Killed = read(&payload)?;
    Ok(report::killed(&killed))
}
