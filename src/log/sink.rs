//! The destination of lines: which one it is, and the form of a line there.

use std::path::Path;

use log::Level;
use syslog::{Facility, Formatter3164, LogFormat, Severity};

use super::datagrams::{Datagrams, connect};
use super::journal::Journal;
use super::message::{Fields, MessageId};
use super::stderr::Stderr;
use super::written::Written;

/// The longest line, in bytes; a longer one is cut. A pipe takes this much in one piece.
const LINE_MAX: usize = 4096;

/// The socket of syslogd.
const SYSLOG: &str = "/dev/log";

/// The socket of journald.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The facilities of syslog(3) that there are, in the order of their numbers, from 0.
const FACILITIES: [Facility; 24] = [
    Facility::LOG_KERN,
    Facility::LOG_USER,
    Facility::LOG_MAIL,
    Facility::LOG_DAEMON,
    Facility::LOG_AUTH,
    Facility::LOG_SYSLOG,
    Facility::LOG_LPR,
    Facility::LOG_NEWS,
    Facility::LOG_UUCP,
    Facility::LOG_CRON,
    Facility::LOG_AUTHPRIV,
    Facility::LOG_FTP,
    Facility::LOG_NTP,
    Facility::LOG_AUDIT,
    Facility::LOG_ALERT,
    Facility::LOG_CLOCK_DAEMON,
    Facility::LOG_LOCAL0,
    Facility::LOG_LOCAL1,
    Facility::LOG_LOCAL2,
    Facility::LOG_LOCAL3,
    Facility::LOG_LOCAL4,
    Facility::LOG_LOCAL5,
    Facility::LOG_LOCAL6,
    Facility::LOG_LOCAL7,
];

/// See the module.
#[derive(Debug)]
pub(super) enum Sink {
    Syslog {
        formatter: Formatter3164,
        socket: Datagrams,
    },
    Journal(Journal),
    Stderr(Stderr),
}

impl Sink {
    /// syslogd, with the facility of this number.
    pub(super) fn syslog(facility: u8) -> Self {
        let facility = FACILITIES.get(usize::from(facility));
        Self::Syslog {
            formatter: Formatter3164 {
                facility: facility.copied().unwrap_or(Facility::LOG_DAEMON),
                hostname: None,
                process: "sockexec".into(),
                pid: std::process::id(),
            },
            socket: Datagrams::to(Path::new(SYSLOG)),
        }
    }

    /// The journal, with the facility of this number.
    pub(super) fn journal(facility: u8) -> Self {
        Self::Journal(Journal::at(Path::new(JOURNAL), facility))
    }

    pub(super) fn stderr() -> Self {
        Self::Stderr(Stderr::new())
    }

    /// Whether messages have fields.
    pub(super) fn has_fields(&self) -> bool {
        matches!(self, Self::Journal(_))
    }

    /// The bytes of a line. Where messages have no fields it is cut to [`LINE_MAX`].
    pub(super) fn line(&self, level: Level, text: &str) -> Vec<u8> {
        match self {
            Self::Syslog { formatter, .. } => {
                let mut line = Vec::with_capacity(text.len() + 64);
                // Writing to memory does not fail.
                let _ = formatter.format(&mut line, severity(level), text);
                line.truncate(LINE_MAX);
                line
            }
            Self::Journal(journal) => journal.entry(severity(level) as u8, text).into_bytes(),
            Self::Stderr(stderr) => {
                stderr.line(severity(level) as u8, label(level), text, LINE_MAX)
            }
        }
    }

    /// The bytes of a message with an ID and fields, which go only where messages have them.
    pub(super) fn message(
        &self,
        (level, id): (Level, MessageId),
        text: &str,
        put: impl FnOnce(&mut Fields),
    ) -> Vec<u8> {
        let Self::Journal(journal) = self else {
            return self.line(level, text);
        };
        let mut fields = journal.entry(severity(level) as u8, text);
        fields.put("MESSAGE_ID", id.as_str());
        put(&mut fields);
        fields.into_bytes()
    }

    /// Writes a line, or the rest of one.
    pub(super) fn write(&mut self, line: &[u8]) -> Written {
        match self {
            Self::Syslog { socket, .. } => {
                socket.write(|socket| socket.send(line).map(|_| Written::All))
            }
            Self::Journal(journal) => journal.write(line),
            Self::Stderr(stderr) => stderr.write(line),
        }
    }
}

/// Whether syslogd can be reached now.
pub fn has_syslog() -> bool {
    connect(Path::new(SYSLOG)).is_ok()
}

pub(super) fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warn => Severity::LOG_WARNING,
        Level::Info => Severity::LOG_INFO,
        Level::Debug | Level::Trace => Severity::LOG_DEBUG,
    }
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug | Level::Trace => "debug: ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_facility_stands_at_its_number() {
        for (number, facility) in FACILITIES.iter().enumerate() {
            assert_eq!(*facility as usize >> 3, number);
        }
    }
}
