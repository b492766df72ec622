//! The table: its heading and the rows that are in sight, with as many columns as fit.

use super::column::{Align, Column, Mark, Row};
use super::line::{Colour, Line, Style, cut};
use super::view::View;
use crate::output::printable;

/// The widest that a column may be, except for the last one.
const CELL_MAX: usize = 20;

/// The last column has as much as this before others appear.
const LAST: usize = 16;

/// The width of the mark at the beginning of a row, with a blank.
const MARK: usize = 2;

/// The columns of a table that fit, and their widths. The last one takes the rest.
#[derive(Debug)]
pub struct Grid<'a> {
    columns: &'a [Column],
    widths: Vec<usize>,
    shown: Vec<usize>,
    width: usize,
}

impl<'a> Grid<'a> {
    /// Chooses the columns.
    pub fn new(columns: &'a [Column], rows: &[Row], width: usize) -> Self {
        let widest = |n: usize| {
            let cells = rows.iter().map(|row| printable(&row.cells[n].text).len());
            let most = cells.max().unwrap_or(0).max(columns[n].name.len());
            most.min(CELL_MAX).max(columns[n].width)
        };
        let last = columns.len() - 1;
        let widths = (0..columns.len()).map(|n| if n == last { LAST } else { widest(n) });
        let widths: Vec<_> = widths.collect();
        let mut shown: Vec<_> = (0..columns.len()).collect();
        let needed = |shown: &[usize]| MARK + shown.iter().map(|&n| 1 + widths[n]).sum::<usize>();
        while needed(&shown) > width {
            let least = shown.iter().max_by_key(|&&n| columns[n].rank).copied();
            let Some(least) = least.filter(|&n| columns[n].rank > 0) else {
                break;
            };
            shown.retain(|&n| n != least);
        }
        Self {
            columns,
            widths,
            shown,
            width,
        }
    }

    /// The names of the columns.
    pub fn heading(&self, view: &View) -> Line {
        let mut line = Line::new(self.width);
        line.pad(Style::HEADING, MARK);
        for &n in &self.shown {
            let bold = n == view.sort;
            let style = Style {
                bold,
                ..Style::HEADING
            };
            self.put(&mut line, n, style, self.columns[n].name);
        }
        line.fill(Style::HEADING);
        line
    }

    /// A row.
    pub fn row(&self, row: &Row, selected: bool) -> Line {
        let colour = match row.mark {
            Mark::None => None,
            Mark::Late => Some(Colour::Yellow),
            Mark::Failed => Some(Colour::Red),
        };
        let style = Style {
            colour,
            reverse: selected,
            ..Style::PLAIN
        };
        let mut line = Line::new(self.width);
        line.push(style, row.mark.sign());
        line.pad(style, MARK - 1);
        for &n in &self.shown {
            self.put(&mut line, n, style, &row.cells[n].text);
        }
        if selected {
            line.fill(style);
        }
        line
    }

    fn put(&self, line: &mut Line, n: usize, style: Style, text: &str) {
        if n + 1 == self.columns.len() {
            line.push(style, text);
            return;
        }
        let text = cut(printable(text), self.widths[n]);
        let room = self.widths[n] - text.len();
        match self.columns[n].align {
            Align::Left => {
                line.push(style, &text);
                line.pad(style, room + 1);
            }
            Align::Right => {
                line.pad(style, room);
                line.push(style, &text);
                line.pad(style, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Cell, Key};
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::number("ID", 0, 0),
        Column::text("USER", 0, 2),
        Column::text("RULE", 0, 5),
        Column::text("COMMAND", 0, 0),
    ];

    fn row(mark: Mark) -> Row {
        let cells = ["12", "www-data", "\x1b[2J", "sleep 100 and more of it"];
        Row {
            key: Key::Job(12),
            mark,
            cells: cells.map(Cell::text).to_vec(),
        }
    }

    fn text(width: usize) -> [String; 2] {
        let rows = [row(Mark::Late)];
        let grid = Grid::new(&COLUMNS, &rows, width);
        [grid.heading(&View::new(0)), grid.row(&rows[0], false)].map(|line| line.text())
    }

    #[test]
    fn columns_of_little_interest_make_room_for_the_last() {
        let wide = [
            "  ID USER     RULE      COMMAND",
            "! 12 www-data \\u{1b}[2J sleep 100 and more of it",
        ];
        assert_eq!(text(80), wide);
        assert_eq!(text(40)[1], "! 12 www-data sleep 100 and more of it");
        assert_eq!(text(30)[1], "! 12 sleep 100 and more of it");
        assert_eq!(text(14), ["  ID COMMAND", "! 12 sleep 10>"]);
        for width in 0..80 {
            assert!(text(width).iter().all(|line| line.len() <= width));
        }
    }

    #[test]
    fn a_selected_row_is_reversed_over_its_whole_width_and_keeps_its_colour() {
        let rows = [row(Mark::Failed)];
        let line = Grid::new(&COLUMNS, &rows, 80).row(&rows[0], true);
        assert_eq!(line.left(), 0);
        for (style, _) in line.pieces() {
            assert!(style.reverse && style.colour == Some(Colour::Red));
        }
    }
}
