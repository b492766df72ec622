//! The answer to `rules`: the rules in force, in order.
//!
//! As in [`payload`](super::payload), reading takes other versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RulesInForce {
    /// A sentence about them all.
    pub summary: String,
    /// `allow` or `deny`: the decision about a request that no rule matches.
    pub default: String,
    /// How programs are executed that no rule is about, if that is not as the server is.
    pub others: Option<String>,
    /// The rules; the first one that matches decides.
    pub rules: Vec<RuleInForce>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RuleInForce {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its name.
    pub name: Option<String>,
    /// A line about it.
    pub text: String,
    /// The users that it is for.
    pub users: Vec<u32>,
    /// The groups that it is for. Without both it is for every client.
    pub groups: Vec<u32>,
    /// The security labels that it is for, or the beginnings of some.
    pub labels: Vec<String>,
    /// The programs that it is for, as in the file; none stands for all.
    pub programs: Vec<String>,
    /// How many lists of arguments it has; zero: it is for all arguments.
    pub arguments: u64,
    /// The limits of its programs, by the names of their keys in the configuration file.
    pub limits: BTreeMap<String, Value>,
    /// Programs that run under it.
    pub running: u64,
    /// Requests that wait for one of them to end.
    pub waiting: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let answer = json!({"summary": "1 rule", "default": "deny", "others": null, "rules": [
            {"number": 1, "name": "web", "text": "rule 1 (web): ...", "users": [33], "groups": [],
                "labels": ["web_t"], "programs": ["/srv/"], "arguments": 2,
                "limits": {"max-jobs": 3}, "running": 1, "waiting": 2}]});
        let read: RulesInForce = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), answer);
        let other: RulesInForce = serde_json::from_value(json!({"rules": [{"new": 1}]})).unwrap();
        assert_eq!(other.rules.len(), 1);
    }
}
