//! The text of `recent`: a row for each ended job, and for one that failed a second with the reason.

use std::time::SystemTime;

use sockexec::control::history::{Ended, Recent};
use sockexec::control::message::Args;
use sockexec::control::payload::Job;
use sockexec::os::accounts;
use sockexec::os::accounts::names::Names;

use crate::arguments::RecentJobs;
use crate::ask::Failure;
use crate::output::printable;
use crate::table::{self, Align};
use crate::units::{UNKNOWN, bytes, or_unknown, seconds};

/// What stands in front of a reason.
const INDENT: &str = "        ";

/// The arguments of the command. The name of a user becomes a number by the system's databases.
pub fn args(wanted: &RecentJobs) -> Result<Args, Failure> {
    let mut args = Args::new();
    args.insert("limit".into(), wanted.count.into());
    args.insert("failed".into(), wanted.failed.into());
    args.insert("program".into(), wanted.program.clone().into());
    let user = wanted.user.as_deref().map(number).transpose()?;
    args.insert("user".into(), user.into());
    Ok(args)
}

fn number(user: &str) -> Result<String, Failure> {
    if user.parse::<u32>().is_ok() {
        return Ok(user.to_owned());
    }
    match accounts::user(user) {
        Ok(Some(uid)) => Ok(uid.to_string()),
        Ok(None) => Err(Failure::Name(format!(
            "there is no user \"{}\"",
            printable(user)
        ))),
        // The server may know the name.
        Err(_) => Ok(user.to_owned()),
    }
}

/// The whole text.
pub fn text(recent: &Recent, width: Option<usize>) -> Vec<String> {
    let names = Names::read();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0.0, |time| time.as_secs_f64());
    let rows: Vec<_> = recent
        .jobs
        .iter()
        .map(|ended| row(ended, now, &names))
        .collect();
    let headings = [
        ("AGO", Align::Right),
        ("ID", Align::Right),
        ("USER", Align::Left),
        ("RESULT", Align::Left),
        ("TIME", Align::Right),
        ("CPU", Align::Right),
        ("MEMORY", Align::Right),
        ("OUT", Align::Right),
        ("RULE", Align::Left),
        ("ARGUMENTS", Align::Left),
    ];
    let mut table = table::columns(headings, &rows, width).into_iter();
    let mut lines: Vec<String> = table.next().into_iter().collect();
    for (ended, line) in recent.jobs.iter().zip(table) {
        lines.push(line);
        lines.extend(reason(ended).map(|reason| under(&reason, width)));
    }
    lines
}

fn row(ended: &Ended, now: f64, names: &Names) -> [String; 10] {
    let job = &ended.job;
    let cpu = job.cost.map(|cost| cost.user + cost.system);
    let memory = job.cost.and_then(|cost| cost.memory);
    [
        seconds(now - ended.time),
        job.id.to_string(),
        user(job, names),
        result(ended),
        seconds(job.age),
        or_unknown(cpu, seconds),
        or_unknown(memory, bytes),
        bytes(job.out.saturating_add(job.err)),
        job.rule.clone().unwrap_or_else(|| UNKNOWN.into()),
        job.title.clone(),
    ]
}

/// The client's user: its name, if that is known to the server or here.
pub fn user(job: &Job, names: &Names) -> String {
    let uid = job.peer.uid;
    let name = job.user.as_deref().or_else(|| names.of(uid?));
    match (name, uid) {
        (Some(name), _) => name.to_owned(),
        (None, Some(uid)) => uid.to_string(),
        (None, None) => UNKNOWN.into(),
    }
}

/// How a job ended, in a few words.
pub fn result(ended: &Ended) -> String {
    let end = match (ended.exit, &ended.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => signal.clone(),
        (None, None) => String::new(),
    };
    let result = match &ended.outcome[..] {
        "exit-zero" | "exit-nonzero" | "signal" if !end.is_empty() => end,
        outcome => outcome.replace('-', " "),
    };
    match &ended.job.limit {
        Some(limit) => format!("{result} {limit}"),
        None => result,
    }
}

/// Why a job failed, if the server or the program has said that: the fault, or the last line of
/// standard error.
pub fn reason(ended: &Ended) -> Option<String> {
    if !ended.failed {
        return None;
    }
    let mut lines = ended.stderr.lines().map(str::trim_end);
    let last = lines.rfind(|line| !line.is_empty());
    let fault = ended.fault.as_deref();
    fault.or(last).map(str::to_owned)
}

/// A line under the row to which it belongs.
pub fn under(text: &str, width: Option<usize>) -> String {
    table::cut(format!("{INDENT}{}", printable(text)), width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_end_of_the_program_or_the_reason_why_there_is_none() {
        let ended = |outcome: &str, exit, signal: Option<&str>| Ended {
            outcome: outcome.into(),
            exit,
            signal: signal.map(Into::into),
            ..Ended::default()
        };
        for (ended, text) in [
            (ended("exit-zero", Some(0), None), "exit 0"),
            (ended("exit-nonzero", Some(3), None), "exit 3"),
            (ended("signal", None, Some("SIGKILL")), "SIGKILL"),
            (ended("signal", None, None), "signal"),
            (ended("timeout", None, Some("SIGTERM")), "timeout"),
            (ended("not-started", None, None), "not started"),
            (ended("of-tomorrow", None, None), "of tomorrow"),
        ] {
            assert_eq!(result(&ended), text);
        }
        let mut busy = ended("signal", None, Some("SIGXCPU"));
        busy.job.limit = Some("cpu".into());
        assert_eq!(result(&busy), "SIGXCPU cpu");
    }

    #[test]
    fn the_reason_is_the_fault_or_the_last_line() {
        let mut ended = Ended {
            stderr: "first\nlast\n \n".into(),
            ..Ended::default()
        };
        assert_eq!(reason(&ended), None);
        ended.failed = true;
        assert_eq!(reason(&ended).as_deref(), Some("last"));
        ended.fault = Some("refused".into());
        assert_eq!(reason(&ended).as_deref(), Some("refused"));
        let silent = Ended {
            failed: true,
            ..Ended::default()
        };
        assert_eq!(reason(&silent), None);
    }
}
