//! A line of the screen: printable text of some width, in pieces of different looks.

use crate::output::printable;

/// A colour of the terminal's own palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Yellow,
    Red,
}

/// The look of a piece of text. Without colours all of it still has a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub colour: Option<Colour>,
    pub bold: bool,
    pub reverse: bool,
    pub underlined: bool,
}

impl Style {
    pub const PLAIN: Self = Self {
        colour: None,
        bold: false,
        reverse: false,
        underlined: false,
    };

    pub const BOLD: Self = Self {
        bold: true,
        ..Self::PLAIN
    };

    pub const REVERSE: Self = Self {
        reverse: true,
        ..Self::PLAIN
    };

    pub const HEADING: Self = Self {
        underlined: true,
        ..Self::PLAIN
    };

    /// Something went wrong.
    pub const BAD: Self = Self {
        colour: Some(Colour::Red),
        ..Self::PLAIN
    };

    /// Something needs attention.
    pub const WARNING: Self = Self {
        colour: Some(Colour::Yellow),
        ..Self::BOLD
    };
}

/// A line, and its columns that are still free. Each character takes one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(Style, String)>,
    left: usize,
}

impl Line {
    /// An empty line of at most this width.
    pub fn new(width: usize) -> Self {
        Self {
            pieces: Vec::new(),
            left: width,
        }
    }

    /// A line of one piece.
    pub fn of(style: Style, text: &str, width: usize) -> Self {
        let mut line = Self::new(width);
        line.push(style, text);
        line
    }

    /// Appends text, of which a `>` replaces what does not fit.
    pub fn push(&mut self, style: Style, text: &str) {
        let text = cut(printable(text), self.left);
        self.left -= text.len();
        if !text.is_empty() {
            self.pieces.push((style, text));
        }
    }

    /// Appends blanks, as far as they fit.
    pub fn pad(&mut self, style: Style, columns: usize) {
        self.push(style, &" ".repeat(columns.min(self.left)));
    }

    /// Fills the line to its width.
    pub fn fill(&mut self, style: Style) {
        self.pad(style, self.left);
    }

    /// The number of free columns.
    pub fn left(&self) -> usize {
        self.left
    }

    pub fn pieces(&self) -> &[(Style, String)] {
        &self.pieces
    }

    /// The text alone.
    #[cfg(test)]
    pub fn text(&self) -> String {
        let text: String = self.pieces.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }
}

/// At most `width` characters of printable text; a cut text ends with `>`.
pub fn cut(text: String, width: usize) -> String {
    crate::table::cut(text, Some(width))
}

/// Printable text in lines of at most `width` characters, broken anywhere.
pub fn broken(text: &str, width: usize) -> Vec<String> {
    let text = printable(text);
    if text.is_empty() {
        return vec![String::new()];
    }
    // All of it is ASCII.
    let pieces = text.as_bytes().chunks(width.max(1));
    let text = |piece: &[u8]| piece.iter().copied().map(char::from).collect();
    pieces.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_wider_than_it_may_be() {
        for width in 0..12 {
            let mut line = Line::new(width);
            line.push(Style::BOLD, "\x1b[2J");
            line.push(Style::PLAIN, "\u{4e00}");
            line.pad(Style::REVERSE, 100);
            let text: String = line.pieces().iter().map(|(_, text)| &text[..]).collect();
            assert!(text.len() <= width && text.is_ascii(), "{text}");
        }
        assert_eq!(Line::of(Style::PLAIN, "\x1b[2J", 80).text(), "\\u{1b}[2J");
        assert_eq!(Line::of(Style::PLAIN, "longer", 4).text(), "lon>");
    }

    #[test]
    fn long_text_is_broken_into_lines() {
        assert_eq!(broken("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(broken("", 2), [""]);
        assert_eq!(broken("\u{e4}b", 4), ["\\u{e", "4}b"]);
    }
}
