//! The command `kill`: the jobs that it is about, and the answer for more than one.
//!
//! As in [`payload`](super::payload), reading takes other versions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The arguments that name jobs.
const KINDS: &str = "id, ids, all, or at least one of user, program, rule";

/// The jobs that get a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The job of this number, for which the answer is [`Killed`](super::payload::Killed).
    One(u64),
    /// The jobs of these numbers.
    These(Vec<u64>),
    /// All for which this holds.
    Matching(Filter),
}

/// What holds for jobs. Without any condition it is about all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// They are of this client's user: a name or a number.
    pub user: Option<String>,
    /// They are of this program: its name, or a path.
    pub program: Option<String>,
    /// This rule has decided about them: its name, or its number.
    pub rule: Option<String>,
}

impl Target {
    /// The target of a command with these arguments.
    ///
    /// # Errors
    ///
    /// When none is given, or more than one kind of them.
    pub(super) fn of(
        id: Option<u64>,
        ids: Option<Vec<u64>>,
        filter: Filter,
        all: bool,
    ) -> Result<Self, String> {
        match (id, ids, filter, all) {
            (Some(id), None, filter, false) if filter.is_empty() => Ok(Self::One(id)),
            (None, Some(ids), filter, false) if filter.is_empty() => Ok(Self::These(ids)),
            (None, None, filter, all) if filter.is_empty() == all => Ok(Self::Matching(filter)),
            (None, None, _, false) => Err(format!("kill needs the argument {KINDS}")),
            _ => Err(format!("kill takes only one of {KINDS}")),
        }
    }
}

impl Filter {
    /// Whether it is about all jobs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = [
            ("user", &self.user),
            ("program", &self.program),
            ("rule", &self.rule),
        ];
        let given = conditions.into_iter();
        let given = given.filter_map(|(name, value)| value.as_ref().map(|value| (name, value)));
        for (n, (name, value)) in given.enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {}", super::form::quote(value))?;
        }
        Ok(())
    }
}

/// The answer for more than one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Signalled {
    /// The signal's name.
    pub signal: String,
    /// The jobs that have got it.
    pub jobs: Vec<Hit>,
    /// Those of the given numbers that have not.
    pub failed: Vec<Missed>,
    /// Jobs that match and have no program yet.
    pub waiting: u64,
}

/// A job that has got a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Hit {
    /// Its number.
    pub id: u64,
    /// Its program's process, whose group got the signal.
    pub pid: u32,
}

/// A job that has got none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Missed {
    /// Its number.
    pub id: u64,
    /// Why.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_named_by_its_conditions() {
        let mut filter = Filter::default();
        assert_eq!(
            (filter.to_string(), filter.is_empty()),
            (String::new(), true)
        );
        filter.rule = Some("web".into());
        assert_eq!(filter.to_string(), "rule \"web\"");
        filter.user = Some("33".into());
        assert_eq!(filter.to_string(), "user \"33\", rule \"web\"");
        assert!(!filter.is_empty());
    }

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let answer = serde_json::json!({"signal": "SIGTERM", "jobs": [{"id": 1, "pid": 2}],
            "failed": [{"id": 3, "error": "there is no job 3"}], "waiting": 1});
        let read: Signalled = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), answer);
    }
}
