//! The structured answers: written by the server, read by tools.
//!
//! Times are seconds with a fraction, sizes are bytes, and `None` is an unknown value. Reading
//! ignores unknown keys, and uses zero or nothing for absent ones, so that a tool and a server of
//! different versions work together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::settings::value::Value as Setting;
use crate::settings::{KEYS, Settings};

/// The answer to `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The server's process.
    pub pid: u32,
    /// Since the server's start.
    pub uptime: f64,
    /// `serving`; `draining` after that command; `finishing` during a shutdown.
    pub state: String,
    /// The limits in effect.
    pub limits: Limits,
    /// Connections that count against `max-connections`.
    pub active: u64,
    /// Connections over quota: their user has its full share.
    pub parked: u64,
    /// Requests over the rate of their user.
    pub throttled: u64,
    /// Requests that wait for a program's place, or for other jobs under the same rule.
    pub waiting: u64,
    /// Running programs.
    pub programs: u64,
    /// Connections whose reply is complete and whose client has not closed yet.
    pub lingering: u64,
    /// Jobs that are over and have left processes that live on.
    pub detached: u64,
    /// Connections of the control socket.
    pub control: u64,
    /// Connections in the listen queues of all listeners.
    pub queued: Option<u64>,
    /// The listening sockets.
    pub listeners: Vec<Listener>,
    /// Since the server's start.
    pub totals: Totals,
    /// Jobs since the server's start, by outcome.
    pub outcomes: Outcomes,
    /// Programs that could not be started, by the name of the reason, such as `ENOENT`.
    pub spawn_failures: BTreeMap<String, u64>,
    /// Bytes of requests whose programs are not started, without the first 4096 of each.
    pub request_bytes: u64,
    /// Bytes in temporary files.
    pub spool_bytes: u64,
    /// The server's resident memory.
    pub memory: Option<u64>,
    /// The server's descriptors.
    pub descriptors: Descriptors,
    /// Of jobs, from acceptance to their end.
    pub duration: Percentiles,
    /// Of jobs, from acceptance to the first byte of output.
    pub first_byte: Percentiles,
    /// Of turns of the server's loop. A connection waits for this time while others are served.
    pub turn: Percentiles,
}

/// The limits in effect; the answer to `set`, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Limits {
    /// Programs that run at once: that follows from the connections and the descriptors.
    pub programs: u64,
    /// Settings, by their names: numbers, also for seconds, and words.
    #[serde(flatten)]
    pub settings: BTreeMap<String, Value>,
}

impl Limits {
    /// The limits of these settings, those that are shown.
    pub fn new(settings: &Settings, programs: u64) -> Self {
        let shown = KEYS.iter().filter(|key| key.is.shown);
        Self {
            programs,
            settings: shown
                .map(|key| (key.name.into(), value(key.get(settings))))
                .collect(),
        }
    }
}

/// The value of a setting in JSON.
pub fn value(setting: Setting) -> Value {
    match setting {
        Setting::Number(number) => number.into(),
        Setting::Seconds(time) => time.as_secs_f64().into(),
        Setting::Rate(rate) => rate.into(),
        Setting::Bool(is) => is.into(),
        mode @ Setting::Mode(_) => mode.to_string().into(),
        Setting::Word(word) => word.into(),
    }
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Listener {
    /// `exec`, `sockproc` or `control`.
    pub protocol: String,
    /// A path, or an address and a port.
    pub address: String,
    /// Connections in the listen queue.
    pub queued: Option<u64>,
}

/// Sums since the server's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Totals {
    /// Accepted connections, without those of the control socket.
    pub accepted: u64,
    /// Bytes of standard input written to programs.
    pub bytes_in: u64,
    /// Bytes of output.
    pub bytes_out: u64,
    /// Commands on the control socket.
    pub commands: u64,
    /// Lost log lines.
    pub log_lines_lost: u64,
    /// Requests that had to wait because of the rate of their user.
    pub throttled: u64,
}

