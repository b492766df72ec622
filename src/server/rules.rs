//! The command `rules`: the rules in force, and what runs under each.

use super::Server;
use super::explain::limits;
use super::guard::InForce;
use crate::control::rules::{RuleInForce, RulesInForce};
use crate::rules::label::Label;
use crate::rules::{Program, Rule, Unmatched};

impl Server {
    pub(super) fn rules_answer(&self) -> RulesInForce {
        let (rules, _) = self.guard.decides_by();
        let mut lines = rules.summaries().into_iter();
        let in_force = rules.iter().zip(self.guard.in_force()).enumerate();
        let described = in_force
            .map(|(index, (rule, in_force))| {
                let text = lines.next().unwrap_or_default();
                self.rule_in_force(index, rule, (&in_force, text))
            })
            .collect();
        RulesInForce {
            summary: self.configuration.summary(),
            default: match rules.unmatched() {
                Unmatched::Allow => "allow".into(),
                Unmatched::Deny => "deny".into(),
            },
            rules: described,
            // What is left is about all other requests.
            others: lines.next(),
        }
    }

    fn rule_in_force(
        &self,
        index: usize,
        rule: &Rule,
        (in_force, text): (&InForce<'_>, String),
    ) -> RuleInForce {
        let (running, waiting) = self.schedule.under(in_force.quota);
        let timeout = self.configuration.settings().timeout;
        RuleInForce {
            number: index as u64 + 1,
            name: rule.name.clone(),
            text,
            users: rule.users.clone(),
            groups: rule.groups.clone(),
            labels: rule.labels.iter().map(label).collect(),
            programs: rule.programs.iter().map(program).collect(),
            arguments: rule.arguments.len() as u64,
            limits: limits(Some(rule), &rule.execution, timeout),
            running,
            waiting: waiting as u64,
        }
    }
}

fn label(label: &Label) -> String {
    match label {
        Label::Exact(text) => String::from_utf8_lossy(text).into_owned(),
        Label::Prefix(text) => format!("{}*", String::from_utf8_lossy(text)),
    }
}

fn program(program: &Program) -> String {
    match program {
        Program::Any => "*".into(),
        Program::File(path) | Program::Below(path) => String::from_utf8_lossy(path).into_owned(),
    }
}
