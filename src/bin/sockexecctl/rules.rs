//! The text of `rules`.

use sockexec::control::rules::RulesInForce;

use crate::output::printable;
use crate::table::{self, Align};

/// A line about each rule, in order, and those about all other requests.
pub fn text(answer: &RulesInForce, width: Option<usize>) -> Vec<String> {
    use Align::{Left, Right};
    let headings = [("RUNNING", Right), ("WAITING", Right), ("RULE", Left)];
    let rows = answer.rules.iter().map(|rule| {
        [
            rule.running.to_string(),
            rule.waiting.to_string(),
            rule.text.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let mut lines = match rows.is_empty() {
        true => Vec::new(),
        false => table::columns(headings, &rows, width),
    };
    lines.extend(answer.others.as_deref().map(printable));
    lines.push(printable(&answer.summary));
    lines
}