/// Jobs by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Outcomes {
    /// The program exited with 0.
    pub exit_zero: u64,
    /// The program exited with another code.
    pub exit_nonzero: u64,
    /// A signal ended the program.
    pub signal: u64,
    /// The deadline passed.
    pub timeout: u64,
    /// The client disconnected.
    pub disconnected: u64,
    /// The request was malformed.
    pub malformed: u64,
    /// The rules refused the request.
    pub refused: u64,
    /// The program could not be started.
    pub not_started: u64,
}

impl Outcomes {
    /// Each outcome by its name.
    pub fn each(&self) -> [(&'static str, u64); 8] {
        [
            ("exit-zero", self.exit_zero),
            ("exit-nonzero", self.exit_nonzero),
            ("signal", self.signal),
            ("timeout", self.timeout),
            ("disconnected", self.disconnected),
            ("malformed", self.malformed),
            ("refused", self.refused),
            ("not-started", self.not_started),
        ]
    }

    /// All jobs that have ended.
    pub fn total(&self) -> u64 {
        let each = self.each().map(|(_, count)| count);
        each.into_iter().fold(0, u64::saturating_add)
    }
}

/// Descriptors of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Descriptors {
    /// The number of open ones.
    pub open: Option<u64>,
    /// Their limit.
    pub limit: u64,
}

/// The distribution of a duration in the last minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Percentiles {
    /// The length of the window.
    pub window: f64,
    /// The number of durations.
    pub count: u64,
    /// The 50th percentile.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// One job in the answer to `jobs`, which is a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Job {
    /// The job's number, as in `kill` and the log.
    pub id: u64,
    /// `exec` or `sockproc`.
    pub protocol: String,
    /// Its client.
    pub peer: Peer,
    /// The name of its user, if it is known.
    pub user: Option<String>,
    /// The user as which the program runs, where it is not the server's.
    #[serde(rename = "as")]
    pub run_as: Option<String>,
    /// The program's process, once it exists.
    pub pid: Option<u32>,
    /// The name of the rule that allows the program, or its number.
    pub rule: Option<String>,
    /// The arguments, escaped as sockexec-protocol(7) describes, and cut.
    pub argv: Vec<String>,
    /// Whether `argv` is incomplete.
    pub argv_cut: bool,
    /// The arguments as one line, as in the log.
    pub title: String,
    /// Since the connection was accepted.
    pub age: f64,
    /// The time to the deadline.
    pub deadline: Option<f64>,
    /// Bytes of standard input written to the program.
    #[serde(rename = "in")]
    pub input: u64,
    /// Bytes of standard output.
    pub out: u64,
    /// Bytes of standard error.
    pub err: u64,
    /// What the program cost, once it has ended.
    pub cost: Option<Cost>,
    /// The limit that has ended it, by its name in the configuration.
    pub limit: Option<String>,
    /// How many processes of a detached job live on.
    pub processes: Option<u64>,
    /// `request`, `parked`, `waiting`, `starting`, `running`, `draining`, `stopping` or
    /// `replying`.
    pub state: String,
}

/// What a program cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Cost {
    /// Seconds of processor time in the program and the processes it waited for.
    pub user: f64,
    /// Seconds in the kernel on their behalf.
    pub system: f64,
    /// The peak of resident memory of the largest of these processes, in bytes, if it is known.
    pub memory: Option<u64>,
}

/// The peer of a connection: credentials on a UNIX socket, an address on TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Peer {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The user's group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The process that connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The answer to `kill`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Killed {
    /// The program's process, whose group got the signal.
    pub pid: u32,
    /// The signal's name.
    pub signal: String,
}

/// The answer to `reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Reloaded {
    /// The configuration file, if there is one.
    pub file: Option<String>,
    /// The keys that have another value now.
    pub changed: Vec<String>,
    /// The keys whose new value takes effect at the next start.
    pub at_next_start: Vec<String>,
}

