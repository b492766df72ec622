//! The text of the answers: rows of labels and figures, and the table of jobs.

use serde_json::Value;
use sockexec::control::payload::{Draining, Job, Killed, Limits, Percentiles, Reloaded, Status};
use sockexec::settings::value::Kind;
use sockexec::settings::{KEYS, Key};

use crate::table::{self, Align, Row};
use crate::units::{UNKNOWN, bytes, or_unknown, seconds};

/// The whole text of `status`.
pub fn status(status: &Status, width: Option<usize>) -> Vec<String> {
    let mut rows = vec![
        server(status),
        connections(status),
        resources(status),
        limits(&status.limits),
        ended(status),
        totals(status),
        percentiles("duration", &status.duration),
        percentiles("first byte", &status.first_byte),
        percentiles("loop turn", &status.turn),
    ];
    if !status.spawn_failures.is_empty() {
        let each = status.spawn_failures.iter();
        rows.push(Row {
            label: "not started",
            items: each
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect(),
        });
    }
    let mut label = "listening";
    for listener in &status.listeners {
        let queued = or_unknown(listener.queued, |count| count.to_string());
        rows.push(Row {
            label,
            items: vec![format!(
                "{} {}, queued {queued}",
                listener.protocol, listener.address
            )],
        });
        label = "";
    }
    table::wrap(&rows, width)
}

/// The server's identity.
pub fn server(status: &Status) -> Row {
    Row {
        label: "sockexec",
        items: vec![
            status.version.clone(),
            format!("process {}", status.pid),
            status.state.clone(),
            format!("up {}", seconds(status.uptime)),
        ],
    }
}

/// The connections.
pub fn connections(status: &Status) -> Row {
    let queued = or_unknown(status.queued, |count| count.to_string());
    let most = status.limits.settings.get("max-connections");
    let most = most.map_or_else(|| UNKNOWN.into(), plain);
    Row {
        label: "connections",
        items: vec![
            format!("active {} of {most}", status.active),
            format!("queued {queued}"),
            format!("waiting {}", status.waiting),
            format!("parked {}", status.parked),
            format!("throttled {}", status.throttled),
            format!("lingering {}", status.lingering),
            format!("detached {}", status.detached),
        ],
    }
}

/// The resources in use.
pub fn resources(status: &Status) -> Row {
    let open = or_unknown(status.descriptors.open, |count| count.to_string());
    Row {
        label: "resources",
        items: vec![
            format!("programs {} of {}", status.programs, status.limits.programs),
            format!("memory {}", or_unknown(status.memory, bytes)),
            format!("requests {}", bytes(status.request_bytes)),
            format!("spools {}", bytes(status.spool_bytes)),
            format!("descriptors {open} of {}", status.descriptors.limit),
            format!("control {}", status.control),
        ],
    }
}

/// The limits in effect: settings in the order of their table, then those of another version.
pub fn limits(limits: &Limits) -> Row {
    let known = KEYS.iter().filter_map(|key| {
        let value = limits.settings.get(key.name)?;
        Some((key.name, shown(key, value)))
    });
    let unknown = limits.settings.iter();
    let unknown = unknown.filter(|(name, _)| Key::find(name).is_none());
    let unknown = unknown.map(|(name, value)| (&name[..], plain(value)));
    let mut all: Vec<_> = known.chain(unknown).collect();
    // They follow from the first.
    let after = all.len().min(1);
    all.insert(after, ("programs", limits.programs.to_string()));
    Row {
        label: "limits",
        items: all
            .into_iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect(),
    }
}

