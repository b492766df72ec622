//! The expected reply of a client at the end.

use std::time::Duration;

use nix::errno::Errno;
use sockexec::program::{Exit, SpawnError, Stream};
use sockexec::session::timers::GIVE_UP;
use sockexec::session::verdict::Fault;
use sockexec::session::{Input, Summary, TAIL_MAX};
use sockexec::statistics::Statistics;
use sockexec::wire::{Protocol, netstring};

use super::jobs::World;
use crate::chance::Chance;

/// The longest that the clock of a world goes too far, several times in a row.
const OVERSHOT: Duration = Duration::from_secs(30);

impl<C: Chance> World<C> {
    pub(super) fn check_outcome(&mut self) {
        assert!(self.closed);
        if let Some(program) = &self.program {
            assert!(program.reaped, "left unreaped");
        }
        self.session.handle(Input::Time, self.now);
        assert_eq!(self.session.poll_action(), None, "something after the end");
        if let Some(timeout) = self.settings.timeout {
            // The longest way: deadline, SIGKILL, giving up, the client's rest, lingering;
            // and each step of the clock may go too far.
            let begin = self.ruled.unwrap_or(self.begin);
            let most = timeout + self.settings.kill_timeout + GIVE_UP * 2 + self.settings.linger;
            assert!(
                self.now - begin <= most + OVERSHOT,
                "{:?}",
                self.now - begin
            );
        }
        let summary = self.session.summary(self.now);
        let mut statistics = Statistics::new(self.begin);
        statistics.count(&summary, None, self.now);
        let counted = u64::from(!summary.silent);
        assert_eq!(statistics.ended(), counted, "{summary:?} {statistics}");
        assert_ne!(self.shut, summary.disconnected, "{summary:?}");
        self.check_tail(&summary);
        if self.shut {
            self.check_reply(&summary);
        }
    }

    /// The end of standard error that is kept: of what was read, also if nobody got it.
    fn check_tail(&self, summary: &Summary) {
        let written = self.program.as_ref().map(|program| &program.written);
        let written = written.map_or(&[][..], |written| &written[Stream::Stderr as usize]);
        let read = usize::try_from(summary.bytes_out[Stream::Stderr as usize]).unwrap();
        let tail = &written[..read][read.saturating_sub(TAIL_MAX)..];
        let kept = match self.settings.recent_jobs {
            0 => &[],
            _ => tail,
        };
        assert_eq!(self.session.stderr_tail(), kept);
    }

    fn check_reply(&self, summary: &Summary) {
        let reply = match self.session.protocol() {
            Protocol::Sockproc => Reply::of_command(&self.received),
            Protocol::Exec => Reply::of_pairs(&self.received),
            Protocol::Control => unreachable!("it has no program"),
        };
        let fault = summary.fault.as_ref();
        let exit = ending(fault, summary.exit);
        let keeps = self.session.protocol().keeps_output();
        let ending = match (keeps, exit) {
            (true, Exit::Code(code)) => format!("status:{}", code << 8),
            (true, Exit::Signal { number, .. }) => format!("status:{number}"),
            (false, Exit::Code(code)) => format!("exitcode:{code}"),
            (false, Exit::Signal { number, .. }) => format!("termsig:{number}"),
        };
        assert_eq!(reply.ending, ending, "{summary:?}");
        let reason = fault.map_or_else(Vec::new, |fault| self.reason(fault));
        for stream in Stream::BOTH {
            let mut got = &reply.outputs[stream as usize][..];
            if stream == Stream::Stderr {
                got = got
                    .strip_suffix(&reason[..])
                    .expect("the reason at the end");
            }
            let written: &[u8] = match &self.program {
                None => b"",
                Some(program) => &program.written[stream as usize],
            };
            assert!(written.starts_with(got), "other output");
            let hurried = summary.late || self.stopped || fault.is_some();
            assert!(got == written || hurried, "output is missing");
            if keeps {
                assert!(got.len() as u64 <= self.settings.output_max);
            }
            if matches!(fault, Some(Fault::OutputMax { stream: large, .. }) if *large == stream) {
                assert_eq!(got.len() as u64, self.settings.output_max);
            }
        }
    }

