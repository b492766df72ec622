//! The answer to `explain`, and its text.
//!
//! ```text
//! client: uid 33, groups 33, no security label
//! request: /usr/bin/systemctl stop nginx.service
//! rule 1 (backup): does not match: it is for other clients
//! rule 2 (status): does not match: it is for other arguments
//! rule 3 (admin): decides: the request is allowed
//!   max-jobs = 2
//!   timeout = 60
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The decision about a request, with its reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Explained {
    /// The user of the client.
    pub user: Option<u32>,
    /// Its groups.
    pub groups: Vec<u32>,
    /// Its security label.
    pub label: Option<String>,
    /// The path of the program, or its name where the rules need no path.
    pub program: String,
    /// The arguments of the program.
    pub arguments: Vec<String>,
    /// The rules that were asked, in order. The last one decides, if it matches.
    pub rules: Vec<Rule>,
    /// Whether the request is allowed.
    pub allowed: bool,
    /// Why not, as the client is informed, or why it is allowed without a rule.
    pub reason: Option<String>,
    /// The limits of the program, by the names of their keys in the configuration file.
    pub limits: BTreeMap<String, Value>,
}

/// A rule that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Rule {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its name.
    pub name: Option<String>,
    /// The aspects of the request that do not match: `client`, `label`, `program`, `arguments`.
    pub mismatches: Vec<String>,
}

impl Explained {
    /// The text for people, in lines.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("client: {}", self.client()),
            format!("request: {}", self.request()),
        ];
        lines.extend(self.rules.iter().map(|rule| self.of_rule(rule)));
        if let Some(reason) = &self.reason {
            lines.push(format!("decision: {}: {reason}", self.decision()));
        }
        let limits = self.limits.iter();
        lines.extend(limits.map(|(name, value)| format!("  {name} = {value}")));
        lines
    }

    fn client(&self) -> String {
        let user = self.user.map_or("unknown".into(), |user| user.to_string());
        let groups: Vec<_> = self.groups.iter().map(ToString::to_string).collect();
        let groups = match groups.is_empty() {
            true => "no groups".into(),
            false => format!("groups {}", groups.join(" ")),
        };
        let label = match &self.label {
            Some(label) => format!("security label {label}"),
            None => "no security label".into(),
        };
        format!("uid {user}, {groups}, {label}")
    }

    fn request(&self) -> String {
        let arguments = self.arguments.iter();
        let words = [&self.program].into_iter().chain(arguments);
        let words: Vec<_> = words.map(|word| quoted(word)).collect();
        words.join(" ")
    }

    fn of_rule(&self, rule: &Rule) -> String {
        let name = rule.name.as_ref().map(|name| format!(" ({name})"));
        let head = format!("rule {}{}", rule.number, name.unwrap_or_default());
        match rule.mismatches.is_empty() {
            true => format!("{head}: decides: the request is {}", self.decision()),
            false => {
                let others: Vec<_> = rule.mismatches.iter().map(|aspect| other(aspect)).collect();
                format!("{head}: does not match: it is for {}", others.join(", "))
            }
        }
    }

    fn decision(&self) -> &'static str {
        match self.allowed {
            true => "allowed",
            false => "refused",
        }
    }
}

/// What a rule is for that does not match this aspect of a request.
fn other(aspect: &str) -> String {
    match aspect {
        "client" => "other clients".into(),
        "label" => "other security labels".into(),
        "program" => "other programs".into(),
        "arguments" => "other arguments".into(),
        newer => format!("another {newer}"),
    }
}

/// A word, in quotes if it is not clear where it ends.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,+@%=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("{word:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn explained() -> Explained {
        serde_json::from_value(json!({
            "user": 33, "groups": [33, 7], "label": null,
            "program": "/usr/bin/systemctl", "arguments": ["stop", "a b", ""],
            "rules": [
                {"number": 1, "name": "backup", "mismatches": ["client", "program"]},
                {"number": 2, "name": null, "mismatches": ["label", "arguments"]},
                {"number": 3, "name": "admin", "mismatches": []},
            ],
            "allowed": true, "reason": null,
            "limits": {"max-jobs": 2, "run-as": "peer", "run-prefix": ["nice", "-n", "5"]},
        }))
        .unwrap()
    }

    #[test]
    fn the_text_has_the_decision_and_its_reasons() {
        let lines = explained().lines();
        assert_eq!(
            lines,
            [
                "client: uid 33, groups 33 7, no security label",
                "request: /usr/bin/systemctl stop \"a b\" \"\"",
                "rule 1 (backup): does not match: it is for other clients, other programs",
                "rule 2: does not match: it is for other security labels, other arguments",
                "rule 3 (admin): decides: the request is allowed",
                "  max-jobs = 2",
                "  run-as = \"peer\"",
                "  run-prefix = [\"nice\",\"-n\",\"5\"]",
            ]
        );
    }

    #[test]
    fn a_decision_without_a_rule_has_its_reason() {
        let explained = Explained {
            label: Some("web_t".into()),
            program: "id".into(),
            reason: Some("there are no rules".into()),
            allowed: true,
            ..Explained::default()
        };
        let lines = explained.lines();
        assert_eq!(
            lines,
            [
                "client: uid unknown, no groups, security label web_t",
                "request: id",
                "decision: allowed: there are no rules",
            ]
        );
    }

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let written = serde_json::to_value(explained()).unwrap();
        let keys: Vec<_> = written.as_object().unwrap().keys().collect();
        let expected = [
            "allowed",
            "arguments",
            "groups",
            "label",
            "limits",
            "program",
            "reason",
            "rules",
            "user",
        ];
        assert_eq!(keys, expected);
        let newer = json!({"rules": [{"mismatches": ["time"]}], "more": 1});
        let newer: Explained = serde_json::from_value(newer).unwrap();
        assert!(newer.lines()[2].ends_with("does not match: it is for another time"));
    }
}
