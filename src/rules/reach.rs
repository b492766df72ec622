//! Rules that never decide, because an earlier one matches each of their requests.
//!
//! Only what is certain is reported: a glob that covers another is not seen.

use super::arguments::ArgumentList;
use super::label::Label;
use super::{Program, Rule, Rules};

impl Rules {
    /// Warnings about these rules, for people.
    pub fn warnings(&self) -> Vec<String> {
        let hidden = self.unreachable().into_iter();
        let warning = |(rule, by): (usize, usize)| {
            format!(
                "{} is never reached: {} matches every request that it matches",
                self.heading(rule),
                self.heading(by)
            )
        };
        hidden.map(warning).collect()
    }

    /// The indices of all rules that never decide, each with that of an earlier rule that does
    /// instead.
    fn unreachable(&self) -> Vec<(usize, usize)> {
        let earlier = |(index, rule): (usize, &Rule)| {
            let mut before = self.iter().take(index);
            Some((index, before.position(|earlier| earlier.includes(rule))?))
        };
        self.iter().enumerate().filter_map(earlier).collect()
    }
}

impl Rule {
    /// Whether it certainly matches every request that `other` matches.
    fn includes(&self, other: &Self) -> bool {
        self.includes_clients(other)
            && includes(&self.programs, &other.programs, Program::includes)
            && includes(&self.arguments, &other.arguments, ArgumentList::includes)
            && includes(&self.labels, &other.labels, Label::includes)
    }

    fn includes_clients(&self, other: &Self) -> bool {
        let all = |rule: &Self| rule.users.is_empty() && rule.groups.is_empty();
        all(self)
            || (!all(other)
                && other.users.iter().all(|user| self.users.contains(user))
                && other.groups.iter().all(|group| self.groups.contains(group)))
    }
}

/// Whether each of `others` is in one of `own`. An empty list stands for all.
fn includes<T>(own: &[T], others: &[T], one: impl Fn(&T, &T) -> bool) -> bool {
    let is_in_own = |other| own.iter().any(|own| one(own, other));
    own.is_empty() || (!others.is_empty() && others.iter().all(is_in_own))
}

impl Program {
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::File(own), Self::File(other)) => own == other,
            (Self::Below(own), Self::Below(other)) => other.starts_with(own),
            (Self::Below(own), Self::File(other)) => other.starts_with(own),
            (Self::File(_) | Self::Below(_), _) => false,
        }
    }
}

impl ArgumentList {
    fn includes(&self, other: &Self) -> bool {
        self == other || self.is_for_all()
    }
}

impl Label {
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(own), Self::Exact(other) | Self::Prefix(other)) => other.starts_with(own),
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> ArgumentList {
        let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap());
        ArgumentList::new(patterns.collect()).unwrap()
    }

    /// Whether a second rule is hidden by the first.
    fn hidden(first: &Rule, second: &Rule) -> bool {
        let rules = Rules::new(vec![first.clone(), second.clone()], None);
        match &rules.unreachable()[..] {
            [] => false,
            [(1, 0)] => true,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_rule_behind_a_wider_one_is_never_reached() {
        let all = Rule::default();
        let users = |users: &[u32]| Rule {
            users: users.to_vec(),
            ..Rule::default()
        };
        let programs = |programs: &[Program]| Rule {
            programs: programs.to_vec(),
            ..Rule::default()
        };
        let below = |path: &str| Program::Below(path.into());
        let file = |path: &str| Program::File(path.into());
        let arguments = |lists: &[&[&str]]| Rule {
            arguments: lists.iter().map(|patterns| list(patterns)).collect(),
            ..Rule::default()
        };
        let labels = |labels: &[&str]| Rule {
            labels: labels.iter().map(|label| label.parse().unwrap()).collect(),
            ..Rule::default()
        };
        let group = Rule {
            groups: vec![1],
            ..users(&[1])
        };
        for (wide, narrow) in [
            (&all, &all),
            (&all, &users(&[1])),
            (&users(&[1, 2]), &users(&[2])),
            (&group, &users(&[1])),
            (&all, &programs(&[Program::Any])),
            (
                &programs(&[Program::Any]),
                &programs(&[file("/a"), below("/b/")]),
            ),
            (
                &programs(&[below("/b/")]),
                &programs(&[file("/b/x"), below("/b/c/")]),
            ),
            (&arguments(&[&["..."]]), &arguments(&[&["a"], &[]])),
            (&arguments(&[&["a"], &["b"]]), &arguments(&[&["b"]])),
            (&labels(&["a*"]), &labels(&["ab", "ac*"])),
        ] {
            assert!(hidden(wide, narrow), "{wide:?} {narrow:?}");
        }
        for (first, second) in [
            (&users(&[1]), &all),
            (&users(&[1]), &users(&[1, 2])),
            (&users(&[1]), &group),
            (&programs(&[file("/a")]), &programs(&[below("/a/")])),
            (
                &programs(&[below("/b/")]),
                &programs(&[file("/b"), file("/b/x")]),
            ),
            (&programs(&[below("/b/")]), &programs(&[Program::Any])),
            (&programs(&[below("/b/")]), &all),
            (&arguments(&[&["a"]]), &all),
            (&arguments(&[&["a"]]), &arguments(&[&["..."]])),
            (&arguments(&[&["a", "..."]]), &arguments(&[&["b"]])),
            (&labels(&["a"]), &labels(&["a*"])),
            (&labels(&["a*"]), &all),
        ] {
            assert!(!hidden(first, second), "{first:?} {second:?}");
        }
    }

    #[test]
    fn each_of_them_is_reported_with_the_first_rule_that_hides_it() {
        let user = |uid| Rule {
            users: vec![uid],
            ..Rule::default()
        };
        let rules = vec![user(1), user(2), user(1), Rule::default(), user(2), user(3)];
        let rules = Rules::new(rules, None);
        assert_eq!(rules.unreachable(), [(2, 0), (4, 1), (5, 3)]);
    }

    #[test]
    fn a_warning_has_the_numbers_and_names_of_both() {
        let rule = |name: Option<&str>| Rule {
            name: name.map(Into::into),
            ..Rule::default()
        };
        let rules = Rules::new(vec![rule(None), rule(Some("web"))], None);
        let text = "rule 2 (web) is never reached: rule 1 matches every request that it matches";
        assert_eq!(rules.warnings(), [text]);
        assert_eq!(Rules::default().warnings(), [""; 0]);
    }
}
