//! What the server tells: the service manager its status, the log what became of each
//! request, and whoever asks by SIGUSR1 the state of all.

use std::time::Instant;

use sd_notify::NotifyState;

use super::{SELDOM, Server};
use crate::connection::Connection;
use crate::id::ConnectionId;
use crate::statistics::Statistics;

impl Server {
    pub(super) fn status(&self) -> (usize, usize, u64) {
        let most = self.settings.budget.connections_max;
        (self.active, most, self.statistics.accepted)
    }

    pub(super) fn tell_status(&mut self) {
        let status = self.status();
        let due = self
            .status_told
            .is_none_or(|(at, told)| told != status && at + SELDOM <= self.now);
        if due {
            let (active, most, accepted) = status;
            let text = format!("{active} of {most} connections active, {accepted} accepted");
            self.notifier.notify(&[NotifyState::Status(&text)]);
            self.status_told = Some((self.now, status));
        }
    }

    pub(super) fn tell_shortage(&mut self, what: &str, why: &str) {
        let told = self.shortage_told;
        if told.is_none_or(|at| at + SELDOM <= self.now) {
            self.shortage_told = Some(self.now);
            log::warn!(
                "cannot {what}: {why} ({} connections, {} programs)",
                self.connections.len(),
                self.programs
            );
        }
    }

    /// Tells the state of every connection, and the totals.
    pub(super) fn log_state(&self) {
        for (id, entry) in &self.connections {
            let connection = &entry.connection;
            let summary = connection.session().summary(self.now);
            log::info!(
                "connection {id}: {} {} program={} age={:.3} out={} err={} in={} argv={}",
                entry.state(),
                connection.peer(),
                connection.pid().unwrap_or(0),
                summary.duration.as_secs_f64(),
                summary.bytes_out[0],
                summary.bytes_out[1],
                summary.bytes_in,
                summary.title
            );
        }
        log::info!(
            "totals: active={} of {} programs={} of {} waiting={} {} log_lines_lost={}",
            self.active,
            self.settings.budget.connections_max,
            self.programs,
            self.settings.budget.programs_max,
            self.waiting.len() + self.guard.held(),
            self.statistics,
            crate::log::dropped()
        );
    }
}

/// One line about what a connection was for, and the totals.
pub(super) fn report(
    id: ConnectionId,
    connection: &Connection,
    now: Instant,
    statistics: &mut Statistics,
) {
    let session = connection.session();
    let summary = session.summary(now);
    statistics.count(&summary, now);
    let peer = connection.peer();
    if summary.title.is_empty() {
        match &summary.fault {
            Some(fault) if !summary.silent => log::warn!("connection {id}: {peer}: {fault}"),
            _ => log::debug!("connection {id}: {peer}: left without a request"),
        }
        return;
    }
    let end = match (summary.exit, &summary.fault) {
        (Some(exit), Some(fault)) => format!("{exit} fault={:?}", fault.to_string()),
        (Some(exit), None) => exit.to_string(),
        (None, Some(fault)) => format!("fault={:?}", fault.to_string()),
        (None, None) => "not_started".into(),
    };
    let how = match (summary.late, summary.disconnected) {
        (true, _) => " timeout",
        (false, true) => " disconnected",
        (false, false) => "",
    };
    let level = match &summary.fault {
        Some(_) => log::Level::Warn,
        None => log::Level::Info,
    };
    log::log!(
        level,
        "job {id}: {peer} {end}{how} time={:.6} out={} err={} in={} argv={}",
        summary.duration.as_secs_f64(),
        summary.bytes_out[0],
        summary.bytes_out[1],
        summary.bytes_in,
        summary.title
    );
}
