//! Lines on their way: those that the destination does not take wait, within bounds, and those
//! without room are counted and reported later.

use std::collections::VecDeque;
use std::time::Duration;

use log::Level;

use super::message::{MessageId, Numbered};
use super::sink::Sink;
use super::written::{SOON, Written};

/// The maximum number of bytes of waiting lines. Whole arguments have as much for themselves;
/// those of one record go beyond it, so that they are never cut by it.
const QUEUE_MAX: usize = 256 * 1024;

/// The kind of a line, as far as it matters for its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// A line.
    Plain,
    /// It has, or is a part of, whole arguments.
    Whole,
}

/// Less memory than this is left for what cannot be refused.
const MEMORY: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    sink: Sink,
    lines: VecDeque<(Size, Vec<u8>)>,
    /// The bytes that wait, of each size.
    queued: [usize; 2],
    /// The number of bytes of the first line that were written.
    begun: usize,
    /// Lost lines that were not reported yet.
    dropped: u64,
    dropped_total: u64,
    /// The number of the last record.
    number: u64,
}

impl Queue {
    pub(super) fn new(sink: Sink) -> Self {
        Self {
            sink,
            lines: VecDeque::new(),
            queued: [0; 2],
            begun: 0,
            dropped: 0,
            dropped_total: 0,
            number: 0,
        }
    }

    /// Whether messages have fields.
    pub(super) fn has_fields(&self) -> bool {
        self.sink.has_fields()
    }

    /// The number of lines lost since the start.
    pub(super) fn dropped_since_start(&self) -> u64 {
        self.dropped_total
    }

    /// Writes a line.
    pub(super) fn log(&mut self, level: Level, text: &str) {
        let line = self.sink.line(level, text);
        self.put_plain(line);
    }

    /// Writes a message with an ID and fields, or only its text where there are no fields.
    pub(super) fn log_message(
        &mut self,
        (level, id): (Level, MessageId),
        text: &str,
        values: &[(&str, &str)],
    ) {
        let line = self.sink.message((level, id), text, |fields| {
            for (name, value) in values {
                fields.put(name, value);
            }
        });
        self.put_plain(line);
    }

    /// Writes a record with the next number.
    pub(super) fn record(&mut self, record: &dyn Numbered) {
        self.number += 1;
        let (level, number) = (record.level(), self.number);
        let text = record.line(number);
        let line = self
            .sink
            .message((level, record.message_id()), &text, |fields| {
                record.fields(fields);
                fields.show("SOCKEXEC_SEQ", number);
            });
        let has_room = self.queued[Size::Whole as usize] <= QUEUE_MAX;
        if self.sink.has_fields() {
            return self.put(Size::Whole, line, has_room);
        }
        self.put_plain(line);
        record.further_lines(number, &mut |text| {
            let line = self.sink.line(level, text);
            self.put(Size::Whole, line, has_room && has_memory());
        });
    }

    fn put_plain(&mut self, line: Vec<u8>) {
        let has_room = self.queued[Size::Plain as usize] + line.len() <= QUEUE_MAX;
        self.put(Size::Plain, line, has_room);
    }

    /// Writes a line now, or keeps it if there is room.
    fn put(&mut self, size: Size, line: Vec<u8>, has_room: bool) {
        match self.lines.is_empty().then(|| self.sink.write(&line)) {
            Some(Written::All) => {}
            Some(Written::Never) => self.drop_one(),
            Some(Written::Some(begun)) => {
                self.begun = begun;
                self.keep(size, line);
            }
            None | Some(Written::Nothing(_)) if has_room => self.keep(size, line),
            None | Some(Written::Nothing(_)) => self.drop_one(),
        }
    }

    fn keep(&mut self, size: Size, line: Vec<u8>) {
        self.queued[size as usize] += line.len();
        self.lines.push_back((size, line));
    }

    fn drop_one(&mut self) {
        self.dropped += 1;
        self.dropped_total += 1;
    }

    /// Writes waiting lines, as many as are accepted. Returns the time to wait before the next
    /// attempt, or `None` if no line waits any more.
    pub(super) fn flush_or_retry_after(&mut self) -> Option<Duration> {
        loop {
            self.report_dropped();
            let (_, line) = self.lines.front()?;
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
            if let Some((size, line)) = self.lines.pop_front() {
                self.queued[size as usize] -= line.len();
            }
        }
    }

