//! A program of a world: its state, its output, and the signals that it ignores.

use sockexec::program::{Exit, Stream};

use crate::chance::Chance;

/// How much a pipe of this world holds.
const PIPE: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// It waits for its turn, and there is no process yet.
    Queued,
    /// It is not known yet whether it runs.
    Pending,
    Runs,
    Failed,
}

#[derive(Debug)]
pub struct Program {
    pub launch: Launch,
    /// Its exit, reported or not.
    pub exit: Option<Exit>,
    pub exit_told: bool,
    ignores_term: bool,
    /// Does not even end by SIGKILL.
    stuck: bool,
    /// Something outside of the group holds the outputs.
    held_outside: bool,
    pipes: [Vec<u8>; 2],
    pub written: [Vec<u8>; 2],
    pub writers_gone: bool,
    pub end_told: [bool; 2],
    pub stdin: Vec<u8>,
    pub stdin_refused: bool,
    pub reaped: bool,
}

impl Program {
    /// Any program, which has not begun.
    pub fn any(chance: &mut impl Chance) -> Self {
        Self {
            launch: match chance.below(3) {
                0 => Launch::Queued,
                _ => Launch::Pending,
            },
            exit: None,
            exit_told: false,
            ignores_term: chance.once_in(4),
            stuck: chance.once_in(16),
            held_outside: chance.once_in(4),
            pipes: [Vec::new(), Vec::new()],
            written: [Vec::new(), Vec::new()],
            writers_gone: false,
            end_told: [false; 2],
            stdin: Vec::new(),
            stdin_refused: false,
            reaped: false,
        }
    }

    /// Its group gets this signal.
    pub fn signal(&mut self, number: i32) {
        assert!(
            !self.reaped,
            "a signal to a number that may be a stranger's"
        );
        let deaf = self.stuck || (number == 15 && self.ignores_term);
        if !deaf {
            self.exit.get_or_insert(Exit::Signal {
                number,
                dumped: false,
            });
            self.writers_gone |= !self.held_outside;
        }
    }

    /// Writes something, if it can.
    pub fn write(&mut self, chance: &mut impl Chance) {
        if self.launch != Launch::Runs || self.writers_gone {
            return;
        }
        let stream = chance.below(2);
        let room = PIPE - self.pipes[stream].len();
        let most = if chance.once_in(3) { PIPE } else { 100 };
        let n = chance.below(most.min(room) + 1);
        let first = self.written[stream].len();
        let bytes: Vec<u8> = (first..first + n).map(|i| (i % 251) as u8).collect();
        self.pipes[stream].extend_from_slice(&bytes);
        self.written[stream].extend_from_slice(&bytes);
    }

    /// Gives what is in a pipe, as much as there is room for.
    pub fn read(&mut self, stream: Stream, room: &mut [u8]) -> usize {
        let pipe = &mut self.pipes[stream as usize];
        let n = room.len().min(pipe.len());
        room[..n].copy_from_slice(&pipe[..n]);
        pipe.drain(..n);
        n
    }

    /// Ends by itself, if it ever does.
    pub fn end(&mut self, chance: &mut impl Chance) {
        if self.exit.is_none() && !self.stuck {
            self.exit = Some(Exit::Code(chance.below(256) as i32));
            self.writers_gone |= !chance.once_in(5);
        }
    }

    /// No process is left that would read its standard input.
    pub fn has_no_reader(&self) -> bool {
        self.stdin_refused || (self.writers_gone && self.exit.is_some())
    }
}
