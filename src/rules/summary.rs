//! A line about each rule, for people: whom and what it is for, and its limits.

use super::{Program, Rule, Rules};

impl Rules {
    /// A line about each rule, in order.
    pub fn summaries(&self) -> Vec<String> {
        let rules = self.iter().enumerate();
        let line = |(index, rule): (usize, &Rule)| {
            let parts = rule.conditions().into_iter().chain(rule.limits());
            let parts: Vec<_> = parts.collect();
            format!("{}: {}", self.heading(index), parts.join("; "))
        };
        rules.map(line).collect()
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
}
