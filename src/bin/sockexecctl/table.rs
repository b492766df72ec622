//! Columns, and lines that wrap, within a width.
//!
//! All text is made printable here, so that a character takes one column. Without a width nothing
//! is cut, and lines wrap at 80 columns.

use crate::output::printable;

/// The column at which lines wrap if no width is given.
const WIDTH: usize = 80;

/// The maximum number of characters of a cell, except for the last one of a row.
const CELL_MAX: usize = 48;

/// The alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A label and the items that follow it.
#[derive(Debug)]
pub struct Row {
    pub label: &'static str,
    pub items: Vec<String>,
}

/// A table: headings, then rows. Columns are as wide as their longest cell; the last takes the
/// remaining width and is cut at `width`.
pub fn columns<const N: usize>(
    headings: [(&str, Align); N],
    rows: &[[String; N]],
    width: Option<usize>,
) -> Vec<String> {
    let clean = |cells: [&str; N]| {
        let mut place = 0;
        cells.map(|cell| {
            place += 1;
            let cell = printable(cell);
            if place < N {
                cut(cell, Some(CELL_MAX))
            } else {
                cell
            }
        })
    };
    let mut all = vec![clean(headings.map(|(heading, _)| heading))];
    all.extend(
        rows.iter()
            .map(|row| clean(row.each_ref().map(String::as_str))),
    );
    let widths: [usize; N] =
        std::array::from_fn(|n| all.iter().map(|row| row[n].len()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (n, cell) in row.iter().enumerate() {
            let wide = widths[n];
            match headings[n].1 {
                _ if n + 1 == N => line.push_str(cell),
                Align::Left => line.push_str(&format!("{cell:<wide$} ")),
                Align::Right => line.push_str(&format!("{cell:>wide$} ")),
            }
        }
        cut(line.trim_end().to_owned(), width)
    };
    all.iter().map(line).collect()
}

/// Rows of labels and items. Items that do not fit go to the next line, under the first.
pub fn wrap(rows: &[Row], width: Option<usize>) -> Vec<String> {
    let longest = rows.iter().map(|row| row.label.len()).max().unwrap_or(0);
    let indent = longest + 2;
    let mut lines = Vec::new();
    for row in rows {
        let mut line = format!("{:<longest$}", row.label);
        for item in &row.items {
            let item = printable(item);
            let first = line.len() <= longest;
            if !first && line.len() + 2 + item.len() > width.unwrap_or(WIDTH) {
                lines.push(cut(line, width));
                line = " ".repeat(indent - 2);
            }
            line.push_str("  ");
            line.push_str(&item);
        }
        lines.push(cut(line.trim_end().to_owned(), width));
    }
    lines
}

/// At most `width` characters of printable text; a cut text ends with `>`.
pub fn cut(mut text: String, width: Option<usize>) -> String {
    if let Some(width) = width.filter(|&width| text.len() > width) {
        text.truncate(width.saturating_sub(1));
        if width > 0 {
            text.push('>');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_the_last_is_cut() {
        let headings = [
            ("ID", Align::Right),
            ("STATE", Align::Left),
            ("COMMAND", Align::Left),
        ];
        let rows = [
            ["7", "running", "sleep 100"].map(String::from),
            ["1234", "x", "\x1b[2J"].map(String::from),
        ];
        assert_eq!(
            columns(headings, &rows, None),
            [
                "  ID STATE   COMMAND",
                "   7 running sleep 100",
                "1234 x       \\u{1b}[2J",
            ]
        );
        assert_eq!(columns(headings, &rows, Some(18))[1], "   7 running slee>");
        for width in 0..30 {
            for line in columns(headings, &rows, Some(width)) {
                assert!(line.len() <= width);
            }
        }
        let long = [["1".into(), "y".repeat(1000), String::new()]];
        assert!(columns(headings, &long, None)[1].len() < 60);
    }

    #[test]
    fn items_wrap_under_the_first() {
        let row = |label, items: &[&str]| Row {
            label,
            items: items.iter().map(ToString::to_string).collect(),
        };
        let rows = [
            row("jobs", &["1 aaaa", "2 bbbb", "3 cccc"]),
            row("memory", &["5M"]),
        ];
        assert_eq!(
            wrap(&rows, Some(24)),
            ["jobs    1 aaaa  2 bbbb", "        3 cccc", "memory  5M"]
        );
        for width in 0..30 {
            for line in wrap(&rows, Some(width)) {
                assert!(line.len() <= width);
            }
        }
        assert_eq!(wrap(&[row("none", &[])], None), ["none"]);
    }
}
