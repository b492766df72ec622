//! What has happened: the answers to `recent`, `events` and `totals`, and the arguments of the first
//! two.
//!
//! As in [`payload`](super::payload), reading takes other versions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::payload::Job;

/// How many jobs `recent` returns if it is not asked for another number.
pub const RECENT: u64 = 100;

/// How long `events` waits if it is not asked for another time.
pub const WAIT: Duration = Duration::from_secs(30);

/// The longest time that `events` may wait, in seconds.
pub const WAIT_MAX: f64 = 3600.0;

/// Which ended jobs `recent` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// At most this number of them.
    pub limit: u64,
    /// Only those that failed.
    pub failed: bool,
    /// Only those of this user: a name or a number.
    pub user: Option<String>,
    /// Only those of this program: its name, or a path.
    pub program: Option<String>,
}

/// Which events `events` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Those behind this number; `None`: those from now on.
    pub after: Option<u64>,
    /// How long the answer may wait for the first of them.
    pub wait: Duration,
}

/// The answer to `recent`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Recent {
    /// Jobs that have ended since the server's start.
    pub ended: u64,
    /// How many of them the server keeps: the setting `recent-jobs`.
    pub kept: u64,
    /// Those that were asked for, the last one first.
    pub jobs: Vec<Ended>,
}

/// A job that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Ended {
    /// Its number among the jobs that have ended, from 1.
    pub seq: u64,
    /// When it ended, in seconds since 1970.
    pub time: f64,
    /// The job; `age` is its duration, and its state `ended`.
    #[serde(flatten)]
    pub job: Job,
    /// Its outcome, by a key of [`Outcomes`](super::payload::Outcomes).
    pub outcome: String,
    /// Whether that is another one than `exit-zero`.
    pub failed: bool,
    /// The program's exit code.
    pub exit: Option<i32>,
    /// The signal that ended the program, by its name.
    pub signal: Option<String>,
    /// The reason why the reply did not end with the program's own exit.
    pub fault: Option<String>,
    /// The end of standard error, escaped as `argv` is.
    pub stderr: String,
}

/// The answer to `events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Events {
    /// The server's process. Another one has events of its own, numbered from 1.
    pub pid: u32,
    /// The number of the last event here, or of the last one before: `after` of the next question.
    pub next: u64,
    /// The number of events that were asked for and are not kept any more.
    pub missed: u64,
    /// The events, the first one first.
    pub events: Vec<Event>,
}

/// The start or the end of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Event {
    /// Its number among the events, from 1.
    pub seq: u64,
    /// When it was, in seconds since 1970.
    pub time: f64,
    /// `start` or `end`.
    pub kind: String,
    /// The job at that moment.
    #[serde(flatten)]
    pub job: Job,
    /// How the job ended: as in [`Ended`], and absent from a start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// See [`Ended::failed`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
    /// See [`Ended::exit`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// See [`Ended::signal`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// See [`Ended::fault`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// See [`Ended::stderr`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
}

impl Event {
    /// The job that has ended, if this is an end. Its number among the ended jobs is not known.
    pub fn ended(&self) -> Option<Ended> {
        Some(Ended {
            seq: 0,
            time: self.time,
            job: self.job.clone(),
            outcome: self.outcome.clone()?,
            failed: self.failed.unwrap_or_default(),
            exit: self.exit,
            signal: self.signal.clone(),
            fault: self.fault.clone(),
            stderr: self.stderr.clone().unwrap_or_default(),
        })
    }
}

/// The answer to `totals`: jobs since the server's start, by program, by user and by rule. Each list
/// begins with the group of the most jobs, and has a last one for all that are not listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Groups {
    /// By the name of the program, as clients gave it.
    pub programs: Vec<Group>,
    /// By the client's user: its name, if that is known, or its number.
    pub users: Vec<Group>,
    /// By the rule that decided.
    pub rules: Vec<Group>,
}

/// The jobs of one program, user or rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Group {
    /// Its name, escaped as `argv` is, and cut. Empty: requests without one.
    pub name: String,
    /// Programs that run now.
    pub running: u64,
    /// Jobs that have ended.
    pub jobs: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// The durations of all of them together.
    pub seconds: f64,
    /// The processor time of all of them together.
    pub cpu: f64,
    /// The largest peak of resident memory.
    pub memory: Option<u64>,
    /// Bytes of standard input written to programs.
    pub bytes_in: u64,
    /// Bytes of output.
    pub bytes_out: u64,
    /// Whether these are all that are not listed, together.
    pub other: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Reads what is written, and writes what was read.
    fn agree<T>(value: Value)
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
    }

    /// These keys and those of a job.
    fn with_job(mut value: Value) -> Value {
        let Value::Object(job) = serde_json::to_value(Job::default()).unwrap() else {
            panic!("a job is an object");
        };
        value.as_object_mut().unwrap().extend(job);
        value
    }

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let ended = with_job(json!({"seq": 7, "time": 1.5, "outcome": "exit-nonzero",
            "failed": true, "exit": 2, "signal": null, "fault": null, "stderr": "no such file"}));
        agree::<Recent>(json!({"ended": 7, "kept": 1000, "jobs": [ended]}));
        let start = with_job(json!({"seq": 1, "time": 1.5, "kind": "start"}));
        let end = with_job(
            json!({"seq": 2, "time": 2.5, "kind": "end", "outcome": "signal",
            "failed": true, "signal": "SIGTERM", "fault": "x", "stderr": ""}),
        );
        agree::<Events>(json!({"pid": 9, "next": 2, "missed": 0, "events": [start, end]}));
        let group = json!({"name": "web", "running": 1, "jobs": 2, "failed": 1, "seconds": 0.5,
            "cpu": 0.25, "memory": 4096, "bytes-in": 1, "bytes-out": 2, "other": false});
        agree::<Groups>(json!({"programs": [group], "users": [], "rules": []}));
    }
}
