//! A sample of a server's state, and the rates between two samples.

use serde_json::{Value, json};
use sockexec::control::client::Client;
use sockexec::control::message::Args;
use sockexec::control::payload::{Job, Status};

use crate::arguments::Arguments;
use crate::ask::{self, Failure, read};

/// An update: the sample, and the rates if there is an earlier sample.
pub type Look = (Sample, Option<Rates>);

/// The server's answers at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    pub status: Status,
    /// The oldest first.
    pub jobs: Vec<Job>,
    /// The server's JSON, which may have more keys than are known here.
    said: (Value, Value),
}

/// Events per second between two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Jobs that ended.
    pub jobs: f64,
    /// Bytes of standard input.
    pub bytes_in: f64,
    /// Bytes of output.
    pub bytes_out: f64,
}

impl Sample {
    /// Queries the server.
    pub fn take(arguments: &Arguments) -> Result<Self, Failure> {
        Self::take_from(&mut ask::connect(arguments)?)
    }

    /// Queries the server on a connection.
    pub fn take_from(client: &mut Client) -> Result<Self, Failure> {
        let status: Value = read(&client.ask("status", Args::new())?)?;
        let jobs: Value = read(&client.ask("jobs", Args::new())?)?;
        Self::new(status, jobs).map_err(Failure::Payload)
    }

    /// A sample of these answers.
    pub fn new(status: Value, jobs: Value) -> Result<Self, serde_json::Error> {
        let mut sample = Self {
            status: serde_json::from_value(status.clone())?,
            jobs: serde_json::from_value(jobs.clone())?,
            said: (status, jobs),
        };
        sample.jobs.sort_by(|a, b| b.age.total_cmp(&a.age));
        Ok(sample)
    }

    /// One object with all of it.
    pub fn to_json(&self, rates: Option<Rates>) -> Value {
        let rates = rates.map(|rates| {
            json!({"jobs": rates.jobs, "bytes-in": rates.bytes_in, "bytes-out": rates.bytes_out})
        });
        json!({"status": self.said.0, "jobs": self.said.1, "rates": rates})
    }
}

impl Rates {
    /// The rates between two samples by the server's own clock; `None` if the server is another
    /// one than before.
    pub fn between(before: &Sample, after: &Sample) -> Option<Self> {
        let (before, after) = (&before.status, &after.status);
        let elapsed = after.uptime - before.uptime;
        if before.pid != after.pid || elapsed <= 0.0 {
            return None;
        }
        let rate = |before: u64, after: u64| Some(after.checked_sub(before)? as f64 / elapsed);
        Some(Self {
            jobs: rate(before.outcomes.total(), after.outcomes.total())?,
            bytes_in: rate(before.totals.bytes_in, after.totals.bytes_in)?,
            bytes_out: rate(before.totals.bytes_out, after.totals.bytes_out)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pid: u32, uptime: f64, ended: u64, bytes: u64) -> Sample {
        let status = json!({"pid": pid, "uptime": uptime, "new": 1,
            "outcomes": {"exit-zero": ended, "signal": 1},
            "totals": {"bytes-in": bytes, "bytes-out": 2 * bytes}});
        Sample::new(
            status,
            json!([{"id": 2, "age": 1.0}, {"id": 1, "age": 2.0}]),
        )
        .unwrap()
    }

    #[test]
    fn rates_are_differences_by_the_servers_clock() {
        let before = sample(1, 10.0, 100, 1000);
        let rates = Rates::between(&before, &sample(1, 12.0, 105, 3000)).unwrap();
        assert_eq!(
            (rates.jobs, rates.bytes_in, rates.bytes_out),
            (2.5, 1000.0, 2000.0)
        );
        assert_eq!(Rates::between(&before, &sample(2, 12.0, 105, 3000)), None);
        assert_eq!(Rates::between(&before, &sample(1, 9.0, 105, 3000)), None);
        assert_eq!(Rates::between(&before, &sample(1, 10.0, 105, 3000)), None);
        assert_eq!(Rates::between(&before, &sample(1, 12.0, 99, 3000)), None);
    }

    #[test]
    fn json_has_all_that_the_server_said() {
        let sample = sample(1, 10.0, 100, 1000);
        assert_eq!(sample.jobs[0].id, 1);
        let value = sample.to_json(None);
        assert_eq!(
            (&value["status"]["new"], &value["rates"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(value["jobs"][0]["id"], json!(2));
    }
}
