//! A client whose request becomes a program, with exec or with sockproc.

use std::time::{Duration, Instant};

use sockexec::program::Stream;
use sockexec::session::{Input, Piece, Session};
use sockexec::settings::Settings;
use sockexec::wire::Protocol;
use sockexec::wire::exec::PAIR_MAX;

use super::program::Program;
use super::request::Request;
use crate::chance::Chance;

/// One session and what is around it.
#[derive(Debug)]
pub struct World<C> {
    pub(super) chance: C,
    pub(super) session: Session,
    pub(super) begin: Instant,
    pub(super) now: Instant,
    pub(super) settings: Settings,
    pub(super) request: Request,
    pub(super) sent: usize,
    pub(super) client_ended: bool,
    pub(super) client_gone: bool,
    pub(super) received: Vec<u8>,
    pub(super) program: Option<Program>,
    /// The name of the program that was asked for.
    pub(super) asked: Option<Vec<u8>>,
    /// The temporary files of its outputs.
    pub(super) spools: [Vec<u8>; 2],
    pub(super) spool_failed: bool,
    pub(super) stdin_closed: bool,
    /// When the rules have set the time that the connection may last.
    pub(super) ruled: Option<Instant>,
    pub(super) shut: bool,
    pub(super) closed: bool,
    pub(super) stopped: bool,
    /// Actions wait until what is going on is over.
    pub(super) acting: bool,
}

impl<C: Chance> World<C> {
    /// A world in which nothing has happened yet.
    pub fn new(mut chance: C, protocol: Protocol) -> Self {
        let begin = Instant::now();
        let settings = Settings {
            timeout: Some(Duration::from_secs(60)).filter(|_| !chance.once_in(4)),
            request_timeout: Duration::from_secs([1, 10, 100][chance.below(3)]),
            request_max: 4096,
            output_memory: [0, 1000, 100_000][chance.below(3)] + chance.below(1000),
            output_max: match chance.below(4) {
                0 => chance.below(200_000) as u64,
                _ => 1 << 30,
            },
            recent_jobs: [0, 1000, 1000][chance.below(3)],
            ..Settings::default()
        };
        let request = Request::any(&mut chance, protocol);
        Self {
            chance,
            session: Session::new(protocol, settings, begin),
            begin,
            now: begin,
            settings,
            request,
            sent: 0,
            client_ended: false,
            client_gone: false,
            received: Vec::new(),
            program: None,
            asked: None,
            spools: [Vec::new(), Vec::new()],
            spool_failed: false,
            stdin_closed: false,
            ruled: None,
            shut: false,
            closed: false,
            stopped: false,
            acting: false,
        }
    }

    /// Makes `steps` random moves, then lets all parties finish, and checks the outcome.
    pub fn live(mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.check();
            if self.session.is_done() {
                break;
            }
        }
        self.finish();
        self.check_outcome();
    }

    fn step(&mut self) {
        match self.chance.below(32) {
            0..=5 => self.client_sends(),
            6 => self.client_ends(),
            7 if self.chance.once_in(20) => self.client_hangs_up(),
            8..=12 => self.client_receives(),
            13..=14 => self.launch_goes_on(),
            15..=18 => self.program_writes(),
            19..=22 => self.server_reads(),
            23..=24 => self.program_reads(),
            25 => self.program_exits(),
            26 => self.others_close(),
            27..=28 => self.time_passes(),
            29 if self.chance.once_in(40) => self.stop(),
            31 if self.chance.once_in(40) => self.system_fails(),
            30 if self.chance.once_in(40) => self.handle(Input::NoMemory),
            _ => self.handle(Input::Time),
        }
    }

    /// Whether there is something to be sent.
    pub(super) fn replies(&self) -> bool {
        self.session.reply() != Piece::Bytes(b"")
    }

    fn check(&self) {
        let interest = self.session.interest();
        if self.closed || self.client_gone {
            assert!(!interest.client_read && !interest.client_write);
        }
        if self.shut {
            assert!(!self.replies(), "a reply after its end");
        }
        if self.stdin_closed {
            assert!(!interest.stdin_write, "standard input after its end");
        }
        assert!(
            self.session.poll_timeout().is_some()
                || self.settings.timeout.is_none()
                || self.session.is_done(),
            "a wait without a bound"
        );
        for stream in Stream::BOTH {
            let most = match self.spool_failed {
                // Bytes that were read before the fault was known.
                _ if self.closed => 0,
                true => self.settings.output_memory + 2 * PAIR_MAX,
                false => self.settings.output_memory.saturating_sub(1),
            };
            let kept = self.session.unspooled(stream).len();
            assert!(kept <= most, "{kept} bytes of output in memory");
        }
        // The standard input of a broken request is undefined.
        if let Some(program) = self.program.as_ref().filter(|_| self.request.well_formed) {
            assert!(
                self.request.stdin.starts_with(&program.stdin),
                "other standard input"
            );
        }
    }

    /// All parties finish. A stuck program stays stuck; where no deadline
    /// ends the wait for it, the client loses patience.
    fn finish(&mut self) {
        for round in 0..40_000 {
            if self.session.is_done() {
                return;
            }
            if round == 4000 && self.settings.timeout.is_none() && !self.client_gone {
                self.client_hangs_up();
            }
            match self.sent < self.request.bytes.len() {
                true => self.client_sends(),
                false => self.client_ends(),
            }
            self.launch_goes_on();
            self.program_reads();
            for _ in 0..4 {
                self.server_reads();
            }
            self.client_receives();
            if self.chance.once_in(50) {
                self.program_exits();
            }
            if self.chance.once_in(200) {
                self.time_passes();
            }
            self.check();
        }
        panic!("never ends: {:?} {:?}", self.session, self.program);
    }
}