    /// Reports the number of lost lines, after those that were kept.
    fn report_dropped(&mut self) {
        if self.dropped > 0 && self.lines.is_empty() {
            let text = format!(
                "{} log lines were lost: the log did not take them",
                self.dropped
            );
            let message = (Level::Warn, MessageId::LinesLost);
            let line = self.sink.message(message, &text, |fields| {
                fields.show("SOCKEXEC_LOST", self.dropped);
            });
            match self.sink.write(&line) {
                Written::Nothing(_) | Written::Never => {}
                Written::All => self.dropped = 0,
                Written::Some(begun) => {
                    self.dropped = 0;
                    self.begun = begun;
                    self.keep(Size::Plain, line);
                }
            }
        }
    }
}

/// Whether there is memory for lines that may be lost.
fn has_memory() -> bool {
    Vec::<u8>::new().try_reserve_exact(MEMORY).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    use super::super::journal::Journal;
    use super::super::message::Fields;
    use super::*;

    /// A record with one large field.
    struct Large(usize);

    impl Numbered for Large {
        fn level(&self) -> Level {
            Level::Info
        }

        fn message_id(&self) -> MessageId {
            MessageId::JobEnded
        }

        fn line(&self, number: u64) -> String {
            format!("record {number}")
        }

        fn further_lines(&self, _: u64, _: &mut dyn FnMut(&str)) {
            unreachable!("the journal has fields")
        }

        fn fields(&self, fields: &mut Fields) {
            fields.put("LARGE", "x".repeat(self.0));
        }
    }

    struct Journald {
        socket: UnixDatagram,
        path: PathBuf,
    }

    impl Journald {
        fn new(name: &str) -> Self {
            let file = format!("sockexec-queue-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(file);
            let _ = std::fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            Self { socket, path }
        }

        fn queue(&self) -> Queue {
            Queue::new(Sink::Journal(Journal::at(&self.path, 3)))
        }

        /// The texts of all entries that are there.
        fn read(&self) -> Vec<String> {
            let mut bytes = vec![0; 1 << 20];
            let next = || {
                let length = self.socket.recv(&mut bytes).ok()?;
                let entry = String::from_utf8_lossy(&bytes[..length]);
                let text = entry.strip_prefix("MESSAGE=").unwrap().lines().next();
                Some(text.unwrap().to_owned())
            };
            std::iter::from_fn(next).collect()
        }

        /// The texts of all entries, also of those that wait.
        fn read_all(&self, queue: &mut Queue) -> Vec<String> {
            let mut all = self.read();
            while queue.flush_or_retry_after().is_some() {
                all.extend(self.read());
            }
            all.extend(self.read());
            all
        }
    }

    impl Drop for Journald {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn lines_that_wait_keep_their_order_and_lost_ones_are_a_gap() {
        let journald = Journald::new("order");
        let mut queue = journald.queue();
        for _ in 0..100 {
            queue.record(&Large(20_000));
        }
        let lost = queue.dropped_since_start();
        assert!(lost > 0 && lost < 90, "{lost}");
        // There is room for other lines still.
        queue.log(Level::Info, "a line");
        let mut all = journald.read_all(&mut queue);
        let report = format!("{lost} log lines were lost: the log did not take them");
        assert_eq!(all.pop(), Some(report));
        assert_eq!(all.pop().as_deref(), Some("a line"));
        let numbers: Vec<u64> = all.iter().map(|text| text[7..].parse().unwrap()).collect();
        let kept = 100 - lost;
        assert_eq!(numbers, (1..=kept).collect::<Vec<_>>());
        // The next number shows how many are missing.
        queue.record(&Large(1));
        assert_eq!(journald.read(), ["record 101"]);
        assert_eq!(queue.dropped_since_start(), lost);
    }

    #[test]
    fn one_record_is_kept_however_large_it_is() {
        let journald = Journald::new("large");
        let mut queue = journald.queue();
        // Lines until nothing more is taken.
        while queue.lines.is_empty() {
            queue.log(Level::Info, "a line");
        }
        journald.socket.set_nonblocking(true).unwrap();
        queue.record(&Large(3 * QUEUE_MAX));
        assert_eq!(queue.dropped_since_start(), 0);
        queue.record(&Large(1));
        assert_eq!(queue.dropped_since_start(), 1);
        queue.log(Level::Info, "the last line");
        assert_eq!(queue.dropped_since_start(), 1);
    }
}
