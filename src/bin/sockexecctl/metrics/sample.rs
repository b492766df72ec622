//! One sample of a metric: a line with its name, its labels and its value.
//!
//! A server sends what it likes: work grows with the length of the line, and no faster.

use std::collections::HashSet;

/// The label that distinguishes servers.
pub const LABEL: &str = "instance";

pub fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A sample of this metric with one more label in front. `None`: the line is not one.
pub fn with_label(line: &str, metric: &str, kind: &str, label: &str) -> Option<String> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let suffixes: &[&str] = match kind {
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => &[""],
    };
    if !suffixes.contains(&name.strip_prefix(metric)?) {
        return None;
    }
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => split_labels(rest)?,
        None => ("", rest),
    };
    let value = value.strip_prefix(' ')?;
    is_value(value).then_some(())?;
    let comma = if labels.is_empty() { "" } else { "," };
    Some(format!("{name}{{{label}{comma}{labels}}} {value}\n"))
}

/// Splits text behind its labels and the brace after them. `None`: these are no labels, or one of
/// them is the one that is added here.
fn split_labels(text: &str) -> Option<(&str, &str)> {
    let mut names = HashSet::new();
    let mut rest = text;
    loop {
        let (name, value) = rest.split_once("=\"")?;
        if !is_name(name) || name == LABEL || !names.insert(name) {
            return None;
        }
        rest = after_value(value)?;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    let after = rest.strip_prefix('}')?;
    Some((&text[..text.len() - rest.len()], after))
}

/// The text behind the value of a label and the quotation mark after it.
fn after_value(text: &str) -> Option<&str> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(&text[at + 1..]),
            '\\' => {
                let (_, escape) = chars.next()?;
                if !['\\', '"', 'n'].contains(&escape) {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether Prometheus reads this as a number. It refuses one that is too large, and with it all others.
fn is_value(text: &str) -> bool {
    let is_word = ["+Inf", "-Inf", "Inf", "NaN"].contains(&text);
    is_word || text.parse().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_prometheus_reads() {
        for value in ["0", "-1", "1.5", "1e300", "1e-400", "+Inf", "-Inf", "NaN"] {
            assert!(is_value(value), "{value}");
        }
        for value in [
            "1e309", "-1e309", "", " 1", "0x1", "1_0", "one", "--1", "1e",
        ] {
            assert!(!is_value(value), "{value}");
        }
    }
}
