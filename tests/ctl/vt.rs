//! The part of a terminal that `top` uses. An unknown sequence fails the test.

/// How a character looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The number of a colour of the palette.
    pub colour: Option<u8>,
    pub bold: bool,
    pub reverse: bool,
    pub underlined: bool,
}

const EMPTY: (char, Look) = (
    ' ',
    Look {
        colour: None,
        bold: false,
        reverse: false,
        underlined: false,
    },
);

/// A screen, and what has been written on it.
#[derive(Debug)]
pub struct Vt {
    width: usize,
    height: usize,
    cells: Vec<Vec<(char, Look)>>,
    look: Look,
    column: usize,
    line: usize,
    /// Bytes that begin a sequence.
    begun: Vec<u8>,
    /// The alternate screen is shown.
    pub alternate: bool,
    pub cursor: bool,
    /// The sequences until now.
    pub commands: usize,
    /// What has gone beyond the last column or line since the screen was last cleared.
    pub beyond: usize,
}

impl Vt {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            cells: vec![vec![EMPTY; width]; height],
            look: Look::default(),
            column: 0,
            line: 0,
            begun: Vec::new(),
            alternate: false,
            cursor: true,
            commands: 0,
            beyond: 0,
        }
    }

    /// The lines, without what is empty at their ends.
    pub fn lines(&self) -> Vec<String> {
        let text = |line: &Vec<(char, Look)>| {
            line.iter()
                .map(|cell| cell.0)
                .collect::<String>()
                .trim_end()
                .to_owned()
        };
        self.cells.iter().map(text).collect()
    }

    /// The look of the first character of a line.
    pub fn look(&self, line: usize) -> Look {
        self.cells[line][0].1
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(byte);
        }
    }

    fn put(&mut self, byte: u8) {
        if !self.begun.is_empty() || byte == 0x1b {
            self.begun.push(byte);
            let ended = self.begun.len() > 2 && byte.is_ascii_alphabetic();
            if ended {
                let sequence = std::mem::take(&mut self.begun);
                self.command(&sequence[1..]);
            }
            return;
        }
        match byte {
            b'\r' => self.column = 0,
            b'\n' if self.line + 1 < self.height => self.line += 1,
            // The screen scrolls, which `top` never wants on the alternate one.
            b'\n' => {
                self.beyond += usize::from(self.alternate);
                self.cells.rotate_left(1);
                self.cells[self.height - 1].fill(EMPTY);
            }
            b' '..=b'~' if self.column < self.width => {
                self.cells[self.line][self.column] = (byte.into(), self.look);
                self.column += 1;
            }
            b' '..=b'~' => self.beyond += 1,
            other => panic!("the byte {other:#x} is not for a screen"),
        }
    }

    fn command(&mut self, sequence: &[u8]) {
        self.commands += 1;
        // Behind the last column, the cursor still stands on it.
        let here = self.column.min(self.width - 1);
        match sequence {
            b"[K" => self.cells[self.line][here..].fill(EMPTY),
            b"[2J" => {
                self.cells.iter_mut().for_each(|line| line.fill(EMPTY));
                self.beyond = 0;
            }
            b"[?1049h" | b"[?1049l" => {
                self.alternate = sequence.ends_with(b"h");
                self.cells.iter_mut().for_each(|line| line.fill(EMPTY));
            }
            b"[?25h" | b"[?25l" => self.cursor = sequence.ends_with(b"h"),
            b"[0m" => self.look = Look::default(),
            b"[1m" => self.look.bold = true,
            b"[4m" => self.look.underlined = true,
            b"[7m" => self.look.reverse = true,
            b"[38;5;1m" | b"[38;5;3m" => self.look.colour = Some(sequence[6] - b'0'),
            [b'[', place @ .., b'H'] => self.go(place),
            other => panic!("the sequence {} is not known", other.escape_ascii()),
        }
    }

    /// Moves the cursor to a line and a column, both from 1.
    fn go(&mut self, place: &[u8]) {
        let place = std::str::from_utf8(place).unwrap().split_once(';').unwrap();
        let (line, column): (usize, usize) = (place.0.parse().unwrap(), place.1.parse().unwrap());
        if line > self.height || column > self.width {
            self.beyond += 1;
        }
        self.line = (line - 1).min(self.height - 1);
        self.column = (column - 1).min(self.width - 1);
    }
}
