//! The numbered records of a job, as lines and as fields for the journal: of its request, if its
//! arguments are too long to be kept; of its start; of its end. And those of a connection that is
//! refused before there is a job.

use log::Level;

use super::JobRecord;
use super::line::{ArgumentFields, EndFields, NameFields, RuleField};
use crate::log::message::{Fields, MessageId, Numbered};
use crate::os::peer::Peer;
use crate::program::{Arguments, Exit, SpawnError};
use crate::session::verdict::Fault;
use crate::session::{in_one, in_pieces};

/// A job at one moment of its life.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// Its request is complete: the only moment at which all of these arguments are there.
    Requested(&'a JobRecord, &'a Arguments),
    /// Its process was made.
    Started(&'a JobRecord),
    /// It is over.
    Ended(&'a JobRecord),
}

impl<'a> Moment<'a> {
    fn record(&self) -> &'a JobRecord {
        match self {
            Self::Requested(record, _) | Self::Started(record) | Self::Ended(record) => record,
        }
    }

    /// Passes on all arguments, in pieces, if they are there and the line does not have them.
    fn pieces(&self, put: impl FnMut(&str)) {
        match self {
            Self::Requested(_, arguments) => in_pieces(arguments, put),
            Self::Started(record) | Self::Ended(record) => record.summary.excerpt.in_pieces(put),
        }
    }

    /// Adds all arguments that are there.
    fn put_arguments(&self, fields: &mut Fields) {
        let mut put = |text: &str| fields.put("SOCKEXEC_ARGV", text);
        match self {
            Self::Requested(_, arguments) if in_one(arguments, &mut put).is_ok() => {}
            _ => put(&self.record().summary.excerpt.whole()),
        }
    }
}

impl Numbered for Moment<'_> {
    fn level(&self) -> Level {
        match self {
            Self::Ended(record) if record.summary.fault.is_some() => Level::Warn,
            Self::Requested(..) | Self::Started(_) | Self::Ended(_) => Level::Info,
        }
    }

    fn message_id(&self) -> MessageId {
        match self {
            Self::Requested(..) => MessageId::JobRequested,
            Self::Started(_) => MessageId::JobStarted,
            Self::Ended(record) => match record.summary.fault {
                Some(Fault::Spawn(SpawnError::Refused(_))) => MessageId::Refused,
                _ if record.limit().is_some() => MessageId::LimitStruck,
                _ => MessageId::JobEnded,
            },
        }
    }

    fn line(&self, number: u64) -> String {
        let record = self.record();
        let (id, peer) = (record.id, &record.peer);
        let rule = RuleField(record.rule.as_deref());
        let names = NameFields(&record.names);
        let program = record.program.unwrap_or(0);
        let arguments = ArgumentFields(&record.summary);
        match self {
            Self::Requested(..) => {
                format!("job {id} requested: {peer}{names} seq={number} {arguments}")
            }
            Self::Started(_) => format!(
                "job {id} started: {peer}{rule} program={program}{names} seq={number} {arguments}"
            ),
            Self::Ended(_) => format!(
                "job {id}: {}{rule} program={program}{names} seq={number} {arguments}",
                EndFields(record)
            ),
        }
    }

    fn further_lines(&self, number: u64, put: &mut dyn FnMut(&str)) {
        let id = self.record().id;
        let mut all = 0;
        self.pieces(|_| all += 1);
        let mut index = 0;
        self.pieces(|piece| {
            index += 1;
            put(&format!(
                "job {id} argv {index}/{all}: seq={number} argv={piece}"
            ));
        });
    }

    fn fields(&self, fields: &mut Fields) {
        let record = self.record();
        let summary = &record.summary;
        common_fields(record, fields);
        fields.put("SOCKEXEC_PROGRAM", summary.excerpt.program());
        fields.show("SOCKEXEC_ARGC", summary.excerpt.count());
        self.put_arguments(fields);
        fields.show_some("SOCKEXEC_PROGRAM_PID", record.program);
        fields.show_some("SOCKEXEC_RULE", record.rule.as_deref());
        fields.show_some("SOCKEXEC_AS", record.names.program.as_deref());
        if matches!(self, Self::Ended(_)) {
            end_fields(record, fields);
        }
    }
}

fn common_fields(record: &JobRecord, fields: &mut Fields) {
    fields.show("SOCKEXEC_JOB", record.id);
    fields.put("SOCKEXEC_PROTOCOL", record.protocol.name());
    fields.show_some("SOCKEXEC_UID", record.peer.uid());
    fields.show_some("SOCKEXEC_USER", record.names.client.as_deref());
    match &record.peer {
        Peer::Local { gid, pid, .. } => {
            fields.show_some("SOCKEXEC_GID", *gid);
            // Zero is a process that is not visible from here.
            fields.show_some("OBJECT_PID", Some(*pid).filter(|&pid| pid > 0));
        }
        Peer::Tcp { address, .. } => fields.show("SOCKEXEC_ADDRESS", address),
        Peer::Unknown => {}
    }
    fields.show_some("OBJECT_SYSTEMD_UNIT", record.unit.as_deref());
}

fn end_fields(record: &JobRecord, fields: &mut Fields) {
    let summary = &record.summary;
    match summary.exit {
        Some(Exit::Code(code)) => fields.show("SOCKEXEC_EXIT", code),
        Some(Exit::Signal { number, .. }) => fields.show("SOCKEXEC_SIGNAL", number),
        None => {}
    }
    fields.show_some("SOCKEXEC_FAULT", summary.fault.as_ref());
    fields.show_some("SOCKEXEC_TIMEOUT", summary.late.then_some(1));
    fields.show_some("SOCKEXEC_DISCONNECTED", summary.disconnected.then_some(1));
    fields.show("SOCKEXEC_DURATION_USEC", summary.duration.as_micros());
    let [out, err] = summary.bytes_out;
    fields.show("SOCKEXEC_OUT", out);
    fields.show("SOCKEXEC_ERR", err);
    fields.show("SOCKEXEC_IN", summary.bytes_in);
    fields.show_some("SOCKEXEC_LIMIT", record.limit());
    if let Some(cost) = record.cost {
        fields.show("SOCKEXEC_UTIME_USEC", cost.user.as_micros());
        fields.show("SOCKEXEC_STIME_USEC", cost.system.as_micros());
        fields.show_some("SOCKEXEC_MEMORY", cost.memory);
    }
}

/// A connection that is refused, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a>(pub &'a JobRecord, pub &'a str);

impl Numbered for Refused<'_> {
    fn level(&self) -> Level {
        Level::Warn
    }

    fn message_id(&self) -> MessageId {
        MessageId::Refused
    }

    fn line(&self, number: u64) -> String {
        let Self(record, reason) = self;
        let names = NameFields(&record.names);
        format!(
            "connection {}: {}{names} seq={number}: {reason}",
            record.id, record.peer
        )
    }

    fn further_lines(&self, _: u64, _: &mut dyn FnMut(&str)) {}

    fn fields(&self, fields: &mut Fields) {
        common_fields(self.0, fields);
        fields.put("SOCKEXEC_FAULT", self.1);
    }
}
