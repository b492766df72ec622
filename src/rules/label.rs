//! The security label of a client, as the kernel's security module has it, and the labels that a
//! rule matches: all of it, or its beginning in front of a `*`.

use std::str::FromStr;

/// A label of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// This one.
    Exact(Vec<u8>),
    /// Each label that begins with this. Empty: each client that has a label.
    Prefix(Vec<u8>),
}

impl Label {
    /// Whether it matches a client's label.
    pub fn matches(&self, label: &[u8]) -> bool {
        match self {
            Self::Exact(own) => own == label,
            Self::Prefix(own) => label.starts_with(own),
        }
    }
}

impl FromStr for Label {
    /// What is accepted.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (label, prefix) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if label.contains(['*', '\0']) || text.is_empty() {
            return Err("a security label, or the beginning of one and a \"*\" at the end");
        }
        let label = label.into();
        Ok(if prefix {
            Self::Prefix(label)
        } else {
            Self::Exact(label)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_matches_whole_or_by_its_beginning() {
        let apache = "system_u:system_r:httpd_t:s0";
        for (own, label, decision) in [
            (apache, apache, true),
            (apache, "system_u:system_r:httpd_t:s0:c1", false),
            ("system_u:system_r:httpd_t:*", apache, true),
            (
                "system_u:system_r:httpd_t:*",
                "system_u:system_r:httpd_tt:s0",
                false,
            ),
            ("nginx (enforce)", "nginx (enforce)", true),
            ("nginx (enforce)", "nginx (complain)", false),
            ("*", "unconfined", true),
            ("*", "", true),
            ("a", "", false),
        ] {
            let rule: Label = own.parse().unwrap();
            assert_eq!(rule.matches(label.as_bytes()), decision, "{own} {label}");
        }
    }

    #[test]
    fn a_star_is_at_the_end_only() {
        for text in ["", "*_t", "a*b", "**", "a\0"] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
    }
}
