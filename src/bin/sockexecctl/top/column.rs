//! What the tables of `top` consist of: columns, rows and cells, whatever they are about.

use std::cmp::Ordering;

pub use crate::table::Align;
use crate::units::UNKNOWN;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub align: Align,
    /// Where there is no room for all columns, those with the highest rank go first. Those of rank
    /// 0 stay.
    pub rank: u8,
    /// The least width, that of most of its cells: so the columns stay where they are.
    pub width: usize,
    /// By this column the largest comes first, unless the user turns it around.
    pub falling: bool,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str, width: usize, rank: u8) -> Self {
        Self {
            name,
            align: Align::Left,
            rank,
            width,
            falling: false,
        }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, width: usize, rank: u8) -> Self {
        Self {
            name,
            align: Align::Right,
            rank,
            width,
            falling: true,
        }
    }

    /// The same, with the smallest first.
    pub const fn rising(self) -> Self {
        Self {
            falling: false,
            ..self
        }
    }
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Text(String),
    Unknown,
}

impl Value {
    /// Unknown ones come last, in either direction.
    pub fn compare(&self, other: &Self, falling: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Unknown, Self::Unknown) => return Ordering::Equal,
            (Self::Unknown, _) => return Ordering::Greater,
            (_, Self::Unknown) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        };
        if falling { order.reverse() } else { order }
    }
}

/// A cell: its text, and its place among others.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub text: String,
    pub value: Value,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let value = match text.as_str() {
            UNKNOWN => Value::Unknown,
            text => Value::Text(text.to_lowercase()),
        };
        Self { text, value }
    }

    /// Text that may be unknown.
    pub fn maybe(text: Option<&str>) -> Self {
        Self::text(text.unwrap_or(UNKNOWN))
    }

    /// A number and its text.
    pub fn number(value: f64, text: impl FnOnce(f64) -> String) -> Self {
        Self {
            text: text(value),
            value: Value::Number(value),
        }
    }

    /// A number that may be unknown.
    pub fn known(value: Option<f64>, text: impl FnOnce(f64) -> String) -> Self {
        match value {
            Some(value) => Self::number(value, text),
            None => Self::text(UNKNOWN),
        }
    }

    pub fn count(value: u64) -> Self {
        Self::number(value as f64, |_| value.to_string())
    }

    /// A number of bytes that may be unknown.
    pub fn bytes(value: Option<u64>) -> Self {
        Self::known(value.map(|value| value as f64), |_| {
            crate::units::bytes(value.unwrap_or_default())
        })
    }
}

/// The identity of a row, while its figures and its place change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A job, by its number.
    Job(u64),
    /// A job that has ended, by the number of its end.
    Ended(u64),
    /// A program, a user or a rule.
    Group(String),
    /// All others together, which come last.
    Others,
}

/// What is special about a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    #[default]
    None,
    /// Most of its time is over.
    Late,
    Failed,
}

impl Mark {
    /// The mark for eyes that see no colours.
    pub fn sign(self) -> &'static str {
        match self {
            Self::None => " ",
            Self::Late => "!",
            Self::Failed => "x",
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: Key,
    pub mark: Mark,
    pub cells: Vec<Cell>,
}

impl Row {
    /// Whether any of its cells has this text, in capitals or not.
    pub fn matches(&self, wanted: &str) -> bool {
        let wanted = wanted.to_lowercase();
        let mut cells = self.cells.iter();
        wanted.is_empty() || cells.any(|cell| cell.text.to_lowercase().contains(&wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_come_last_in_both_directions() {
        let (one, two) = (Value::Number(1.0), Value::Number(2.0));
        assert_eq!(one.compare(&two, false), Ordering::Less);
        assert_eq!(one.compare(&two, true), Ordering::Greater);
        for falling in [false, true] {
            assert_eq!(one.compare(&Value::Unknown, falling), Ordering::Less);
            assert_eq!(Value::Unknown.compare(&one, falling), Ordering::Greater);
        }
    }

    #[test]
    fn a_filter_looks_into_each_cell() {
        let row = Row {
            key: Key::Job(1),
            mark: Mark::None,
            cells: vec![Cell::count(12), Cell::text("Sleep 100")],
        };
        for (wanted, is) in [("", true), ("12", true), ("sLEEP", true), ("13", false)] {
            assert_eq!(row.matches(wanted), is, "{wanted}");
        }
    }
}
