//! Which rule decides about a request, with which limits, and why those before it do not: without
//! a request, by the same functions that decide about one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::guard::{not_found, obstacle, refusal};
use crate::config::Config;
use crate::control::explained::{self, Explained};
use crate::control::question::Question;
use crate::execution::{Execution, Resource, RunAs};
use crate::os::lookup::Lookup;
use crate::rules::{Aspect, Request, Rule, Rules};

/// Explains the decision that a server with this configuration makes, which searches programs in
/// `path`.
pub fn explain(config: &Config, path: &[u8], question: &Question) -> Explained {
    let directory = std::env::current_dir().ok();
    let lookup = Lookup::new(path, directory.as_deref());
    let timeout = config.settings.timeout;
    by_rules((&config.rules, &lookup), timeout, question)
}

/// Explains the decision of rules; `timeout` is the general one.
pub(super) fn by_rules(
    (rules, lookup): (&Rules, &Lookup),
    timeout: Option<Duration>,
    question: &Question,
) -> Explained {
    let explained = Explained {
        user: question.user,
        groups: question.groups.clone(),
        label: question.label.clone(),
        program: question.program.clone(),
        arguments: question.arguments.clone(),
        ..Explained::default()
    };
    if rules.allow_everything() {
        return Explained {
            allowed: true,
            reason: Some("there are no rules".into()),
            limits: limits(None, rules.general(), timeout),
            ..explained
        };
    }
    let file = match lookup.resolve(question.program.as_bytes()) {
        Ok(file) => file,
        Err(error) => {
            return Explained {
                reason: Some(format!("before any rule is asked: {}", not_found(error))),
                ..explained
            };
        }
    };
    decided(rules, &file, timeout, question, explained)
}

/// The decision about a program whose file is known.
fn decided(
    rules: &Rules,
    file: &[u8],
    timeout: Option<Duration>,
    question: &Question,
    explained: Explained,
) -> Explained {
    let arguments: Vec<_> = question.arguments.iter().map(String::as_bytes).collect();
    let explanation = rules.explain(&Request {
        peer: question.user.map(|user| (user, &question.groups[..])),
        label: question.label.as_deref().map(str::as_bytes),
        program: file,
        arguments: &arguments,
    });
    let index = explanation.decision.ok().flatten();
    let rule = index.and_then(|index| rules.get(index));
    let refused = match (explanation.decision, rule, index) {
        (Err(no_rule), ..) => Some(refusal(no_rule)),
        (Ok(_), Some(rule), Some(index)) => obstacle(rule, &rules.title(index), file),
        (Ok(_), ..) => None,
    };
    let passed_over = explanation.passed_over.iter();
    let asked = passed_over
        .map(|aspects| names(aspects))
        .chain(index.map(|_| Vec::new()));
    let asked = asked
        .enumerate()
        .map(|(index, mismatches)| explained::Rule {
            number: index as u64 + 1,
            name: rules.get(index).and_then(|rule| rule.name.clone()),
            mismatches,
        });
    let reason = match (&refused, rule) {
        (Some(refusal), _) => Some(refusal.to_string()),
        (None, None) => Some("no rule matches, and the default is to allow".into()),
        (None, Some(_)) => None,
    };
    let execution = rule.map_or(rules.general(), |rule| &rule.execution);
    Explained {
        program: String::from_utf8_lossy(file).into_owned(),
        rules: asked.collect(),
        allowed: refused.is_none(),
        reason,
        limits: match refused {
            None => limits(rule, execution, timeout),
            Some(_) => BTreeMap::new(),
        },
        ..explained
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
fn limits(
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
fn of_execution(execution: &Execution) -> BTreeMap<String, Value> {
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
