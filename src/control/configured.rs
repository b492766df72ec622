//! The answer to `config`: the configuration in effect, and where each value came from.
//!
//! As in [`payload`](super::payload), reading takes other versions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Configured {
    /// The settings.
    pub settings: Vec<Entry>,
    /// How programs are executed that no rule executes in another way, and the rules as such.
    pub programs: Vec<Entry>,
    /// What the server was started with.
    pub startup: Vec<Entry>,
}

/// A value, and its origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// The value in effect; null is none.
    pub value: Value,
    /// `default`, `fallback`, `file`, `option`, `environment` or `set`.
    pub source: String,
    /// Where exactly: the file and the line, the option, or the variable.
    pub place: Option<String>,
    /// The value without any of those.
    pub default: Value,
    /// The value from the next start on, if that is another one.
    pub at_next_start: Option<Value>,
    /// Why the server does not use the value as it is.
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        let answer = json!({"settings": [{"name": "queue", "value": 1, "source": "file",
            "place": "/x:1", "default": 100, "at-next-start": 2, "note": null}],
            "programs": [], "startup": []});
        let read: Configured = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), answer);
    }
}
