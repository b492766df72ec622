//! Log lines for syslogd or stderr, through the `log` facade. Never blocks: lines that the
//! other side does not accept wait in a bounded queue, and lines that do not fit there are
//! counted and reported later.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Metadata, Record};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::fstat;
use syslog::{Facility, Formatter3164, LogFormat, Severity};

/// The longest line, in bytes; a longer one is cut. A pipe takes this much in one piece.
const LINE_MAX: usize = 4096;

/// The maximum number of bytes of waiting lines.
const QUEUE_MAX: usize = 256 * 1024;

/// When to try again while the other side is busy.
const SOON: Duration = Duration::from_millis(50);

/// When to try again after a failure, such as a full disk, and to look for syslogd.
const LATER: Duration = Duration::from_secs(1);

/// The socket of syslogd.
const SYSLOG: &str = "/dev/log";

/// The destination of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To syslogd, facility daemon.
    Syslog,
    /// To standard error.
    Stderr,
}

#[derive(Debug)]
enum Sink {
    Syslog {
        formatter: Formatter3164,
        socket: Option<UnixDatagram>,
        retry_at: Option<Instant>,
    },
    Stderr {
        prefix: String,
        kind: Kind,
        /// stderr is the journal, which reads a priority at the beginning of each line.
        journal: bool,
    },
}

#[derive(Debug)]
struct State {
    sink: Sink,
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// The number of bytes of the first line that were written.
    begun: usize,
    dropped: u64,
    dropped_total: u64,
}

#[derive(Debug)]
struct Logger {
    state: Mutex<State>,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts to log to `target`: all lines at `level` and above.
pub fn start(target: Target, level: LevelFilter) {
    let sink = match target {
        Target::Syslog => Sink::Syslog {
            formatter: Formatter3164 {
                facility: Facility::LOG_DAEMON,
                hostname: None,
                process: "sockexec".into(),
                pid: std::process::id(),
            },
            socket: connect().ok(),
            retry_at: None,
        },
        Target::Stderr => Sink::Stderr {
            prefix: format!("sockexec[{}]: ", std::process::id()),
            kind: Kind::of_stderr(),
            journal: is_journal(io::stderr(), std::env::var_os("JOURNAL_STREAM").as_deref()),
        },
    };
    let logger = LOGGER.get_or_init(|| Logger {
        state: Mutex::new(State {
            sink,
            queue: VecDeque::new(),
            queued: 0,
            begun: 0,
            dropped: 0,
            dropped_total: 0,
        }),
    });
    // Fails only if a logger has been set before: this one.
    let _ = log::set_logger(logger);
    log::set_max_level(level);
}

/// Whether `stream` is the one that `JOURNAL_STREAM` names, as `DEVICE:INODE`. The variable alone
/// proves nothing: all processes of a service inherit it, with their standard error elsewhere.
fn is_journal(stream: impl AsFd, named: Option<&OsStr>) -> bool {
    let identity = fstat(stream).map(|s| format!("{}:{}", s.st_dev, s.st_ino));
    identity.is_ok_and(|identity| named == Some(OsStr::new(&identity)))
}

/// Whether syslogd can be reached now.
pub fn has_syslog() -> bool {
    connect().is_ok()
}

/// Writes waiting lines, as many as are accepted. Returns the time to wait before the next
/// attempt, or `None` if no line waits any more.
pub fn flush_or_retry_after() -> Option<Duration> {
    LOGGER.get()?.lock().flush_or_retry_after()
}

/// The number of lines lost since the start.
pub fn dropped() -> u64 {
    LOGGER.get().map_or(0, |logger| logger.lock().dropped_total)
}

fn connect() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(SYSLOG)?;
    Ok(socket)
}