/// The answer to `drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Draining {
    /// The number of connections to finish.
    pub active: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Reads what is written, and writes what was read.
    fn agree<T>(value: Value)
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), value);
    }

    #[test]
    fn what_set_may_change_is_among_the_limits() {
        let limits = Limits::new(&Settings::default(), 1);
        for key in KEYS.iter().filter(|key| key.is.settable.is_some()) {
            assert!(limits.settings.contains_key(key.name), "{}", key.name);
        }
    }

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let percentiles = json!({"window": 300.0, "count": 2, "p50": 0.001, "p90": 0.002,
            "p99": null, "max": null});
        let limits = json!({"max-connections": 100, "programs": 100, "timeout": 60.0,
            "request-timeout": 10.0, "kill-timeout": 10.0, "stop-grace": 0.0, "user-share": 100,
            "requests-memory": 1, "spool-total": 2, "log-level": "info"});
        agree::<Limits>(limits.clone());
        agree::<Status>(json!({"version": "4.0.0", "pid": 123, "uptime": 12.345,
            "state": "serving", "limits": limits,
            "active": 3, "parked": 0, "throttled": 2, "waiting": 1, "programs": 3, "lingering": 1, "detached": 2,
            "control": 1,
            "queued": null,
            "listeners": [{"protocol": "exec", "address": "/run/sockexec/exec.sock", "queued": 0}],
            "totals": {"accepted": 9, "bytes-in": 8, "bytes-out": 7, "commands": 6,
                "log-lines-lost": 5, "throttled": 4},
            "outcomes": {"exit-zero": 1, "exit-nonzero": 2, "signal": 3, "timeout": 4,
                "disconnected": 5, "malformed": 6, "refused": 7, "not-started": 8},
            "spawn-failures": {"ENOENT": 3}, "request-bytes": 1, "spool-bytes": 2,
            "memory": 4096,
            "descriptors": {"open": null, "limit": 1024},
            "duration": percentiles, "first-byte": percentiles, "turn": percentiles}));
        agree::<Vec<Job>>(json!([
            {"id": 12, "protocol": "exec", "peer": {"uid": 33, "gid": 33, "pid": 123},
                "user": "www-data", "as": "report",
                "pid": 4567, "rule": "web", "argv": ["sleep", "1"], "argv-cut": false,
                "title": "sleep 1", "age": 1.25, "deadline": 58.75, "in": 1, "out": 2,
                "err": 3, "cost": {"user": 0.5, "system": 0.25, "memory": 4096}, "limit": "cpu",
                "processes": 2,
                "state": "draining"},
            {"id": 13, "protocol": "sockproc", "peer": {"address": "127.0.0.1:40000"},
                "user": null, "as": null,
                "pid": null, "rule": null, "argv": [], "argv-cut": false, "title": "", "age": 0.5,
                "deadline": null, "in": 0, "out": 0,
                "err": 0, "cost": null, "limit": null, "processes": null, "state": "request"},
        ]));
        agree::<Killed>(json!({"pid": 4567, "signal": "SIGTERM"}));
        agree::<Reloaded>(json!({"file": null, "changed": ["timeout"],
            "at-next-start": ["queue"]}));
        agree::<Draining>(json!({"active": 3}));
    }

    #[test]
    fn other_versions_are_understood() {
        let status: Status =
            serde_json::from_str(r#"{"pid": 1, "new": [{}], "totals": {}}"#).unwrap();
        assert_eq!((status.pid, status.queued), (1, None));
        let jobs: Vec<Job> = serde_json::from_str(r#"[{"id": 1, "peer": {}, "new": 1}]"#).unwrap();
        assert_eq!((jobs[0].id, jobs[0].peer.clone()), (1, Peer::default()));
    }

    #[test]
    fn outcomes_have_the_names_of_their_keys() {
        let outcomes = Outcomes {
            timeout: 4,
            signal: u64::MAX,
            ..Outcomes::default()
        };
        let written = serde_json::to_value(&outcomes).unwrap();
        assert_eq!(written.as_object().unwrap().len(), outcomes.each().len());
        for (name, count) in outcomes.each() {
            assert_eq!(written[name], json!(count));
        }
        assert_eq!(outcomes.total(), u64::MAX);
    }
}
