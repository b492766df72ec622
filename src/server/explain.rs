//! Which rule decides about a request, with which limits, and why those before it do not: without
//! a request, by the same functions that decide about one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::guard::{not_found, obstacle, refusal};
use super::people::People;
use crate::config::Config;
use crate::control::explained::{self, Explained};
use crate::control::question::Question;
use crate::execution::{Execution, Resource, RunAs};
use crate::os::lookup::Lookup;
use crate::os::peer::Peer;
use crate::program::Refusal;
use crate::rules::{Aspect, Request, Rule, Rules};

/// Explains the decision that a server with this configuration makes, which searches programs in
/// `path`.
pub fn explain(config: &Config, path: &[u8], question: &Question) -> Explained {
    let directory = std::env::current_dir().ok();
    let lookup = Lookup::new(path, directory.as_deref());
    let mut people = People::new(config.server_user());
    people.read_again();
    let judge = Judge {
        rules: &config.rules,
        lookup: &lookup,
        people: &people,
        timeout: config.settings.timeout,
    };
    judge.explain(question)
}

/// Everything on which a decision depends.
pub(super) struct Judge<'a> {
    pub(super) rules: &'a Rules,
    pub(super) lookup: &'a Lookup,
    pub(super) people: &'a People,
    /// The general deadline.
    pub(super) timeout: Option<Duration>,
}

impl Judge<'_> {
    /// Explains the decision about a request.
    pub(super) fn explain(&self, question: &Question) -> Explained {
        let explained = Explained {
            user: question.user,
            groups: question.groups.clone(),
            label: question.label.clone(),
            program: question.program.clone(),
            arguments: question.arguments.clone(),
            ..Explained::default()
        };
        if self.rules.allow_everything() {
            let refused = self.not_as_client(None, question);
            let reason = Some("there are no rules".into());
            return self.conclude(
                None,
                refused,
                Explained {
                    reason,
                    ..explained
                },
            );
        }
        match self.lookup.resolve(question.program.as_bytes()) {
            Ok(file) => self.decide(&file, question, explained),
            Err(error) => Explained {
                reason: Some(format!("before any rule is asked: {}", not_found(error))),
                ..explained
            },
        }
    }

    /// The decision about a program whose file is known.
    fn decide(&self, file: &[u8], question: &Question, explained: Explained) -> Explained {
        let arguments: Vec<_> = question.arguments.iter().map(String::as_bytes).collect();
        let explanation = self.rules.explain(&Request {
            peer: question.user.map(|user| (user, &question.groups[..])),
            label: question.label.as_deref().map(str::as_bytes),
            program: file,
            arguments: &arguments,
        });
        let index = explanation.decision.ok().flatten();
        let rule = index.and_then(|index| self.rules.get(index));
        let title = index.map(|index| self.rules.title(index));
        let refused = match (explanation.decision, rule) {
            (Err(no_rule), _) => Some(refusal(no_rule)),
            (Ok(_), Some(rule)) => obstacle(rule, &title.unwrap_or_default(), file),
            (Ok(_), None) => None,
        };
        let asked = explanation.passed_over.iter().map(|aspects| names(aspects));
        let asked = asked.chain(index.map(|_| Vec::new())).enumerate();
        let explained = Explained {
            program: String::from_utf8_lossy(file).into_owned(),
            rules: asked
                .map(|(index, mismatches)| self.rule(index, mismatches))
                .collect(),
            reason: match rule {
                Some(_) => None,
                None => Some("no rule matches, and the default is to allow".into()),
            },
            ..explained
        };
        let refused = refused.or_else(|| self.not_as_client(rule, question));
        self.conclude(rule, refused, explained)
    }

    fn rule(&self, index: usize, mismatches: Vec<String>) -> explained::Rule {
        explained::Rule {
            number: index as u64 + 1,
            name: self.rules.get(index).and_then(|rule| rule.name.clone()),
            mismatches,
        }
    }

    /// Why no program runs as the client, if it is to run as that. Accounts are not looked up.
    fn not_as_client(&self, rule: Option<&Rule>, question: &Question) -> Option<Refusal> {
        if self.execution(rule).run_as != Some(RunAs::Peer) {
            return None;
        }
        let peer = Peer::Local {
            uid: question.user,
            gid: None,
            pid: 0,
        };
        let is_named = |uid| rule.is_some_and(|rule| rule.users.contains(&uid));
        self.people.admit(&peer, is_named).err()
    }

    fn execution<'a>(&'a self, rule: Option<&'a Rule>) -> &'a Execution {
        rule.map_or(self.rules.general(), |rule| &rule.execution)
    }

    /// The decision, and the limits of a program that is allowed.
    fn conclude(
        &self,
        rule: Option<&Rule>,
        refused: Option<Refusal>,
        explained: Explained,
    ) -> Explained {
        match refused {
            None => Explained {
                allowed: true,
                limits: limits(rule, self.execution(rule), self.timeout),
                ..explained
            },
            Some(refusal) => Explained {
                reason: Some(refusal.to_string()),
                ..explained
            },
        }
    }
}

