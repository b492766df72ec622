//! A line about each rule, for people: whom and what it is for, how its programs are executed, and
//! its limits.

use super::{Program, Rule, Rules, Unmatched};
use crate::execution::{Execution, Resource, RunAs};

impl Rules {
    /// A line about each rule, in order, and one about requests that no rule matches, if their
    /// programs are executed in another way than the server.
    pub fn summaries(&self) -> Vec<String> {
        let rules = self.iter().enumerate();
        let line = |(index, rule): (usize, &Rule)| {
            let parts = rule.conditions().into_iter().chain(rule.limits());
            let parts: Vec<_> = parts.chain(execution(&rule.execution)).collect();
            format!("{}: {}", self.heading(index), parts.join("; "))
        };
        let mut lines: Vec<_> = rules.map(line).collect();
        let general = execution(self.general());
        if self.unmatched() == Unmatched::Allow && !general.is_empty() {
            let which = match self.all.is_empty() {
                true => "every request",
                false => "any other request",
            };
            lines.push(format!("{which}: {}", general.join("; ")));
        }
        lines
    }
}

impl Rule {
    /// The requests that it matches.
    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        match (&self.users[..], &self.groups[..]) {
            ([], []) => all.push("every client".into()),
            (users, []) => all.push(numbers("user", users)),
            ([], groups) => all.push(numbers("group", groups)),
            (users, groups) => {
                let (users, groups) = (numbers("user", users), numbers("group", groups));
                all.push(format!("{users} or {groups}"));
            }
        }
        if !self.labels.is_empty() {
            all.push(count(self.labels.len(), "security label"));
        }
        all.push(
            match self.programs.is_empty() || self.programs.contains(&Program::Any) {
                true => "every program".into(),
                false => {
                    let programs = self.programs.iter().map(Program::path);
                    format!("program {}", programs.collect::<Vec<_>>().join(" "))
                }
            },
        );
        if !self.arguments.is_empty() {
            all.push(count(self.arguments.len(), "list of arguments"));
        }
        all
    }

    /// The limits that concern only this rule.
    fn limits(&self) -> Vec<String> {
        let max_jobs = self.max_jobs.map(|max| format!("max-jobs {max}"));
        let timeout = self.timeout.map(|timeout| match timeout {
            Some(timeout) => format!("timeout {}", timeout.as_secs_f64()),
            None => "timeout 0".into(),
        });
        let words = self.run_prefix.iter();
        let words: Vec<_> = words.map(|word| String::from_utf8_lossy(word)).collect();
        let prefix = (!words.is_empty()).then(|| format!("run-prefix {}", words.join(" ")));
        [max_jobs, timeout, prefix].into_iter().flatten().collect()
    }
}

/// How programs are executed, where that is not as the server is.
fn execution(execution: &Execution) -> Vec<String> {
    let run_as = execution.run_as.as_ref().map(|user| match user {
        RunAs::User(account) => account.name.clone(),
        RunAs::Peer => "peer".into(),
    });
    let limits = Resource::ALL.into_iter().filter_map(|resource| {
        let limit = execution.limits.get(resource)?;
        Some(format!("{resource} {limit}"))
    });
    let variables = execution.environment.iter().map(|(name, _)| name.clone());
    let directory = execution.directory.as_ref();
    let all = [
        ("run-as", run_as),
        ("no-new-privileges", text(execution.no_new_privileges)),
        ("contain", text(execution.contain)),
        ("detach", text(execution.detach)),
        ("memory-max", text(execution.memory_max)),
        ("tasks-max", text(execution.tasks_max)),
        ("cpu-weight", text(execution.cpu_weight)),
        ("limits", list(limits)),
        ("nice", text(execution.nice)),
        ("umask", execution.umask.map(|mask| format!("{mask:04o}"))),
        (
            "directory",
            directory.map(|path| String::from_utf8_lossy(path).escape_debug().to_string()),
        ),
        ("environment", list(variables)),
        ("stdin", text(execution.stdin)),
    ];
    let given = all.into_iter();
    let given = given.filter_map(|(key, value)| Some(format!("{key} {}", value?)));
    given.collect()
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// All of them with commas, if there are any.
fn list(all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all.join(", "))
}

impl Program {
    fn path(&self) -> String {
        match self {
            Self::Any => "*".into(),
            Self::File(path) | Self::Below(path) => String::from_utf8_lossy(path).into_owned(),
        }
    }
}

fn numbers(what: &str, all: &[u32]) -> String {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    format!("{what} {}", all.join(" "))
}

fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (number, "list of arguments") => format!("{number} lists of arguments"),
        (number, what) => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::arguments::ArgumentList;
    use super::*;

    #[test]
    fn a_line_has_all_conditions_and_the_limits_of_the_rule() {
        let rules = vec![
            Rule {
                programs: vec![Program::Any],
                ..Rule::default()
            },
            Rule {
                name: Some("web".into()),
                users: vec![33, 34],
                labels: vec!["a".parse().unwrap(), "b*".parse().unwrap()],
                programs: vec![
                    Program::File(b"/bin/a".into()),
                    Program::Below(b"/srv/".into()),
                ],
                arguments: vec![ArgumentList::default(); 2],
                max_jobs: Some(3),
                timeout: Some(Some(Duration::from_millis(1500))),
                run_prefix: vec![b"nice".into(), b"-n5".into()],
                ..Rule::default()
            },
            Rule {
                users: vec![1],
                groups: vec![2],
                arguments: vec![ArgumentList::default()],
                timeout: Some(None),
                ..Rule::default()
            },
            Rule {
                groups: vec![2, 3],
                ..Rule::default()
            },
        ];
        assert_eq!(
            Rules::new(rules, None).summaries(),
            [
                "rule 1: every client; every program",
                "rule 2 (web): user 33 34; 2 security labels; program /bin/a /srv/; 2 lists of \
                 arguments; max-jobs 3; timeout 1.5; run-prefix nice -n5",
                "rule 3: user 1 or group 2; every program; 1 list of arguments; timeout 0",
                "rule 4: group 2 3; every program",
            ]
        );
    }

    #[test]
    fn a_line_has_what_decides_how_programs_are_executed() {
        let mut execution = Execution {
            run_as: Some(RunAs::Peer),
            contain: Some(true),
            memory_max: Some(4096),
            umask: Some(0o27),
            directory: Some(b"/srv".into()),
            environment: vec![("A".into(), "1".into()), ("B".into(), "2".into())],
            stdin: Some(false),
            ..Execution::default()
        };
        execution.limits.set(Resource::Core, 0);
        execution.limits.set(Resource::Cpu, 10);
        let text = "run-as peer; contain true; memory-max 4096; limits cpu 10, core 0; umask 0027; \
                    directory /srv; environment A, B; stdin false";
        let rule = Rule {
            max_jobs: Some(2),
            execution: execution.clone().into(),
            ..Rule::default()
        };
        let rules = |all, unmatched| Rules::new(all, unmatched).with_general(execution.clone());
        let of_rule = format!("rule 1: every client; every program; max-jobs 2; {text}");
        let rest = format!("any other request: {text}");
        assert_eq!(
            rules(vec![rule.clone()], None).summaries(),
            std::slice::from_ref(&of_rule)
        );
        let allowed = rules(vec![rule], Some(Unmatched::Allow));
        assert_eq!(allowed.summaries(), [of_rule, rest]);
        let without = [format!("every request: {text}")];
        assert_eq!(rules(vec![], None).summaries(), without);
        let denied = rules(vec![], Some(Unmatched::Deny));
        assert_eq!(denied.summaries(), [""; 0]);
    }
}