/// The value of a setting, with its unit.
pub fn shown(key: &Key, value: &Value) -> String {
    match (key.kind, value.as_f64(), value.as_u64()) {
        (Kind::Seconds(..), Some(0.0), _) if key.name == "timeout" => "none".into(),
        (Kind::Seconds(..), Some(time), _) => seconds(time),
        (Kind::Bytes(..), _, Some(count)) => bytes(count),
        (Kind::Rate(_), Some(rate), _) => rate.to_string(),
        _ => plain(value),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Jobs by outcome.
pub fn ended(status: &Status) -> Row {
    let mut items = vec![format!("all {}", status.outcomes.total())];
    let each = status.outcomes.each();
    items.extend(each.map(|(name, count)| format!("{name} {count}")));
    Row {
        label: "jobs ended",
        items,
    }
}

fn totals(status: &Status) -> Row {
    let totals = &status.totals;
    Row {
        label: "totals",
        items: vec![
            format!("accepted {}", totals.accepted),
            format!("in {}", bytes(totals.bytes_in)),
            format!("out {}", bytes(totals.bytes_out)),
            format!("commands {}", totals.commands),
            format!("throttled {}", totals.throttled),
            format!("log-lines-lost {}", totals.log_lines_lost),
        ],
    }
}

/// The percentiles of a duration.
pub fn percentiles(label: &'static str, times: &Percentiles) -> Row {
    let time = |name, time| format!("{name} {}", or_unknown(time, seconds));
    Row {
        label,
        items: vec![
            time("p50", times.p50),
            time("p90", times.p90),
            time("p99", times.p99),
            time("max", times.max),
            format!("{} in {}", times.count, seconds(times.window)),
        ],
    }
}

/// The table of jobs. The arguments come last, and are cut at the width.
pub fn jobs(jobs: &[Job], width: Option<usize>) -> Vec<String> {
    use Align::{Left, Right};
    let headings = [
        ("ID", Right),
        ("PROTO", Left),
        ("USER/PID", Left),
        ("PROGRAM", Right),
        ("STATE", Left),
        ("AGE", Right),
        ("LEFT", Right),
        ("IN", Right),
        ("OUT", Right),
        ("RULE", Left),
        ("ARGUMENTS", Left),
    ];
    let row = |job: &Job| {
        [
            job.id.to_string(),
            job.protocol.clone(),
            peer(job),
            or_unknown(job.pid, |pid| pid.to_string()),
            job.state.clone(),
            seconds(job.age),
            or_unknown(job.deadline, seconds),
            bytes(job.input),
            bytes(job.out.saturating_add(job.err)),
            job.rule.clone().unwrap_or_else(|| UNKNOWN.into()),
            job.title.clone(),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    table::columns(headings, &rows, width)
}

fn peer(job: &Job) -> String {
    let peer = &job.peer;
    let user = job.user.clone();
    let user = user.or_else(|| peer.uid.map(|uid| uid.to_string()));
    match (user, peer.pid, &peer.address) {
        (Some(user), Some(pid), _) => format!("{user}/{pid}"),
        (Some(user), None, Some(address)) => format!("{user}/{address}"),
        (Some(user), None, None) => user,
        (None, _, Some(address)) => address.clone(),
        (None, Some(pid), None) => format!("{UNKNOWN}/{pid}"),
        (None, None, None) => UNKNOWN.into(),
    }
}

/// The result of `kill`.
pub fn killed(killed: &Killed) -> String {
    let signal = crate::output::printable(&killed.signal);
    format!("{signal} sent to the process group of {}", killed.pid)
}

/// The result of `drain`.
pub fn draining(draining: &Draining) -> String {
    format!("draining, {} to finish", draining.active)
}

/// The result of `undrain`.
pub fn undrained(draining: &Draining) -> String {
    format!("accepting again, {} active", draining.active)
}

/// The result of `reload`.
pub fn reloaded(reloaded: &Reloaded) -> Vec<Row> {
    let list = |keys: &[String]| match keys {
        [] => vec!["nothing".into()],
        keys => keys.to_vec(),
    };
    let mut rows = vec![
        Row {
            label: "file",
            items: vec![reloaded.file.clone().unwrap_or_else(|| "none".into())],
        },
        Row {
            label: "changed",
            items: list(&reloaded.changed),
        },
    ];
    if !reloaded.at_next_start.is_empty() {
        rows.push(Row {
            label: "at next start",
            items: list(&reloaded.at_next_start),
        });
    }
    rows
}
