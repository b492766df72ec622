//! The view of one table: its order, the selected row, and the first row on the screen.
//!
//! A selected row stays selected while rows move, and is scrolled into sight. As long as none is
//! selected, the first row counts as selected, whichever it is: so a list that grows at its top
//! shows its top.

use super::column::{Column, Key, Row};

/// A step through the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

/// The view of a table.
#[derive(Clone, Debug)]
pub struct View {
    /// The column that decides about the order.
    pub sort: usize,
    /// The user wants the opposite of that column's usual order.
    pub turned: bool,
    selected: Option<Key>,
    /// The place where the selected row was last seen.
    place: usize,
    /// The first row on the screen.
    top: usize,
}

impl View {
    pub fn new(sort: usize) -> Self {
        Self {
            sort,
            turned: false,
            selected: None,
            place: 0,
            top: 0,
        }
    }

    /// Whether the largest comes first.
    pub fn falling(&self, columns: &[Column]) -> bool {
        columns[self.sort].falling != self.turned
    }

    /// Puts rows in order. Equal ones are in the order of their keys.
    pub fn arrange(&self, rows: &mut [Row], columns: &[Column]) {
        let falling = self.falling(columns);
        rows.sort_by(|a, b| {
            let others = (a.key == Key::Others).cmp(&(b.key == Key::Others));
            let (left, right) = (&a.cells[self.sort].value, &b.cells[self.sort].value);
            let order = others.then_with(|| left.compare(right, falling));
            order.then_with(|| a.key.cmp(&b.key))
        });
    }

    /// Sorts by the next column to the right or to the left.
    pub fn sort_by_next(&mut self, columns: &[Column], right: bool) {
        let step = if right { 1 } else { columns.len() - 1 };
        self.sort = (self.sort + step) % columns.len();
        self.turned = false;
    }

    /// Follows the rows: where the selected one is now, and which is the first in a window of this
    /// height.
    pub fn follow(&mut self, rows: &[Row], height: usize) {
        let last = rows.len().saturating_sub(1);
        if let Some(key) = &self.selected {
            match rows.iter().position(|row| row.key == *key) {
                Some(place) => self.place = place,
                // It has gone: the one that is at its place now.
                None => {
                    self.place = self.place.min(last);
                    self.selected = rows.get(self.place).map(|row| row.key.clone());
                }
            }
        } else {
            self.place = 0;
        }
        let highest = self.place.saturating_sub(height.saturating_sub(1));
        let lowest = rows.len().saturating_sub(height);
        self.top = self.top.clamp(highest, self.place.max(highest)).min(lowest);
    }

    /// Moves the selection.
    pub fn step(&mut self, step: Step, rows: &[Row], height: usize) {
        let last = rows.len().saturating_sub(1);
        let page = height.saturating_sub(1).max(1);
        let place = match step {
            Step::Up => self.place.saturating_sub(1),
            Step::Down => self.place + 1,
            Step::PageUp => self.place.saturating_sub(page),
            Step::PageDown => self.place + page,
            Step::First => 0,
            Step::Last => last,
        };
        self.place = place.min(last);
        self.selected = rows.get(self.place).map(|row| row.key.clone());
        if step == Step::First {
            self.selected = None;
        }
        self.follow(rows, height);
    }

    /// The place of the selected row.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The first row on the screen.
    pub fn top(&self) -> usize {
        self.top
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Cell, Mark};
    use super::*;

    const COLUMNS: [Column; 2] = [
        Column::number("ID", 0, 0).rising(),
        Column::text("NAME", 0, 0),
    ];

    fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
        let row = |id: u64| Row {
            key: Key::Job(id),
            mark: Mark::None,
            cells: vec![Cell::count(id), Cell::text(format!("{}", id % 3))],
        };
        ids.into_iter().map(row).collect()
    }

    fn ids(rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| row.cells[0].text.clone()).collect()
    }

    #[test]
    fn rows_are_in_the_order_of_a_column() {
        let mut view = View::new(0);
        let mut some = rows([3, 1, 2, 4]);
        view.arrange(&mut some, &COLUMNS);
        assert_eq!(ids(&some), ["1", "2", "3", "4"]);
        view.turned = true;
        view.arrange(&mut some, &COLUMNS);
        assert_eq!(ids(&some), ["4", "3", "2", "1"]);
        view.sort_by_next(&COLUMNS, true);
        view.arrange(&mut some, &COLUMNS);
        assert_eq!(ids(&some), ["3", "1", "4", "2"]);
        view.sort_by_next(&COLUMNS, true);
        assert_eq!(view.sort, 0);
        view.sort_by_next(&COLUMNS, false);
        assert_eq!(view.sort, 1);
    }

    #[test]
    fn all_others_come_last_in_both_directions() {
        let mut view = View::new(0);
        let mut some = rows([2, 1]);
        some[0].key = Key::Others;
        for turned in [false, true] {
            view.turned = turned;
            view.arrange(&mut some, &COLUMNS);
            assert_eq!(some[1].key, Key::Others);
        }
    }

    #[test]
    fn the_selection_stays_on_its_row_and_in_sight() {
        let mut view = View::new(0);
        let before = rows(1..=10);
        view.follow(&before, 4);
        view.step(Step::Down, &before, 4);
        view.step(Step::Down, &before, 4);
        assert_eq!((view.place(), view.top()), (2, 0));
        // Five rows come before it.
        let after = rows((20..25).chain(1..=10));
        view.follow(&after, 4);
        assert_eq!((view.place(), view.top()), (7, 4));
        // It goes: the one at its place is selected.
        let gone = rows((20..25).chain([1, 2]).chain(4..=10));
        view.follow(&gone, 4);
        assert_eq!((view.place(), ids(&gone)[7].as_str()), (7, "4"));
        view.follow(&rows([4]), 4);
        assert_eq!((view.place(), view.top()), (0, 0));
        view.follow(&[], 4);
        view.step(Step::Down, &[], 4);
        assert_eq!((view.place(), view.top()), (0, 0));
    }

    #[test]
    fn nothing_selected_means_the_first_row_whichever_it_is() {
        let mut view = View::new(0);
        view.follow(&rows(5..=10), 3);
        view.follow(&rows(1..=10), 3);
        assert_eq!((view.place(), view.top()), (0, 0));
        let some = rows(1..=10);
        view.step(Step::Last, &some, 3);
        assert_eq!((view.place(), view.top()), (9, 7));
        view.step(Step::First, &some, 3);
        view.follow(&rows([0].into_iter().chain(1..=10)), 3);
        assert_eq!((view.place(), view.top()), (0, 0));
    }

    #[test]
    fn pages_are_a_window_less_one_row() {
        let mut view = View::new(0);
        let some = rows(1..=20);
        view.step(Step::PageDown, &some, 5);
        assert_eq!((view.place(), view.top()), (4, 0));
        view.step(Step::PageDown, &some, 5);
        assert_eq!((view.place(), view.top()), (8, 4));
        view.step(Step::PageUp, &some, 5);
        assert_eq!((view.place(), view.top()), (4, 4));
        view.step(Step::PageUp, &some, 5);
        assert_eq!((view.place(), view.top()), (0, 0));
        for height in 0..3 {
            view.step(Step::PageDown, &some, height);
            assert!(view.top() <= view.place());
        }
    }

    #[test]
    fn a_window_that_grows_is_filled() {
        let mut view = View::new(0);
        let some = rows(1..=10);
        view.step(Step::Last, &some, 3);
        view.follow(&some, 8);
        assert_eq!(view.top(), 2);
    }
}