fn names(aspects: &[Aspect]) -> Vec<String> {
    let name = |aspect: &Aspect| match aspect {
        Aspect::Client => "client",
        Aspect::Label => "label",
        Aspect::Program => "program",
        Aspect::Arguments => "arguments",
    };
    aspects.iter().map(|aspect| name(aspect).into()).collect()
}

/// The limits of a program under a rule, or without one, by the keys of the configuration file.
pub(super) fn limits(
    rule: Option<&Rule>,
    execution: &Execution,
    timeout: Option<Duration>,
) -> BTreeMap<String, Value> {
    let mut limits = of_execution(execution);
    let mut put = |name: &str, value: Value| limits.insert(name.into(), value);
    let timeout = rule.and_then(|rule| rule.timeout).unwrap_or(timeout);
    // As in the file, 0 is no deadline.
    put("timeout", seconds(timeout.unwrap_or_default()));
    if let Some(max) = rule.and_then(|rule| rule.max_jobs) {
        put("max-jobs", json!(max));
    }
    if let Some(rule) = rule.filter(|rule| !rule.run_prefix.is_empty()) {
        let words = rule.run_prefix.iter();
        put("run-prefix", words.map(|word| text(word)).collect());
    }
    limits
}

/// The values of an execution that are not the server's own.
pub(super) fn of_execution(execution: &Execution) -> BTreeMap<String, Value> {
    let run_as = match &execution.run_as {
        Some(RunAs::User(account)) => Some(json!(account.name)),
        Some(RunAs::Peer) => Some(json!("peer")),
        None => None,
    };
    let no_new_privileges = execution.has_no_new_privileges().then_some(true);
    let all = [
        ("run-as", run_as),
        ("no-new-privileges", no_new_privileges.map(Value::from)),
        ("contain", execution.contain.map(Value::from)),
        ("detach", execution.detach.map(Value::from)),
        ("memory-max", execution.memory_max.map(Value::from)),
        ("tasks-max", execution.tasks_max.map(Value::from)),
        ("cpu-weight", execution.cpu_weight.map(Value::from)),
        ("limits", resources(execution)),
        ("nice", execution.nice.map(Value::from)),
        (
            "umask",
            execution.umask.map(|mask| json!(format!("{mask:04o}"))),
        ),
        ("directory", execution.directory.as_deref().map(text)),
        ("environment", variables(execution)),
        ("stdin", execution.stdin.map(Value::from)),
    ];
    let given = all.into_iter();
    let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}

fn resources(execution: &Execution) -> Option<Value> {
    let all = Resource::ALL.into_iter();
    let limited = all.filter_map(|resource| {
        let limit = execution.limits.get(resource)?;
        Some((resource.name().to_owned(), json!(limit)))
    });
    let map: Map<_, _> = limited.collect();
    (!map.is_empty()).then(|| map.into())
}

fn variables(execution: &Execution) -> Option<Value> {
    let all = execution.environment.iter();
    let map: Map<_, _> = all
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    (!map.is_empty()).then(|| map.into())
}

/// A whole number where it is one.
fn seconds(time: Duration) -> Value {
    match time.subsec_nanos() {
        0 => time.as_secs().into(),
        _ => time.as_secs_f64().into(),
    }
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}
