//! The log: lines for syslogd, the journal or stderr. Never blocks: lines that the other side does
//! not accept wait in a bounded queue, and lines that do not fit there are counted and reported
//! later.
//!
//! Most lines come through the `log` facade. A record ([`record`]) has a number, and in the journal
//! fields of its own.
//!
//! | file | content |
//! |---|---|
//! | `mod` | the one logger |
//! | `queue` | lines that wait, and numbers of records |
//! | `sink` | the destinations, and the form of a line |
//! | `journal`, `stderr` | two of them |
//! | `datagrams` | a socket to syslogd or journald |
//! | `message` | IDs and fields |
//! | `early` | messages of a process that has no log |
//! | `written` | the progress of a line |

mod datagrams;
mod early;
mod journal;
pub mod message;
mod queue;
mod sink;
mod stderr;
mod written;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use log::{Level, LevelFilter, Metadata, Record};

pub use self::early::{early, stderr_is_journal};
use self::message::{MessageId, Numbered};
use self::queue::Queue;
use self::sink::Sink;
pub use self::sink::has_syslog;

/// The destination of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To syslogd.
    Syslog,
    /// To the systemd journal.
    Journal,
    /// To standard error.
    Stderr,
}

#[derive(Debug)]
struct Logger {
    queue: Mutex<Queue>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts to log to `target`: all lines at `level` and above. The number of the facility is that
/// of syslog(3).
pub fn start(target: Target, facility: u8, level: LevelFilter) {
    let sink = match target {
        Target::Syslog => Sink::syslog(facility),
        Target::Journal => Sink::journal(facility),
        Target::Stderr => Sink::stderr(),
    };
    let logger = LOGGER.get_or_init(|| Logger {
        queue: Mutex::new(Queue::new(sink)),
    });
    // Fails only if a logger has been set before: this one.
    let _ = log::set_logger(logger);
    log::set_max_level(level);
}

/// Logs a record, with the next number, unless its level is not logged.
pub fn record(record: &dyn Numbered) {
    if let Some(mut queue) = queue_for(record.level()) {
        queue.record(record);
    }
}

/// Logs a message with an ID and fields.
pub fn message(kind: (Level, MessageId), text: &str, fields: &[(&str, &str)]) {
    if let Some(mut queue) = queue_for(kind.0) {
        queue.log_message(kind, text, fields);
    }
}

/// Writes waiting lines, as many as are accepted. Returns the time to wait before the next
/// attempt, or `None` if no line waits any more.
pub fn flush_or_retry_after() -> Option<Duration> {
    LOGGER.get()?.lock().flush_or_retry_after()
}

/// Whether the log has fields besides the text of a message.
pub fn has_fields() -> bool {
    LOGGER
        .get()
        .is_some_and(|logger| logger.lock().has_fields())
}

/// The number of lines lost since the start.
pub fn dropped() -> u64 {
    LOGGER
        .get()
        .map_or(0, |logger| logger.lock().dropped_since_start())
}

/// The queue after an attempt to empty it, if a level is logged.
fn queue_for(level: Level) -> Option<MutexGuard<'static, Queue>> {
    let logger = LOGGER.get().filter(|_| level <= log::max_level())?;
    let mut queue = logger.lock();
    queue.flush_or_retry_after();
    Some(queue)
}

impl Logger {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Lines of libraries appear at the debug level only.
        let own = record.target().starts_with("sockexec");
        if own || log::max_level() >= LevelFilter::Trace {
            if let Some(mut queue) = queue_for(record.level()) {
                queue.log(record.level(), &record.args().to_string());
            }
        }
    }

    fn flush(&self) {
        self.lock().flush_or_retry_after();
    }
}
