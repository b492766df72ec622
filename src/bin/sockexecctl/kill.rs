//! `kill`: which jobs get a signal, and the result.

use clap::{ArgGroup, Args as Arguments};
use sockexec::control::kill::Signalled;
use sockexec::control::message::Args;
use sockexec::control::question;

use crate::ask::{Failure, read};
use crate::output::{printable, say};
use crate::report;

/// The command line behind `kill`.
#[derive(Clone, Debug, Arguments)]
#[command(group = ArgGroup::new("jobs").required(true).multiple(true).args(["ids", "user", "program", "rule", "all"]))]
pub struct Kill {
    /// The numbers of jobs, as in the table of jobs and in the server's log
    #[arg(value_name = "ID", value_parser = job, conflicts_with_all = ["user", "program", "rule", "all"])]
    ids: Vec<u64>,
    /// All jobs of this client's user, a name or a number
    #[arg(long)]
    user: Option<String>,
    /// All jobs of this program, a name or a path
    #[arg(long)]
    program: Option<String>,
    /// All jobs under this rule, by its name, or by its number if it has none
    #[arg(long)]
    rule: Option<String>,
    /// All jobs
    #[arg(long, conflicts_with_all = ["user", "program", "rule"])]
    all: bool,
    /// The signal, by name or number; also as kill(1) takes it
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "SIGNAL",
        default_value = "TERM"
    )]
    signal: String,
}

impl Kill {
    /// The arguments on the control socket. One job is asked for as servers of every version know it.
    pub fn args(&self) -> Result<Args, Failure> {
        let mut args = Args::new();
        let mut put = |name: &str, value: serde_json::Value| args.insert(name.into(), value);
        match self.ids[..] {
            [] => {}
            [id] => drop(put("id", id.into())),
            _ => drop(put("ids", self.ids.clone().into())),
        }
        if let Some(user) = &self.user {
            // The server may not know the name of a user of a directory service.
            put("user", question::user(user).map_err(Failure::Name)?.into());
        }
        if let Some(program) = &self.program {
            put("program", program.as_str().into());
        }
        if let Some(rule) = &self.rule {
            put("rule", rule.as_str().into());
        }
        if self.all {
            put("all", true.into());
        }
        put("signal", self.signal.as_str().into());
        Ok(args)
    }

    /// Prints the result.
    pub fn report(&self, payload: &str) -> Result<(), Failure> {
        if self.ids.len() == 1 {
            return say(&[report::killed(&read(payload)?)]);
        }
        let answer: Signalled = read(payload)?;
        say(&lines(&answer))?;
        check(&answer)
    }

    /// Whether all that were named have got it, for an answer that is printed as it is.
    pub fn check(&self, answer: &serde_json::Value) -> Result<(), Failure> {
        match self.ids.len() {
            1 => Ok(()),
            _ => check(&read(&answer.to_string())?),
        }
    }
}

fn check(answer: &Signalled) -> Result<(), Failure> {
    match answer.failed.is_empty() {
        true => Ok(()),
        false => {
            let errors = answer.failed.iter().map(|missed| missed.error.clone());
            Err(Failure::Partly(errors.collect()))
        }
    }
}

fn lines(answer: &Signalled) -> Vec<String> {
    let signal = printable(&answer.signal);
    let ids: Vec<_> = answer.jobs.iter().map(|job| job.id.to_string()).collect();
    let jobs = match ids.len() {
        1 => "1 job".into(),
        count => format!("{count} jobs"),
    };
    let mut lines = vec![format!("{signal} sent to {jobs}: {}", ids.join(" "))];
    match answer.waiting {
        0 => {}
        1 => lines.push("1 more job has no program yet, and got none".into()),
        more => lines.push(format!(
            "{more} more jobs have no program yet, and got none"
        )),
    }
    lines
}

/// The number of a job.
fn job(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(id @ 1..) => Ok(id),
        _ => Err(
            "not the number of a job, 1 or more (a signal is given as -9, -KILL or with --signal)"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_result_has_the_number_of_jobs_and_who_got_nothing() {
        let answer = json!({"signal": "SIGKILL", "jobs": [{"id": 3, "pid": 1}, {"id": 9, "pid": 2}],
            "waiting": 1});
        let answer: Signalled = serde_json::from_value(answer).unwrap();
        assert_eq!(
            lines(&answer),
            [
                "SIGKILL sent to 2 jobs: 3 9",
                "1 more job has no program yet, and got none"
            ]
        );
    }
}
