//! Mistyped names: which known one is meant.

/// How much two names must be alike, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The known name that a mistyped one is most like, if it is like any.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = name.to_lowercase().replace('_', "-");
    let alike = |key: &str| strsim::jaro(&plain, key.trim_matches(['[', ']']));
    let near = known.iter().copied().filter(|key| alike(key) > ALIKE);
    near.max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_one_like_it() {
        let known = ["timeout", "kill-timeout", "[[allow]]"];
        for (name, meant) in [
            ("timeuot", Some("timeout")),
            ("kill_timeout", Some("kill-timeout")),
            ("Allow", Some("[[allow]]")),
            ("mode", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
        }
    }
}
