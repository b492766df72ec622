//! A question about the rules: which of them decides about a request, and why. On a command line,
//! and as a value.

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use serde_json::Value;

use super::message;
use crate::os::accounts;

/// The word for a client whose user is not known.
const UNKNOWN: &str = "unknown";

/// A request that might be made, and its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The client's user, if it is known.
    pub user: Option<u32>,
    /// All its groups.
    pub groups: Vec<u32>,
    /// Its security label, if it has one.
    pub label: Option<String>,
    /// The name of the program.
    pub program: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
}

impl Question {
    /// The arguments of the command `explain`.
    pub fn to_args(&self) -> message::Args {
        let groups: Vec<Value> = self.groups.iter().map(|&group| group.into()).collect();
        let arguments: Vec<Value> = self.arguments.iter().map(|a| a.as_str().into()).collect();
        let mut args = message::Args::new();
        args.insert("user".into(), self.user.into());
        args.insert("groups".into(), groups.into());
        args.insert("label".into(), self.label.clone().into());
        args.insert("program".into(), self.program.as_str().into());
        args.insert("arguments".into(), arguments.into());
        args
    }
}

/// The same on a command line.
#[derive(Clone, Debug, Args)]
pub struct Asked {
    /// The client's user, a name or a number; "unknown" for a client whose user is not known
    #[arg(long, value_name = "USER")]
    user: String,

    /// A group of the client, instead of those of the user; may be repeated
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,

    /// The client's security label, without which it has none
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,

    /// The program, as the client names it, and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_names = ["PROGRAM", "ARGUMENT"]
    )]
    request: Vec<String>,
}

impl Asked {
    /// The question. Names become numbers by the system's databases, for which this waits.
    ///
    /// # Errors
    ///
    /// When there is no such user or group, or the databases do not answer.
    pub fn question(self) -> Result<Question, String> {
        let (user, own) = match &self.user[..] {
            UNKNOWN => (None, Vec::new()),
            name => client(name)?,
        };
        let given: Result<Vec<u32>, String> = self.group.iter().map(|name| group(name)).collect();
        let mut request = self.request.into_iter();
        Ok(Question {
            user,
            groups: match self.group.is_empty() {
                true => own,
                false => given?,
            },
            label: self.label,
            program: request.next().unwrap_or_default(),
            arguments: request.collect(),
        })
    }
}

/// The user of this name or number, and the user's groups.
fn client(name: &str) -> Result<(Option<u32>, Vec<u32>), String> {
    let number = number(name);
    let found = match number {
        Some(number) => accounts::account_of(number),
        None => accounts::account(name),
    };
    match (found, number) {
        (Ok(Some(account)), _) => Ok((Some(account.uid), account.groups)),
        (Ok(None), Some(number)) => Ok((Some(number), Vec::new())),
        (Ok(None), None) => Err(format!("there is no user \"{}\"", name.escape_debug())),
        (Err(errno), _) => Err(format!(
            "user \"{}\": {}",
            name.escape_debug(),
            errno.desc()
        )),
    }
}

/// The number of a user, by its name or its number.
///
/// # Errors
///
/// When there is no such user, or the databases do not answer.
pub fn user(name: &str) -> Result<u32, String> {
    if let Some(number) = number(name) {
        return Ok(number);
    }
    let name_shown = name.escape_debug();
    match accounts::user(name) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(format!("there is no user \"{name_shown}\"")),
        Err(errno) => Err(format!("user \"{name_shown}\": {}", errno.desc())),
    }
}

fn group(name: &str) -> Result<u32, String> {
    if let Some(number) = number(name) {
        return Ok(number);
    }
    let name_shown = name.escape_debug();
    match accounts::group(name) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(format!("there is no group \"{name_shown}\"")),
        Err(errno) => Err(format!("group \"{name_shown}\": {}", errno.desc())),
    }
}

/// A number of a user or a group. The last one means "none" in system calls.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&n| digits && n != u32::MAX)
}

/// A command line of nothing else, as behind `sockexec --explain`.
#[derive(Debug, Parser)]
#[command(
    name = "sockexec --explain",
    about = "Explains which rule of the configuration file decides about a request, and why",
    max_term_width = 96
)]
struct Alone {
    #[command(flatten)]
    asked: Asked,
}

/// Reads the words behind `sockexec --explain`.
///
/// # Errors
///
/// When they are no question.
pub fn read(words: Vec<String>) -> Result<Asked, clap::Error> {
    let name = Alone::command().get_name().to_owned();
    let line = [name].into_iter().chain(words);
    let matches = Alone::command().try_get_matches_from(line)?;
    Alone::from_arg_matches(&matches).map(|alone| alone.asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(line: &str) -> Result<Question, String> {
        let words = line.split(' ').map(Into::into).collect();
        read(words).map_err(|error| error.to_string())?.question()
    }

    #[test]
    fn users_and_groups_are_names_or_numbers() {
        let root = accounts::account("root").unwrap().unwrap();
        for (line, user, groups) in [
            ("--user root id", Some(0), &root.groups[..]),
            ("--user 0 id", Some(0), &root.groups[..]),
            ("--user 4000000000 id", Some(4_000_000_000), &[]),
            ("--user root --group 7 --group root id", Some(0), &[7, 0]),
            ("--user unknown id", None, &[]),
            ("--user unknown --group 7 id", None, &[7]),
        ] {
            let question = asked(line).unwrap();
            assert_eq!(
                (question.user, &question.groups[..]),
                (user, groups),
                "{line}"
            );
        }
    }

    #[test]
    fn everything_behind_the_program_is_an_argument() {
        let question = asked("--user 0 --label web_t id -u --user x -- --help").unwrap();
        assert_eq!(question.program, "id");
        assert_eq!(question.arguments, ["-u", "--user", "x", "--", "--help"]);
        assert_eq!(question.label.as_deref(), Some("web_t"));
        let question = asked("--user 0 -- -x -u").unwrap();
        assert_eq!(
            (&question.program[..], &question.arguments[..]),
            ("-x", &["-u".into()][..])
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, what) in [
            ("--user 0", "PROGRAM"),
            ("id", "--user"),
            ("--user 0 --usr x id", "--usr"),
            (
                "--user no-such-user id",
                "there is no user \"no-such-user\"",
            ),
            ("--user 4294967295 id", "there is no user \"4294967295\""),
            ("--user -1 id", "-1"),
            (
                "--user 0 --group no-such-group id",
                "there is no group \"no-such-group\"",
            ),
        ] {
            let error = asked(line).expect_err(line);
            assert!(error.contains(what), "{line}: {error}");
        }
    }

    #[test]
    fn the_message_has_all_of_it() {
        let question = Question {
            user: Some(33),
            groups: vec![33, 7],
            label: None,
            program: "id".into(),
            arguments: vec!["-u".into()],
        };
        let expected = json!({"user": 33, "groups": [33, 7], "label": null, "program": "id",
            "arguments": ["-u"]});
        assert_eq!(Value::Object(question.to_args()), expected);
    }
}
