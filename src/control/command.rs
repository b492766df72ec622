//! A request as a command, checked by the table: names, kinds and ranges.
//!
//! Plain values. The server carries commands out.

use nix::libc::SIGTERM;
use serde_json::Value;

use super::form::{self, Form};
use super::history::{RECENT, Since, WAIT, Wanted};
use super::kill::{Filter, Target};
use super::message::{Args, Request};
use super::question::Question;
use super::table::{self, Argument, Description};
use crate::settings::name::nearest;
use crate::settings::value::Value as Setting;

/// A command to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Check that it answers.
    Ping,
    /// Its version.
    Version,
    /// The commands: [`help`](super::table::help).
    Help,
    /// Its state, limits and totals.
    Status,
    /// Its jobs.
    Jobs,
    /// Send a signal to the process groups of jobs.
    Kill {
        /// The jobs.
        target: Target,
        /// The signal's number, 1 to [`SIGNAL_MAX`](crate::signal::SIGNAL_MAX).
        signal: i32,
    },
    /// Change these settings, at least one, for new jobs.
    Set(Vec<(&'static str, Setting)>),
    /// Read the configuration file again.
    Reload,
    /// Stop accepting, let running jobs finish, then exit.
    Drain,
    /// Accept again, after a drain.
    Undrain,
    /// The configuration in effect, and where each value came from.
    Config,
    /// The rules in force.
    Rules,
    /// Which rule decides about a request, and why.
    Explain(Question),
    /// All figures in the text format of Prometheus.
    Metrics,
    /// The last jobs that have ended.
    Recent(Wanted),
    /// Jobs as they start and end.
    Events(Since),
    /// Jobs by program, by user and by rule.
    Totals,
}

impl Command {
    /// The command of a request.
    ///
    /// # Errors
    ///
    /// When there is no such command or argument, or an argument is missing, of a wrong kind or
    /// out of its range. The text names it, and the accepted values.
    pub fn read(request: &Request) -> Result<Self, String> {
        let name = request.cmd.to_ascii_lowercase();
        let commands = table::commands();
        let Some(described) = commands.iter().find(|known| known.name == name) else {
            let known: Vec<_> = commands.iter().map(|known| known.name).collect();
            return Err(format!(
                "unknown command {}, the commands are {}",
                form::quote(&request.cmd),
                known.join(", ")
            ));
        };
        let given = Given {
            described,
            args: &request.args,
        };
        given.check_names()?;
        Ok(match described.name {
            "ping" => Self::Ping,
            "version" => Self::Version,
            "help" => Self::Help,
            "status" => Self::Status,
            "jobs" => Self::Jobs,
            "kill" => Self::Kill {
                target: given.target()?,
                signal: given.take("signal", form::signal)?.unwrap_or(SIGTERM),
            },
            "set" => Self::Set(given.settings()?),
            "reload" => Self::Reload,
            "drain" => Self::Drain,
            "undrain" => Self::Undrain,
            "config" => Self::Config,
            "rules" => Self::Rules,
            "explain" => Self::Explain(given.question()?),
            "metrics" => Self::Metrics,
            "recent" => Self::Recent(given.wanted()?),
            "events" => Self::Events(given.since()?),
            "totals" => Self::Totals,
            other => unreachable!("{other} is in the table and not here"),
        })
    }
}

/// The arguments of a command, beside their description in the table.
struct Given<'a> {
    described: &'a Description,
    args: &'a Args,
}

