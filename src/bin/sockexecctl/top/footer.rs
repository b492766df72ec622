//! The last line: what the user types or is asked, what has happened, or the keys and the place in
//! the table.

use super::line::{Line, Style, cut};
use super::model::{Mode, Model, Victim};
use super::tab::Tab;
use crate::output::printable;

/// The keys that are shown as far as there is room; `?` has them all.
const KEYS: [&str; 6] = [
    "? help",
    "q quit",
    "Enter details",
    "/ filter",
    KILL,
    "< > sort",
];

/// This one is of use for running jobs only.
const KILL: &str = "k kill";

/// The keys of a page of text.
const PAGE_KEYS: [&str; 2] = ["Esc back", "arrows scroll"];

/// The footer of the table.
pub fn table(model: &Model, width: usize) -> Line {
    match &model.mode {
        Mode::Filter(_) => typed(
            "filter: ",
            &model.filter,
            "Enter keeps it, Esc does not",
            width,
        ),
        Mode::Signal(victim, text) => {
            let what = format!("signal for job {}: ", victim.id);
            typed(&what, text, "such as KILL or HUP; Esc leaves", width)
        }
        Mode::Question(victim, signal) => question(victim, signal, width),
        _ => match &model.message {
            Some(message) if message.bad => Line::of(Style::BAD, &message.text, width),
            Some(message) => Line::of(Style::BOLD, &message.text, width),
            None => {
                let useful = |key: &&str| *key != KILL || model.tab == Tab::Running;
                let keys: Vec<_> = KEYS.into_iter().filter(useful).collect();
                ends(&keys, &place(model), width)
            }
        },
    }
}

/// The footer of a page of text, of which lines from `first` on are shown.
pub fn page(first: usize, shown: usize, all: usize, width: usize) -> Line {
    let place = match shown < all {
        true => format!("lines {}-{} of {all}", first + 1, first + shown),
        false => String::new(),
    };
    ends(&PAGE_KEYS, &place, width)
}

fn typed(label: &str, text: &str, hint: &str, width: usize) -> Line {
    let mut line = Line::of(Style::BOLD, label, width);
    // The end of a long text is where the user types.
    let text = printable(text);
    let room = line.left().saturating_sub(1);
    line.push(Style::PLAIN, &text[text.len().saturating_sub(room)..]);
    line.pad(Style::REVERSE, 1);
    if line.left() > hint.len() + 1 {
        line.push(Style::PLAIN, &format!("  {hint}"));
    }
    line
}

/// The question, with as much of the command as leaves the rest readable.
fn question(victim: &Victim, signal: &str, width: usize) -> Line {
    let (before, after) = (
        format!("kill job {} (", victim.id),
        format!(") with {}? y/n", printable(signal)),
    );
    let room = width.saturating_sub(before.len() + after.len());
    let title = cut(printable(&victim.title), room);
    Line::of(Style::WARNING, &format!("{before}{title}{after}"), width)
}

/// Which rows are shown, and their order.
fn place(model: &Model) -> String {
    let (rows, view) = (model.rows(), model.view());
    let columns = model.tab.columns();
    let (first, last) = (
        view.top() + 1,
        (view.top() + model.height()).min(rows.len()),
    );
    let order = match view.falling(columns) {
        true => "falling",
        false => "rising",
    };
    let place = match rows.len() {
        0 => "none".into(),
        all => format!("{first}-{last} of {all}"),
    };
    let filter = match &model.filter[..] {
        "" => String::new(),
        filter => format!(" with \"{}\"", cut(printable(filter), 16)),
    };
    format!("{place}{filter}, by {} {order}", columns[view.sort].name)
}

/// Keys at the left, as many as fit, and a text at the right end.
fn ends(keys: &[&str], right: &str, width: usize) -> Line {
    let mut line = Line::new(width);
    for key in keys {
        let gap = if line.left() == width { 0 } else { 2 };
        if gap + key.len() + 2 + right.len() > line.left() {
            break;
        }
        line.pad(Style::PLAIN, gap);
        line.push(Style::PLAIN, key);
    }
    let room = line.left().saturating_sub(right.len());
    line.pad(Style::PLAIN, room);
    line.push(Style::PLAIN, right);
    line
}
