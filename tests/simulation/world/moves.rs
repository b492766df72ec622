//! The moves of clients, programs and time, of which each is possible for the session.

use std::time::Duration;

use nix::errno::Errno;
use sockexec::program::{Exit, Refusal, SpawnError, Stream};
use sockexec::session::{Input, Piece, ProcessLeft, Trouble};

use super::jobs::World;
use super::program::{Launch, Program};
use crate::chance::Chance;

impl<C: Chance> World<C> {
    pub(super) fn client_sends(&mut self) {
        if self.client_ended || self.client_gone || !self.session.interest().client_read {
            return;
        }
        let left = &self.request.bytes[self.sent..];
        if left.is_empty() {
            return;
        }
        let room = self.session.inbox();
        let most = left.len().min(room.len());
        let n = match self.chance.below(4) {
            0 => 1,
            1 => most,
            _ => 1 + self.chance.below(most),
        };
        room[..n].copy_from_slice(&left[..n]);
        self.sent += n;
        self.handle(Input::ClientSent(n));
    }

    pub(super) fn client_ends(&mut self) {
        let early = self.sent < self.request.bytes.len() && !self.chance.once_in(30);
        if !early && !self.client_ended && self.session.interest().client_read {
            self.client_ended = true;
            self.handle(Input::ClientEnded);
        }
    }

    pub(super) fn client_hangs_up(&mut self) {
        self.client_gone = true;
        self.handle(Input::ClientGone);
    }

    pub(super) fn client_receives(&mut self) {
        if self.client_gone || !self.session.interest().client_write {
            return;
        }
        let bytes = match self.session.reply() {
            Piece::Bytes(bytes) => bytes,
            Piece::Spooled {
                stream,
                offset,
                length,
            } => {
                let from = usize::try_from(offset).expect("a small file");
                let length = usize::try_from(length).expect("a small file");
                &self.spools[stream as usize][from..from + length]
            }
        };
        let n = match self.chance.below(3) {
            0 => 1 + self.chance.below(bytes.len()),
            _ => bytes.len(),
        };
        self.received.extend_from_slice(&bytes[..n]);
        self.handle(Input::ReplySent(n));
    }

    pub(super) fn launch_goes_on(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        match program.launch {
            Launch::Queued => match self.chance.below(12) {
                0 => self.not_started(SpawnError::Refused(Refusal::NoRule)),
                1 => self.not_started(SpawnError::Start(Errno::EAGAIN)),
                2..=4 => self.rules_speak(),
                _ => {
                    program.launch = Launch::Pending;
                    self.handle(Input::Launched);
                }
            },
            Launch::Pending if program.exit.is_none() && self.chance.once_in(10) => {
                program.launch = Launch::Failed;
                program.exit = Some(Exit::Code(127));
                program.writers_gone = true;
                self.handle(Input::SpawnFailed(
                    SpawnError::Exec(Errno::ENOENT),
                    ProcessLeft::Yes,
                ));
            }
            Launch::Pending => {
                program.launch = Launch::Runs;
                self.handle(Input::Started);
            }
            Launch::Runs | Launch::Failed => {}
        }
    }

    /// The rule that allows the program has a deadline of its own.
    pub(super) fn rules_speak(&mut self) {
        let timeout = match self.chance.below(4) {
            0 => None,
            _ => Some(Duration::from_secs(self.chance.below(100) as u64)),
        };
        self.settings.timeout = timeout;
        self.ruled = Some(self.now);
        self.handle(Input::Timeout(timeout));
        let due = timeout.map(|timeout| self.begin + timeout);
        assert_eq!(
            self.session.poll_timeout(),
            due,
            "another deadline than the rule's"
        );
    }

    pub(super) fn program_writes(&mut self) {
        if let Some(program) = &mut self.program {
            program.write(&mut self.chance);
        }
    }

    pub(super) fn server_reads(&mut self) {
        let stream = Stream::BOTH[self.chance.below(2)];
        self.read(stream);
    }

    pub(super) fn read(&mut self, stream: Stream) {
        let which = stream as usize;
        let Some(program) = &mut self.program else {
            return;
        };
        if !self.session.interest().output_read[which] || program.end_told[which] {
            return;
        }
        let room = self.session.outbox();
        assert!(!room.is_empty(), "interest without room");
        let n = program.read(stream, room);
        if n > 0 {
            self.handle(Input::Output(stream, n));
        } else if program.writers_gone {
            program.end_told[which] = true;
            self.handle(Input::OutputEnded(stream));
        } else {
            self.handle(Input::OutputDry(stream));
        }
    }

    pub(super) fn program_reads(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if !self.session.interest().stdin_write {
            return;
        }
        if program.has_no_reader() {
            self.handle(Input::StdinClosed);
            return;
        }
        if program.launch != Launch::Runs {
            return;
        }
        if self.chance.once_in(20) {
            program.stdin_refused = true;
            return;
        }
        let bytes = self.session.stdin();
        let n = 1 + self.chance.below(bytes.len());
        program.stdin.extend_from_slice(&bytes[..n]);
        self.handle(Input::StdinTaken(n));
    }

    pub(super) fn program_exits(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        if program.launch == Launch::Queued
            || (program.launch == Launch::Pending && program.exit.is_none())
        {
            return;
        }
        program.end(&mut self.chance);
        let Some(exit) = program.exit.filter(|_| !program.exit_told) else {
            return;
        };
        if program.reaped {
            return;
        }
        if program.launch == Launch::Pending {
            program.launch = Launch::Runs;
            self.handle(Input::Started);
        }
        if let Some(program) = &mut self.program {
            program.exit_told = true;
        }
        self.handle(Input::Exited(exit));
    }

    /// Whatever else holds the outputs lets go.
    pub(super) fn others_close(&mut self) {
        let ended = self
            .program
            .as_mut()
            .filter(|program| program.exit.is_some());
        if let Some(program) = ended {
            program.writers_gone |= self.chance.once_in(3);
        }
    }

    pub(super) fn time_passes(&mut self) {
        let step = match self.chance.below(4) {
            0 => self
                .session
                .poll_timeout()
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now)),
            _ => Duration::from_millis(self.chance.below(3000) as u64),
        };
        self.now += step;
        self.handle(Input::Time);
    }

    /// A system call fails, or a tracer has the end of the program for now.
    pub(super) fn system_fails(&mut self) {
        let interest = self.session.interest();
        let stream = Stream::BOTH[self.chance.below(2)];
        let which = stream as usize;
        let trouble = match self.chance.below(6) {
            0 if interest.client_read && !self.client_ended => {
                self.client_ended = true;
                Trouble::Receive
            }
            1 if interest.client_write => Trouble::Send,
            2 if interest.stdin_write => Trouble::Stdin,
            3 if interest.output_read[which] => match &mut self.program {
                Some(program) if !program.end_told[which] => {
                    program.end_told[which] = true;
                    Trouble::Output(stream)
                }
                _ => return,
            },
            4 if !self.closed => Trouble::Wait,
            _ => return self.held(),
        };
        self.handle(Input::Failed(trouble, Errno::EIO));
    }

    fn held(&mut self) {
        let ended = |p: &&mut Program| p.exit.is_some() && !p.exit_told && !p.reaped;
        if self.program.as_mut().filter(ended).is_some() {
            self.handle(Input::Held);
        }
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        let now = self.chance.once_in(3);
        self.handle(if now { Input::StopNow } else { Input::Stop });
    }
}