impl Given<'_> {
    /// Refuses unknown arguments, and a command without a required argument.
    fn check_names(&self) -> Result<(), String> {
        let (command, known) = (self.described.name, &self.described.arguments);
        let list = || {
            let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
            match names.is_empty() {
                true => format!("{command} takes none"),
                false => format!("{command} takes {}", names.join(", ")),
            }
        };
        let unknown = |name: &&String| !known.iter().any(|argument| argument.name == *name);
        if let Some(name) = self.args.keys().find(unknown) {
            let names: Vec<_> = known.iter().map(|argument| argument.name).collect();
            let what = match nearest(name, &names) {
                Some(near) => format!("did you mean {near}?"),
                None => list(),
            };
            return Err(format!("unknown argument {}, {what}", form::quote(name)));
        }
        let missing = |argument: &&Argument| argument.required && self.value(argument).is_none();
        if let Some(argument) = known.iter().find(missing) {
            let (name, form) = (argument.name, argument.form);
            return Err(format!("{command} needs the argument {name}, a {form}"));
        }
        if command == "set" && known.iter().all(|argument| self.value(argument).is_none()) {
            return Err(format!("set needs at least one argument, {}", list()));
        }
        Ok(())
    }

    /// The value of an argument. Null means none.
    fn value(&self, argument: &Argument) -> Option<&Value> {
        self.args
            .get(argument.name)
            .filter(|value| !value.is_null())
    }

    /// The settings to change, in the order of the table.
    fn settings(&self) -> Result<Vec<(&'static str, Setting)>, String> {
        let mut settings = Vec::new();
        for argument in &self.described.arguments {
            let Form::Setting(key) = argument.form else {
                continue;
            };
            let value = self.take(key.name, |value| form::setting(key.kind, value))?;
            settings.extend(value.map(|value| (key.name, value)));
        }
        Ok(settings)
    }

    fn question(&self) -> Result<Question, String> {
        Ok(Question {
            user: self.take("user", form::account)?,
            groups: self.take("groups", form::accounts)?.unwrap_or_default(),
            label: self.take("label", form::text)?,
            program: self.take("program", form::text)?.expect("it is required"),
            arguments: self.take("arguments", form::texts)?.unwrap_or_default(),
        })
    }

    fn target(&self) -> Result<Target, String> {
        let filter = Filter {
            user: self.take("user", form::user)?,
            program: self.take("program", form::text)?,
            rule: self.take("rule", form::text)?,
        };
        let all = self.take("all", Value::as_bool)?.unwrap_or(false);
        let (id, ids) = (self.take("id", form::job)?, self.take("ids", form::jobs)?);
        Target::of(id, ids, filter, all)
    }

    fn wanted(&self) -> Result<Wanted, String> {
        Ok(Wanted {
            limit: self.take("limit", form::count)?.unwrap_or(RECENT),
            failed: self.take("failed", Value::as_bool)?.unwrap_or(false),
            user: self.take("user", form::user)?,
            program: self.take("program", form::text)?,
        })
    }

    fn since(&self) -> Result<Since, String> {
        Ok(Since {
            after: self.take("after", Value::as_u64)?,
            wait: self.take("wait", form::wait)?.unwrap_or(WAIT),
        })
    }

    fn take<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let argument = self.described.arguments.iter().find(|a| a.name == name);
        let argument = argument.expect("the table has what is taken");
        let Some(value) = self.value(argument) else {
            return Ok(None);
        };
        match read(value) {
            Some(taken) => Ok(Some(taken)),
            None => {
                let (value, form) = (form::quote_value(value), argument.form);
                Err(format!("{name}: {value} is not a {form}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use serde_json::json;

    fn read(cmd: &str, args: Value) -> Result<Command, String> {
        let Value::Object(args) = args else {
            panic!("{args} are no arguments")
        };
        Command::read(&Request::new(cmd, args))
    }

    #[test]
    fn every_command_of_the_table_is_read_in_any_case() {
        for (name, args, command) in [
            ("Ping", json!({}), Command::Ping),
            ("version", json!({}), Command::Version),
            ("HELP", json!({}), Command::Help),
            ("status", json!({}), Command::Status),
            ("jobs", json!({}), Command::Jobs),
            (
                "kill",
                json!({"id": 12}),
                Command::Kill {
                    target: Target::One(12),
                    signal: 15,
                },
            ),
            (
                "set",
                json!({"timeout": 0}),
                Command::Set(vec![("timeout", Setting::Seconds(Duration::ZERO))]),
            ),
            ("reload", json!({}), Command::Reload),
            ("drain", json!({}), Command::Drain),
            ("undrain", json!({}), Command::Undrain),
            ("config", json!({}), Command::Config),
            ("rules", json!({}), Command::Rules),
            (
                "explain",
                json!({"program": "id"}),
                Command::Explain(Question {
                    program: "id".into(),
                    ..Question::default()
                }),
            ),
            ("metrics", json!({}), Command::Metrics),
            (
                "recent",
                json!({"failed": true, "user": 33}),
                Command::Recent(Wanted {
                    limit: 100,
                    failed: true,
                    user: Some("33".into()),
                    program: None,
                }),
            ),
            (
                "events",
                json!({"after": 0, "wait": 0.5}),
                Command::Events(Since {
                    after: Some(0),
                    wait: Duration::from_millis(500),
                }),
            ),
            ("totals", json!({}), Command::Totals),
        ] {
            assert_eq!(read(name, args), Ok(command));
            assert!(
                table::commands()
                    .iter()
                    .any(|c| c.name == name.to_ascii_lowercase())
            );
        }
        assert_eq!(table::commands().len(), 17);
    }

    #[test]
    fn arguments_to_the_ends_of_their_ranges() {
        for signal in [json!("KILL"), json!("sigkill"), json!(9), json!("9")] {
            let command = Command::Kill {
                target: Target::One(u64::MAX),
                signal: 9,
            };
            assert_eq!(
                read("kill", json!({"id": u64::MAX, "signal": signal})),
                Ok(command)
            );
        }
        let settings = vec![
            ("max-connections", Setting::Number(1_000_000)),
            (
                "timeout",
                Setting::Seconds(Duration::from_secs(315_360_000)),
            ),
            ("kill-timeout", Setting::Seconds(Duration::from_millis(500))),
            ("log-level", Setting::Word("debug")),
        ];
        let args = json!({"max-connections": 1_000_000, "timeout": 315_360_000,
            "kill-timeout": 0.5, "log-level": "DEBUG"});
        assert_eq!(read("set", args), Ok(Command::Set(settings)));
        for text in ["5400", "90m", "1h30m"] {
            let time = Setting::Seconds(Duration::from_secs(5400));
            let command = Command::Set(vec![("timeout", time)]);
            assert_eq!(read("set", json!({"timeout": text})), Ok(command));
        }
        let one = vec![("max-connections", Setting::Number(1))];
        let args = json!({"max-connections": 1, "timeout": null});
        assert_eq!(read("set", args), Ok(Command::Set(one)));
    }

    #[test]
    fn kill_takes_numbers_or_conditions() {
        let filter = |user: Option<&str>, rule: Option<&str>| {
            Target::Matching(Filter {
                user: user.map(str::to_owned),
                rule: rule.map(str::to_owned),
                ..Filter::default()
            })
        };
        for (args, target) in [
            (json!({"id": 1}), Target::One(1)),
            (json!({"id": 1, "all": false, "user": null}), Target::One(1)),
            (json!({"ids": [1, 2]}), Target::These(vec![1, 2])),
            (json!({"user": 33}), filter(Some("33"), None)),
            (
                json!({"user": "a", "rule": "b"}),
                filter(Some("a"), Some("b")),
            ),
            (json!({"all": true}), filter(None, None)),
        ] {
            assert_eq!(read("kill", args), Ok(Command::Kill { target, signal: 15 }));
        }
        let kinds = "id, ids, all, or at least one of user, program, rule";
        for (args, text) in [
            (json!({}), format!("kill needs the argument {kinds}")),
            (
                json!({"all": false}),
                format!("kill needs the argument {kinds}"),
            ),
            (
                json!({"id": 1, "ids": [1]}),
                format!("kill takes only one of {kinds}"),
            ),
            (
                json!({"id": 1, "user": "a"}),
                format!("kill takes only one of {kinds}"),
            ),
            (
                json!({"all": true, "user": "a"}),
                format!("kill takes only one of {kinds}"),
            ),
            (
                json!({"ids": []}),
                "ids: [] is not a list of numbers from 1".into(),
            ),
            (
                json!({"ids": [0]}),
                "ids: [0] is not a list of numbers from 1".into(),
            ),
        ] {
            assert_eq!(read("kill", args), Err(text));
        }
    }

    #[test]
    fn a_question_is_read_as_it_is_asked() {
        let question = Question {
            user: Some(4_294_967_294),
            groups: vec![0, 7],
            label: Some("web_t".into()),
            program: "id".into(),
            arguments: vec!["-u".into(), String::new()],
        };
        let args = Value::Object(question.to_args());
        assert_eq!(read("explain", args), Ok(Command::Explain(question)));
        let list = "is not a list of numbers from 0 to 4294967294";
        for (args, text) in [
            (
                json!({}),
                "explain needs the argument program, a string without NUL",
            ),
            (json!({"program": "a\u{0}"}), "is not a string without NUL"),
            (json!({"program": 1}), "is not a string without NUL"),
            (
                json!({"program": "x", "user": "root"}),
                "is not a number from 0 to 4294967294",
            ),
            (
                json!({"program": "x", "user": 4_294_967_295_u64}),
                "is not a number from 0",
            ),
            (json!({"program": "x", "groups": 1}), list),
            (json!({"program": "x", "groups": [-1]}), list),
            (
                json!({"program": "x", "arguments": "a"}),
                "is not a list of such strings",
            ),
            (
                json!({"program": "x", "arguments": [1]}),
                "is not a list of such strings",
            ),
        ] {
            let error = read("explain", args.clone()).expect_err("a mistake");
            assert!(error.contains(text), "{args}: {error}");
        }
    }

    #[test]
    fn refusals_name_the_thing_and_the_range() {
        let connections = "is not a number from 1 to 1000000";
        let seconds =
            "is not a number of seconds from 0 to 315360000, or a string such as \"90s\",";
        let signal = "is not a signal (a name such as TERM, or a number from 1 to 64)";
        let level = "is not a level (error, warn, info or debug)";
        let rate = "is not a number, 0 or from 0.001 to 1000000";
        for (cmd, args, text) in [
            (
                "stop",
                json!({}),
                "unknown command \"stop\", the commands are ping, version, ",
            ),
            ("a\u{1b}[2J", json!({}), "unknown command \"a\\u{1b}[2J\""),
            ("", json!({}), "unknown command \"\""),
            (
                "ping",
                json!({"x": 1}),
                "unknown argument \"x\", ping takes none",
            ),
            (
                "kill",
                json!({"pid": 1}),
                "unknown argument \"pid\", kill takes id, signal",
            ),
            (
                "set",
                json!({"timeuot": 1}),
                "unknown argument \"timeuot\", did you mean timeout?",
            ),
            (
                "kill",
                json!({}),
                "kill needs the argument id, ids, all, or",
            ),
            ("kill", json!({"id": 0}), "id: 0 is not a number from 1"),
            (
                "kill",
                json!({"id": "7"}),
                "id: \"7\" is not a number from 1",
            ),
            ("kill", json!({"id": 1, "signal": "HUPP"}), signal),
            ("kill", json!({"id": 1, "signal": 65}), signal),
            ("kill", json!({"id": 1, "signal": 0}), signal),
            ("kill", json!({"id": 1, "signal": [15]}), signal),
            ("set", json!({"requests-per-second": -1}), rate),
            (
                "set",
                json!({"audit": "start"}),
                "audit: \"start\" is not a value (end or both)",
            ),
            (
                "set",
                json!({}),
                "set needs at least one argument, set takes max-connections, ",
            ),
            (
                "set",
                json!({"timeout": null}),
                "set needs at least one argument",
            ),
            (
                "recent",
                json!({"limit": 0}),
                "limit: 0 is not a number from 1",
            ),
            (
                "recent",
                json!({"failed": "yes"}),
                "failed: \"yes\" is not a value (true or false)",
            ),
            (
                "recent",
                json!({"user": ["root"]}),
                "is not a user (a name or a number)",
            ),
            (
                "events",
                json!({"after": -1}),
                "after: -1 is not a number from 0",
            ),
            (
                "events",
                json!({"wait": 3601}),
                "is not a number of seconds from 0 to 3600, or a string such as",
            ),
            (
                "totals",
                json!({"by": "user"}),
                "unknown argument \"by\", totals takes none",
            ),
            ("set", json!({"max-connections": 0}), connections),
            ("set", json!({"max-connections": 1_000_001}), connections),
            ("set", json!({"max-connections": -1}), connections),
            ("set", json!({"max-connections": 1.5}), connections),
            ("set", json!({"timeout": -0.1}), seconds),
            ("set", json!({"kill-timeout": 315_360_000.5}), seconds),
            ("set", json!({"timeout": "60 s"}), seconds),
            ("set", json!({"timeout": [60]}), seconds),
            ("set", json!({"log-level": "trace"}), level),
            ("set", json!({"log-level": 3}), level),
        ] {
            let error = read(cmd, args.clone()).expect_err(cmd);
            assert!(error.contains(text), "{cmd} {args}: {error}");
        }
    }

    #[test]
    fn a_refusal_repeats_little() {
        let error = read(&"x".repeat(100_000), json!({})).unwrap_err();
        assert!(error.len() < 300, "{error}");
        let error = read("set", json!({"log-level": "\u{7}".repeat(100_000)})).unwrap_err();
        assert!(error.len() < 600, "{error}");
    }
}
