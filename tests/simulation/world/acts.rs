//! The server's part: the session's actions and requests succeed or fail.

use nix::errno::Errno;
use sockexec::program::{SpawnError, Stream};
use sockexec::session::{Action, Ask, Input, ProcessLeft};
use sockexec::wire::exec::PAIR_MAX;

use super::jobs::World;
use super::program::{Launch, Program};
use crate::chance::Chance;

impl<C: Chance> World<C> {
    /// Passes an input to the session, and carries out its actions: at once, or after all other
    /// bytes have been moved.
    pub(super) fn handle(&mut self, input: Input) {
        self.session.handle(input, self.now);
        if self.acting {
            return;
        }
        self.acting = true;
        if self.chance.once_in(4) {
            self.move_bytes();
        }
        loop {
            while let Some(action) = self.session.poll_action() {
                self.act(action);
            }
            match self.session.poll_ask() {
                Some(ask) => self.serve(ask),
                None => break,
            }
        }
        self.acting = false;
    }

    pub(super) fn move_bytes(&mut self) {
        for stream in Stream::BOTH {
            self.read(stream);
        }
        self.client_receives();
        self.program_reads();
        self.client_sends();
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::CloseStdin => {
                assert!(!self.stdin_closed, "standard input closed twice");
                self.stdin_closed = true;
            }
            Action::Terminate => self.signal(15),
            Action::Kill => self.signal(9),
            Action::Reap => {
                let program = self.program.as_mut().expect("reaped something");
                assert!(program.exit.is_some() && program.exit_told && !program.reaped);
                program.reaped = true;
            }
            Action::Abandon => {
                let program = self.program.as_mut().expect("abandoned something");
                assert!(!program.exit_told && !program.reaped);
                program.reaped = true;
            }
            Action::Spool(stream) => self.spool(stream),
            Action::ShutdownReply => {
                assert!(!self.shut && !self.closed && !self.replies());
                self.shut = true;
            }
            Action::CloseClient => {
                assert!(!self.closed, "closed twice");
                self.closed = true;
                self.spools = Default::default();
            }
        }
    }

    pub(super) fn signal(&mut self, number: i32) {
        let program = self.program.as_mut().expect("a signal to a program");
        assert!(program.launch != Launch::Queued, "a signal to nobody");
        program.signal(number);
    }

    pub(super) fn serve(&mut self, ask: Ask) {
        match ask {
            Ask::Program(arguments) => {
                assert!(self.asked.is_none(), "asked twice");
                assert!(arguments.count() > 0);
                self.asked = Some(arguments.program().to_vec());
                let program = Program::any(&mut self.chance);
                let launched = program.launch != Launch::Queued;
                self.program = Some(program);
                if launched {
                    self.handle(Input::Launched);
                }
            }
            Ask::Withdraw => {
                let program = self.program.take().expect("something was asked for");
                assert_eq!(program.launch, Launch::Queued, "withdrawn too late");
            }
            Ask::Command(_) => unreachable!("there are none in these protocols"),
        }
    }

    pub(super) fn not_started(&mut self, error: SpawnError) {
        self.program = None;
        self.handle(Input::SpawnFailed(error, ProcessLeft::No));
    }

    pub(super) fn spool(&mut self, stream: Stream) {
        let bytes = self.session.unspooled(stream);
        assert!(bytes.is_empty() || !self.closed, "spooled for nobody");
        assert!(bytes.len() <= self.settings.output_memory + 2 * PAIR_MAX);
        if self.chance.once_in(10) {
            self.spool_failed = true;
            let input = match self.chance.once_in(2) {
                true => Input::SpoolFailed(Errno::ENOSPC),
                false => Input::SpoolsFull(1),
            };
            self.handle(input);
        } else {
            self.spools[stream as usize].extend_from_slice(bytes);
            self.handle(Input::Spooled(stream));
        }
    }
}
