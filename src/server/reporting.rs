//! Reports to the log: the result of each request, and shortages.

use std::fmt;
use std::time::Instant;

use super::Server;
use super::guard::Permit;
use super::table::Entry;
use crate::id::ConnectionId;
use crate::record::JobRecord;
use crate::schedule::Wait;
use crate::statistics::Statistics;

impl Server {
    /// Logs a shortage, if there is one to log.
    pub(super) fn log_shortage(&mut self) {
        if let Some(shortage) = self.io.take_shortage() {
            let (connections, counts) = (self.table.len(), self.schedule.counts());
            let programs = counts.programs;
            log::warn!("{shortage} ({connections} connections, {programs} programs)");
        }
    }

    /// The record of a connection now.
    pub(super) fn record(&self, id: ConnectionId, entry: &Entry) -> JobRecord {
        let parked = matches!(self.schedule.wait(id), Wait::Slot | Wait::Token);
        record(id, entry, parked, self.io.now())
    }
}

/// The last line on SIGUSR1.
pub(super) struct TotalsLine<'a> {
    /// The number, and its limit.
    pub(super) active: (usize, usize),
    pub(super) programs: (usize, usize),
    pub(super) waiting: usize,
    pub(super) statistics: &'a Statistics,
    pub(super) log_lines_lost: u64,
}

impl fmt::Display for TotalsLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "totals: active={} of {} programs={} of {} waiting={} {} log_lines_lost={}",
            self.active.0,
            self.active.1,
            self.programs.0,
            self.programs.1,
            self.waiting,
            self.statistics,
            self.log_lines_lost
        )
    }
}

/// The record of a connection now. The one place where records are made.
pub(super) fn record(id: ConnectionId, entry: &Entry, parked: bool, now: Instant) -> JobRecord {
    let connection = &entry.connection;
    let session = connection.session();
    let client = (session.protocol(), *connection.peer());
    let (program, summary) = (connection.program(), session.summary(now));
    let rule = entry.permit.as_ref().and_then(Permit::title);
    let record = JobRecord::new(id, client, program, parked, summary);
    record
        .with_rule(rule.cloned())
        .with_cost(connection.cost(), connection.limit())
}

/// Logs the result of a connection that is over, and counts it.
pub(super) fn report(record: &JobRecord, now: Instant, statistics: &mut Statistics) {
    let summary = &record.summary;
    statistics.count(summary, record.rule.as_ref(), now);
    statistics.charge(record.cost, record.limit());
    let (id, peer) = (record.id, &record.peer);
    match &summary.fault {
        Some(_) if record.has_request() => log::warn!("{record}"),
        None if record.has_request() => log::info!("{record}"),
        Some(fault) if !summary.silent => log::warn!("connection {id}: {peer}: {fault}"),
        _ => log::debug!("connection {id}: {peer}: left without a request"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line, and each number in it another.
    fn line() -> String {
        let mut statistics = Statistics::new(Instant::now());
        statistics.accepted = 40;
        statistics.bytes_out = 41;
        statistics.bytes_in = 42;
        let outcomes = &mut statistics.outcomes;
        outcomes.exit_zero = 1;
        outcomes.exit_nonzero = 2;
        outcomes.signal = 3;
        outcomes.timeout = 4;
        outcomes.disconnected = 5;
        outcomes.malformed = 6;
        outcomes.refused = 7;
        outcomes.not_started = 8;
        let totals = TotalsLine {
            active: (50, 51),
            programs: (52, 53),
            waiting: 54,
            statistics: &statistics,
            log_lines_lost: 55,
        };
        totals.to_string()
    }

    #[test]
    fn the_line_of_the_totals_is_this() {
        assert_eq!(
            line(),
            "totals: active=50 of 51 programs=52 of 53 waiting=54 accepted=40 ended=36 \
             malformed=6 refused=7 not_started=8 disconnected=5 late=4 bytes_out=41 bytes_in=42 \
             log_lines_lost=55"
        );
    }

    #[test]
    fn the_manual_page_has_every_field_of_the_totals() {
        let page = include_str!("../../man/sockexec.8");
        let (_, example) = page.split_once("\ntotals: ").expect("an example");
        let (example, _) = example.split_once("\n.Ed").expect("its end");
        let fields = |line: &str| -> Vec<String> {
            line.split_whitespace()
                .filter_map(|word| word.split_once('='))
                .map(|(name, _)| name.to_owned())
                .collect()
        };
        assert_eq!(fields(example), fields(&line()));
    }
}
