//! The part of a terminal that `top` uses. An unknown sequence fails the test.

/// A screen, and what has been written on it.
#[derive(Debug)]
pub struct Vt {
    width: usize,
    height: usize,
    cells: Vec<Vec<char>>,
    column: usize,
    line: usize,
    /// Bytes that begin a sequence.
    begun: Vec<u8>,
    /// The alternate screen is shown.
    pub alternate: bool,
    pub cursor: bool,
    /// What has gone beyond the last column or line since the cursor was last at the top.
    pub beyond: usize,
}

impl Vt {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            cells: vec![vec![' '; width]; height],
            column: 0,
            line: 0,
            begun: Vec::new(),
            alternate: false,
            cursor: true,
            beyond: 0,
        }
    }

    /// The lines, without what is empty at their ends.
    pub fn lines(&self) -> Vec<String> {
        let text = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        self.cells.iter().map(text).collect()
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
            b'\n' => self.beyond += 1,
            b' '..=b'~' if self.column < self.width => {
                self.cells[self.line][self.column] = byte.into();
                self.column += 1;
            }
            b' '..=b'~' => self.beyond += 1,
            other => panic!("the byte {other:#x} is not for a screen"),
        }
    }

    fn command(&mut self, sequence: &[u8]) {
        // Behind the last column, the cursor still stands on it.
        let here = self.column.min(self.width - 1);
        match sequence {
            b"[H" => (self.line, self.column, self.beyond) = (0, 0, 0),
            b"[K" => self.cells[self.line][here..].fill(' '),
            b"[J" => {
                self.cells[self.line][here..].fill(' ');
                self.cells[self.line + 1..]
                    .iter_mut()
                    .for_each(|line| line.fill(' '));
            }
            b"[?1049h" | b"[?1049l" => {
                self.alternate = sequence.ends_with(b"h");
                self.cells.iter_mut().for_each(|line| line.fill(' '));
            }
            b"[?25h" | b"[?25l" => self.cursor = sequence.ends_with(b"h"),
            other => panic!("the sequence {} is not known", other.escape_ascii()),
        }
    }
}
