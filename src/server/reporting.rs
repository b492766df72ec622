//! Reports to the log: the result of each request, and shortages.

use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use super::Server;
use super::guard::Permit;
use super::people::People;
use super::table::Entry;
use crate::id::ConnectionId;
use crate::os::peer::Peer;
use crate::os::unit;
use crate::program::Arguments;
use crate::record::{JobRecord, Moment, Names, Refused};
use crate::schedule::Wait;
use crate::settings::Audit;
use crate::statistics::{Statistics, outcome_name};

/// Arguments up to this size are logged even if no rule permits their program. A client that may
/// run nothing can fill no log with more, and costs no more of the server's time.
const AT_REQUEST_MAX: usize = 64 * 1024;

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
        record((id, entry), parked, self.io.now(), self.guard.people())
    }

    /// A request is complete. What will not be there later is noted or logged now.
    pub(super) fn report_request(&mut self, id: ConnectionId, arguments: &Arguments) {
        let Some(entry) = self.table.get_mut(id) else {
            return;
        };
        if let (true, Peer::Local { pid, .. }) =
            (crate::log::has_fields(), *entry.connection.peer())
        {
            entry.unit = unit::of_process(pid).map(Rc::from);
        }
        if arguments.size() <= AT_REQUEST_MAX {
            self.report_arguments(id, arguments);
        }
    }

    /// The program of a request is about to be started: the last moment for its arguments.
    pub(super) fn report_permitted(&self, id: ConnectionId) {
        let request = self.table.get(id).and_then(|entry| entry.request.as_ref());
        if let Some(request) = request.filter(|request| request.size() > AT_REQUEST_MAX) {
            self.report_arguments(id, request);
        }
    }

    fn report_arguments(&self, id: ConnectionId, arguments: &Arguments) {
        let entry = self.table.get(id);
        let entry = entry.filter(|entry| entry.connection.session().has_long_arguments());
        if let Some(entry) = entry {
            crate::log::record(&Moment::Requested(&self.record(id, entry), arguments));
        }
    }

    /// The process of a job was made.
    pub(super) fn report_start(&mut self, id: ConnectionId, program: i32) {
        let audited = self.configuration.settings().audit == Audit::Both;
        let kept = self.control.history.kept() > 0;
        let entry = self.table.get(id).filter(|_| audited || kept);
        let Some(entry) = entry else {
            return;
        };
        let mut record = self.record(id, entry);
        record.program = Some(program);
        if audited {
            crate::log::record(&Moment::Started(&record));
        }
        if kept {
            self.control.history.start(record, self.io.now());
        }
    }

    /// A job is over, and belongs to the history.
    pub(super) fn note_end(&mut self, id: ConnectionId, record: JobRecord) {
        if let Some(outcome) = outcome_name(&record.summary) {
            let entry = self.table.get(id);
            let stderr = entry.map_or(&[][..], |entry| entry.connection.session().stderr_tail());
            let history = &mut self.control.history;
            history.end(record, (outcome, stderr), self.io.now());
        }
    }

    /// A connection is refused.
    pub(super) fn report_refusal(&self, id: ConnectionId, reason: &str) {
        if let Some(entry) = self.table.get(id) {
            crate::log::record(&Refused(&self.record(id, entry), reason));
        }
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
fn record(
    (id, entry): (ConnectionId, &Entry),
    parked: bool,
    now: Instant,
    people: &People,
) -> JobRecord {
    let connection = &entry.connection;
    let session = connection.session();
    let (peer, permit) = (*connection.peer(), entry.permit.as_ref());
    let (program, summary) = (connection.program(), session.summary(now));
    let client = peer.uid().and_then(|uid| people.name_of(uid));
    let account = permit.and_then(Permit::account);
    let names = Names {
        client: client.map(Rc::from),
        program: account.map(|account| account.name.as_str().into()),
    };
    JobRecord::new(id, (session.protocol(), peer), program, parked, summary)
        .with_rule(permit.and_then(Permit::title).cloned())
        .with_cost(connection.cost(), connection.limit())
        .with_names(names)
        .with_unit(entry.unit.clone())
}

/// Logs the result of a connection that is over, and counts it.
pub(super) fn report(record: &JobRecord, now: Instant, statistics: &mut Statistics) {
    let summary = &record.summary;
    statistics.count(summary, record.rule.as_ref(), now);
    statistics.charge(record.cost, record.limit());
    let (id, peer) = (record.id, &record.peer);
    match &summary.fault {
        _ if record.has_request() => crate::log::record(&Moment::Ended(record)),
        Some(fault) if !summary.silent => {
            crate::log::record(&Refused(record, &fault.to_string()));
        }
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
