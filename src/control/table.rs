//! The commands of the control socket and their arguments: one table, from which `help` is made and
//! by which [`Command::read`](super::command::Command::read) checks.

use serde::Serialize;

use super::form::Form;
use crate::settings::KEYS;

/// A command, as in `help`.
#[derive(Debug, Serialize)]
pub struct Description {
    /// The name, in lower case.
    #[serde(rename = "command")]
    pub name: &'static str,
    /// Its effect.
    pub meaning: &'static str,
    /// Its arguments.
    pub arguments: Vec<Argument>,
}

/// An argument, as in `help`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Argument {
    /// The key in `args`.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// Whether the command needs it.
    pub required: bool,
    /// Its meaning.
    pub meaning: &'static str,
}

/// All commands. The arguments of `set` are the settings that it may change.
pub fn commands() -> Vec<Description> {
    let settings = KEYS.iter().filter_map(|key| {
        let meaning = key.is.settable?;
        Some(optional(key.name, Form::Setting(key), meaning))
    });
    let program = Argument {
        name: "program",
        form: Form::Text,
        required: true,
        meaning: "the program, as a client names it",
    };
    let question = vec![
        optional("user", Form::Account, "the client's user, if it is known"),
        optional("groups", Form::Accounts, "all groups of the client"),
        optional("label", Form::Text, "the client's security label"),
        program,
        optional("arguments", Form::Texts, "the arguments after the program"),
    ];
    vec![
        plain("ping", "answers pong"),
        plain("version", "the server's version"),
        plain("help", "the commands and their arguments"),
        plain("status", "state, limits, totals and percentiles"),
        plain("jobs", "the current jobs"),
        Description {
            name: "kill",
            meaning: "sends a signal to the process group of a job, or of each of several",
            arguments: targets(),
        },
        Description {
            name: "set",
            meaning: "changes limits for new jobs, until a reload or the next start",
            arguments: settings.collect(),
        },
        plain("reload", "reads the configuration file again"),
        plain("drain", "stops accepting, finishes running jobs, exits"),
        plain(
            "undrain",
            "accepts again, after a drain, while a job still runs",
        ),
        plain(
            "config",
            "the configuration in effect, and where each value came from",
        ),
        plain("rules", "the rules in force, in order"),
        Description {
            name: "explain",
            meaning: "which rule decides about a request, and why",
            arguments: question,
        },
        plain("metrics", "all figures in the text format of Prometheus"),
        Description {
            name: "recent",
            meaning: "the last jobs that have ended",
            arguments: wanted(),
        },
        Description {
            name: "events",
            meaning: "jobs as they start and end, once there is something new",
            arguments: since(),
        },
        plain("totals", "ended jobs by program, by user and by rule"),
    ]
}

fn targets() -> Vec<Argument> {
    let id = "the number of the job, as in jobs and the log";
    vec![
        optional("id", Form::Job, id),
        optional("signal", Form::Signal, "the signal, by default TERM"),
        optional("ids", Form::Jobs, "the numbers of several jobs"),
        optional("user", Form::User, "all jobs of this user"),
        optional("program", Form::Text, "all jobs of this program"),
        optional("rule", Form::Text, "all jobs under this rule"),
        optional("all", Form::Bool, "all jobs"),
    ]
}

fn wanted() -> Vec<Argument> {
    vec![
        optional("limit", Form::Count, "how many jobs, by default 100"),
        optional("failed", Form::Bool, "only jobs that failed"),
        optional("user", Form::User, "only jobs of this user"),
        optional("program", Form::Text, "only jobs of this program"),
    ]
}

fn since() -> Vec<Argument> {
    let after = "the number of the last event that is known, by default that of now";
    let wait = "seconds to wait for the next one, by default 30";
    vec![
        optional("after", Form::Event, after),
        optional("wait", Form::Wait, wait),
    ]
}

fn plain(name: &'static str, meaning: &'static str) -> Description {
    Description {
        name,
        meaning,
        arguments: Vec::new(),
    }
}

fn optional(name: &'static str, form: Form, meaning: &'static str) -> Argument {
    Argument {
        name,
        form,
        required: false,
        meaning,
    }
}

/// The payload of `help`.
pub fn help() -> String {
    serde_json::to_string(&commands()).expect("the table is made of strings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn help_tells_of_every_argument() {
        let help: Value = serde_json::from_str(&help()).unwrap();
        assert_eq!(help[5]["command"], "kill");
        let id = json!({"name": "id", "form": "number from 1", "required": false,
            "meaning": "the number of the job, as in jobs and the log"});
        assert_eq!(help[5]["arguments"][0], id);
        assert_eq!(help[0]["arguments"], json!([]));
    }
}