    fn reason(&self, fault: &Fault) -> Vec<u8> {
        let mut reason = b"sockexec: ".to_vec();
        let title = self.session.summary(self.now).excerpt.to_string();
        let name = match &self.asked {
            Some(name) => Some(&name[..]),
            // A program that was withdrawn before the server could hear of it.
            None => title
                .split(' ')
                .next()
                .map(|name| name.trim_matches('"').as_bytes()),
        };
        if let Some(name) = name.filter(|_| !title.is_empty()) {
            reason.extend_from_slice(name);
            reason.extend_from_slice(b": ");
        }
        reason.extend_from_slice(format!("{fault}\n").as_bytes());
        reason
    }
}

/// The end of the client's reply.
fn ending(fault: Option<&Fault>, exit: Option<Exit>) -> Exit {
    let killed = Exit::Signal {
        number: 9,
        dumped: false,
    };
    match fault {
        Some(Fault::Wire(_) | Fault::RequestLate(_) | Fault::RequestTimeout(_)) => Exit::Code(100),
        Some(Fault::MessageLate(_) | Fault::Stranger) => unreachable!("it has no program"),
        Some(Fault::Spawn(SpawnError::Exec(Errno::ENOENT))) => Exit::Code(127),
        Some(Fault::Spawn(SpawnError::Refused(_))) => Exit::Code(126),
        Some(
            Fault::Spawn(_)
            | Fault::Stopping
            | Fault::Held
            | Fault::Spool(_)
            | Fault::SpoolTotal(_)
            | Fault::Crowded(_)
            | Fault::NoMemory
            | Fault::System(..),
        ) => Exit::Code(111),
        Some(Fault::Stuck(_)) => killed,
        Some(Fault::OutputMax { .. }) | None => exit.unwrap_or(killed),
    }
}

struct Reply {
    outputs: [Vec<u8>; 2],
    ending: String,
}

impl Reply {
    /// Panics unless `bytes` are a status, and two outputs of the given sizes.
    fn of_command(bytes: &[u8]) -> Self {
        let (ending, rest) = line(bytes);
        let (stdout, rest) = output(rest);
        let (stderr, rest) = output(rest);
        assert!(rest.is_empty(), "something after the reply");
        Self {
            outputs: [stdout, stderr],
            ending: ending.to_owned(),
        }
    }

    /// Panics unless `bytes` are pairs, of which exactly the last one is an ending.
    fn of_pairs(bytes: &[u8]) -> Self {
        let mut strings = Vec::new();
        let mut decoder = netstring::Decoder::new();
        let (mut rest, mut current) = (bytes, Vec::new());
        loop {
            let (used, token) = decoder.poll(rest).expect("a reply of netstrings");
            rest = &rest[used..];
            match token {
                netstring::Token::More => break,
                netstring::Token::Begin(_) => {}
                netstring::Token::Payload(n) => {
                    current.extend_from_slice(&rest[..n]);
                    decoder.advance(n);
                    rest = &rest[n..];
                }
                netstring::Token::End => strings.push(std::mem::take(&mut current)),
            }
        }
        assert!(decoder.at_boundary() && strings.len() % 2 == 0);
        let mut outputs = [Vec::new(), Vec::new()];
        let mut ending = None;
        for pair in strings.chunks(2) {
            assert!(ending.is_none(), "something after the ending");
            match &pair[0][..] {
                b"stdout" => outputs[0].extend_from_slice(&pair[1]),
                b"stderr" => outputs[1].extend_from_slice(&pair[1]),
                kind => {
                    let text = String::from_utf8([kind, b":", &pair[1]].concat());
                    ending = Some(text.expect("plain words"));
                }
            }
        }
        Self {
            outputs,
            ending: ending.expect("an ending"),
        }
    }
}

/// The first line, and what follows it.
fn line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\r\n");
    let end = end.expect("a line");
    let text = std::str::from_utf8(&bytes[..end]).expect("a line of text");
    (text, &bytes[end + 2..])
}

fn output(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (size, rest) = line(bytes);
    let (output, rest) = rest.split_at(size.parse().expect("a size"));
    (output.to_vec(), rest)
}