impl Logger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        // Lines of libraries appear at the debug level only.
        let own = record.target().starts_with("sockexec");
        if self.enabled(record.metadata()) && (own || log::max_level() >= LevelFilter::Trace) {
            let mut state = self.lock();
            state.flush_or_retry_after();
            state.put(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {
        self.lock().flush_or_retry_after();
    }
}

impl State {
    fn put(&mut self, level: Level, text: &str) {
        let line = self.sink.line(level, text);
        match self.queue.is_empty().then(|| self.sink.write(&line)) {
            Some(Written::All) => {}
            Some(Written::Never) => self.drop_one(),
            Some(Written::Some(begun)) => {
                self.begun = begun;
                self.wait(line);
            }
            None | Some(Written::Nothing(_)) => self.wait(line),
        }
    }

    /// Keeps a line, if there is room for it.
    fn wait(&mut self, line: Vec<u8>) {
        if self.queued + line.len() > QUEUE_MAX {
            self.drop_one();
        } else {
            self.queued += line.len();
            self.queue.push_back(line);
        }
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        self.dropped_total += 1;
    }

    /// See [`flush_or_retry_after`].
    fn flush_or_retry_after(&mut self) -> Option<Duration> {
        loop {
            self.report_dropped();
            let line = self.queue.front()?;
            match self.sink.write(&line[self.begun..]) {
                Written::All => {}
                Written::Never => self.drop_one(),
                Written::Some(more) => {
                    self.begun += more;
                    return Some(SOON);
                }
                Written::Nothing(pause) => return Some(pause),
            }
            self.begun = 0;
            self.queued -= self.queue.pop_front().map_or(0, |line| line.len());
        }
    }

    /// Reports the number of lost lines, after those that were kept.
    fn report_dropped(&mut self) {
        if self.dropped > 0 && self.queue.is_empty() {
            let text = format!(
                "{} log lines were lost: the log did not take them",
                self.dropped
            );
            let line = self.sink.line(Level::Warn, &text);
            match self.sink.write(&line) {
                Written::Nothing(_) | Written::Never => {}
                Written::All => self.dropped = 0,
                Written::Some(begun) => {
                    self.dropped = 0;
                    self.begun = begun;
                    self.wait(line);
                }
            }
        }
    }
}

/// The progress of writing a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    All,
    /// This number of bytes; the rest must follow.
    Some(usize),
    /// Nothing: there may be room after this time.
    Nothing(Duration),
    /// Nothing, and the line will never be read.
    Never,
}

impl Sink {
    /// The bytes of a line, cut to [`LINE_MAX`].
    fn line(&self, level: Level, text: &str) -> Vec<u8> {
        let mut line = Vec::with_capacity(text.len() + 64);
        match self {
            Self::Syslog { formatter, .. } => {
                // Writing to memory does not fail.
                let _ = formatter.format(&mut line, severity(level), text);
                line.truncate(LINE_MAX);
            }
            Self::Stderr {
                prefix, journal, ..
            } => {
                if *journal {
                    line.extend_from_slice(format!("<{}>", severity(level) as u8).as_bytes());
                } else {
                    line.extend_from_slice(prefix.as_bytes());
                }
                line.extend_from_slice(label(level).as_bytes());
                line.extend_from_slice(text.as_bytes());
                line.truncate(LINE_MAX - 1);
                line.push(b'\n');
            }
        }
        line
    }

    /// Writes a line, or the rest of one.
    fn write(&mut self, line: &[u8]) -> Written {
        match self {
            Self::Syslog {
                socket, retry_at, ..
            } => write_syslog(socket, retry_at, line),
            Self::Stderr { kind, .. } => write_stderr(*kind, line),
        }
    }
}

fn write_syslog(
    socket: &mut Option<UnixDatagram>,
    retry_at: &mut Option<Instant>,
    line: &[u8],
) -> Written {
    // Twice: after a restart syslogd has another socket at the same path.
    for _ in 0..2 {
        if socket.is_none() {
            let now = Instant::now();
            if retry_at.is_some_and(|at| now < at) {
                return Written::Nothing(LATER);
            }
            *socket = connect().ok();
            *retry_at = socket.is_none().then(|| now + LATER);
        }
        let Some(connected) = socket else {
            return Written::Nothing(LATER);
        };
        match connected.send(line) {
            Ok(_) => return Written::All,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Written::Nothing(SOON);
            }
            Err(_) => *socket = None,
        }
    }
    Written::Nothing(LATER)
}

/// The kind of stderr, as far as it matters for waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Socket,
    /// Never blocks.
    File,
    /// A pipe or a terminal.
    Other,
}

impl Kind {
    fn of_stderr() -> Self {
        match fstat(io::stderr()).map(|s| s.st_mode & libc::S_IFMT) {
            Ok(libc::S_IFSOCK) => Self::Socket,
            Ok(libc::S_IFREG) => Self::File,
            _ => Self::Other,
        }
    }
}

/// Other processes share the flags of stderr, so it stays in blocking mode: a socket gets each
/// line with a non-blocking flag, and anything else is polled for room first.
fn write_stderr(kind: Kind, line: &[u8]) -> Written {
    let stderr = io::stderr();
    let result = if kind == Kind::Socket {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(libc::STDERR_FILENO, line, flags)
    } else {
        let mut room = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        if kind != Kind::File && poll(&mut room, PollTimeout::ZERO) != Ok(1) {
            return Written::Nothing(SOON);
        }
        nix::unistd::write(stderr.as_fd(), line)
    };
    match result {
        Ok(n) if n == line.len() => Written::All,
        Ok(0) => Written::Nothing(LATER),
        Ok(n) => Written::Some(n),
        Err(Errno::EAGAIN | Errno::EINTR) => Written::Nothing(SOON),
        Err(Errno::EPIPE | Errno::ECONNRESET | Errno::ENOTCONN | Errno::EBADF) => Written::Never,
        // A full disk, for instance.
        Err(_) => Written::Nothing(LATER),
    }
}

fn severity(level: Level) -> Severity {
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
