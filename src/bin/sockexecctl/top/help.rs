//! The page about the keys, which `?` shows.

use super::line::{Line, Style, broken};

pub const TITLE: &str = "sockexecctl top: keys, marks and columns";

const HELP: &[(&str, &str)] = &[
    (
        "1 to 6",
        "a tab: running, recent, failed, programs, users, rules",
    ),
    (
        "Tab, Right",
        "the next tab; Shift-Tab and Left for the one before",
    ),
    ("Up, Down", "select a row; PgUp, PgDn, Home, End by more"),
    ("Enter", "all about the selected row"),
    ("/", "show only rows with some text; Esc shows all again"),
    ("< >", "sort by the column to the left or to the right"),
    ("r", "turn the order around"),
    ("k", "kill: send TERM to the selected job, after a question"),
    ("K", "the same with another signal"),
    ("Ctrl-L", "draw the screen again"),
    ("q", "quit"),
    ("", ""),
    ("!", "a job for which 80 % of its time is over (yellow)"),
    ("x", "a job that has failed (red)"),
    ("LEFT", "time to the deadline"),
    (
        "CPU",
        "processor time of the job's processes; 100% is one processor",
    ),
    (
        "MEM",
        "their resident memory; that of a job that has ended at its peak",
    ),
    ("IN/s OUT/s", "bytes a second, with standard error in OUT/s"),
    ("-", "not known"),
];

/// The lines of the page, in this width.
pub fn lines(width: usize) -> Vec<Line> {
    let indent = 12.min(width / 2);
    let mut lines = Vec::new();
    for (key, text) in HELP {
        let mut key = *key;
        for piece in words(text, width.saturating_sub(indent)) {
            let mut line = Line::new(width);
            line.push(Style::BOLD, key);
            line.pad(Style::PLAIN, indent.saturating_sub(key.len()));
            line.push(Style::PLAIN, &piece);
            lines.push(line);
            key = "";
        }
    }
    lines
}

/// Text in lines of at most this width, broken between words where that is possible.
fn words(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        for piece in broken(word, width) {
            match lines.last_mut() {
                Some(line) if line.is_empty() => *line = piece,
                Some(line) if line.len() + 1 + piece.len() <= width => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_any_width() {
        for width in 1..100 {
            for line in lines(width) {
                assert!(line.text().len() <= width);
            }
        }
        assert_eq!(lines(80).len(), HELP.len());
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(words("one two three", 8), ["one two", "three"]);
        assert_eq!(words("abcdef g", 3), ["abc", "def", "g"]);
    }
}
