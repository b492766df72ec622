//! Whole lines, and their fields in the manual pages.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::log::message::{Fields, MessageId, Numbered as _};
use crate::program::{Arguments, Exit, Refusal, SpawnError};
use crate::session::verdict::Fault;

const LOCAL: Peer = Peer::Local {
    uid: Some(33),
    gid: Some(34),
    pid: 6341,
};

/// A job of this client whose program is over, or was never there.
fn ended(peer: Peer, program: Option<i32>, summary: Summary) -> JobRecord {
    let arguments = Arguments::try_collect([&b"wc"[..], b"-c", b"a \xff"]).unwrap();
    let summary = Summary {
        excerpt: Excerpt::of(&arguments, true),
        state: JobState::Replying,
        bytes_out: [3, 4],
        bytes_in: 11,
        duration: Duration::from_micros(1_234_567),
        ..summary
    };
    let id = ConnectionId::numbered(7).unwrap();
    let record = JobRecord::new(id, (Protocol::Exec, peer), program, false, summary);
    let cost = Cost {
        user: Duration::from_millis(1500),
        system: Duration::from_millis(250),
        memory: Some(4096),
    };
    record
        .with_rule(Some("web".into()))
        .with_cost(program.map(|_| cost), None)
        .with_names(Names {
            client: Some("www-data".into()),
            program: Some("report".into()),
        })
}

/// The lines after the first.
fn further_lines(moment: &Moment<'_>, number: u64) -> Vec<String> {
    let mut lines = Vec::new();
    moment.further_lines(number, &mut |line| lines.push(line.to_owned()));
    lines
}

/// The line of the log at its end.
fn line(record: &JobRecord) -> String {
    Moment::Ended(record).line(12)
}

fn exited(exit: Exit) -> Summary {
    Summary {
        exit: Some(exit),
        ..Summary::default()
    }
}

/// A record of each kind, and the line that it makes.
fn kinds() -> Vec<(JobRecord, String)> {
    let program = Some(6342);
    let tcp = Peer::Tcp {
        address: "127.0.0.1:40000".parse().unwrap(),
        uid: Some(33),
    };
    let hidden = Peer::Local {
        uid: None,
        gid: None,
        pid: 0,
    };
    let ok = exited(Exit::Code(0));
    let killed = exited(Exit::Signal {
        number: 15,
        dumped: false,
    });
    let stuck = Fault::Stuck(Duration::from_secs(5));
    let refused = Fault::Spawn(SpawnError::Refused(Refusal::NoRule));
    let (stuck_text, refused_text) = (stuck.to_string(), refused.to_string());
    let with = |fault, summary| Summary {
        fault: Some(fault),
        ..summary
    };
    let busy = exited(Exit::Signal {
        number: libc::SIGXCPU,
        dumped: false,
    });
    let disconnected = Summary {
        disconnected: true,
        ..killed.clone()
    };
    let late = Summary {
        late: true,
        ..disconnected.clone()
    };
    let none = Summary::default();
    let tail = |who_and_how: &str, program: &str| {
        format!(
            "job 7: {who_and_how} time=1.234567 out=3 err=4 in=11{} rule=web program={program} \
             user=www-data as=report seq=12 argv=wc -c \"a \\xff\"",
            match program {
                "0" => "",
                _ => " utime=1.500000 stime=0.250000 memory=4096",
            }
        )
    };
    vec![
        (
            ended(LOCAL, program, ok.clone()),
            tail("uid=33 gid=34 pid=6341 exit=0", "6342"),
        ),
        (
            ended(tcp, program, killed),
            tail("tcp=127.0.0.1:40000 uid=33 signal=15", "6342"),
        ),
        (
            ended(LOCAL, program, busy),
            tail("uid=33 gid=34 pid=6341 signal=24 limit=cpu", "6342"),
        ),
        (
            ended(hidden, program, late),
            tail("uid=unknown gid=unknown pid=0 signal=15 timeout", "6342"),
        ),
        (
            ended(Peer::Unknown, program, disconnected),
            tail("peer=unknown signal=15 disconnected", "6342"),
        ),
        (
            ended(LOCAL, program, with(stuck, ok)),
            tail(
                &format!("uid=33 gid=34 pid=6341 exit=0 fault=\"{stuck_text}\""),
                "6342",
            ),
        ),
        (
            ended(LOCAL, None, with(refused, none.clone())),
            tail(
                &format!("uid=33 gid=34 pid=6341 fault=\"{refused_text}\""),
                "0",
            ),
        ),
        (
            ended(LOCAL, None, none),
            tail("uid=33 gid=34 pid=6341 not_started", "0"),
        ),
    ]
}

#[test]
fn the_line_of_the_log_is_this() {
    for (record, expected) in kinds() {
        assert_eq!(line(&record), expected);
    }
}

/// What stands in the manual page from one line to another, with broken lines joined.
fn manual(from: &str, to: &str) -> String {
    let page = include_str!("../../man/sockexec.8");
    let begin = page.find(from).unwrap_or_else(|| panic!("no {from}"));
    let end = page[begin..].find(to).unwrap() + begin;
    page[begin..end].replace("\\e\n    ", "")
}

/// The names of the fields of a line, in order.
fn fields(line: &str) -> Vec<&str> {
    let (before, _) = line.split_once("argv=").expect("the last field");
    let names = before.split(' ').filter_map(|word| word.split_once('='));
    names.map(|(name, _)| name).chain(["argv"]).collect()
}

#[test]
fn the_manual_page_has_every_field_of_the_line_of_the_log() {
    let (record, _) = &kinds()[0];
    let example = manual("\njob 1: ", "\n.Ed");
    assert_eq!(fields(&example), fields(&line(record)));
    // Each has its item, or is explained in that of another.
    let items = manual("\n.It Li job 1", "\n.El");
    let words: Vec<_> = items
        .lines()
        .filter(|line| line.starts_with(".It Li ") || line.starts_with(".Li "))
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    let named = |name: &str| {
        words
            .iter()
            .any(|word| word.split('=').next() == Some(name))
    };
    for (record, expected) in kinds() {
        for field in fields(&expected) {
            assert!(named(field), "no {field}: {words:?}");
        }
        assert_eq!(fields(&line(&record)), fields(&expected));
    }
    for word in ["timeout", "disconnected", "not_started"] {
        assert!(named(word), "no {word}: {words:?}");
    }
    assert!(!named("no_such_field"));
}

#[test]
fn the_manual_page_has_every_field_and_state_of_the_line_at_sigusr1() {
    let example = manual("\nconnection 5: running", "\ntotals:");
    let line = ended(LOCAL, Some(1), Summary::default())
        .so_far()
        .to_string();
    assert_eq!(fields(&example), fields(&line));
    let states = JobState::ALL.map(JobState::name);
    let text = manual("\nOn SIGUSR1", "\n.Bd").replace("\n.Li ", " , ");
    let (_, listed) = text.split_once(".Po").unwrap();
    let (listed, _) = listed.split_once("\n.Pc").unwrap();
    let listed: Vec<_> = listed
        .split(|c: char| !c.is_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    assert_eq!(listed, states);
}

#[test]
fn a_quote_in_a_fault_is_escaped() {
    let fault = Fault::Wire(crate::wire::WireError::ArgcZero);
    let summary = Summary {
        fault: Some(fault.clone()),
        ..Summary::default()
    };
    let line = line(&ended(LOCAL, None, summary));
    assert!(line.contains(&format!(" fault={:?} ", fault.to_string())));
}

#[test]
fn a_rule_is_one_field_whatever_its_name_is() {
    let lines = |rule: Option<&str>| {
        let record = ended(LOCAL, None, Summary::default()).with_rule(rule.map(Into::into));
        (line(&record), record.so_far().to_string())
    };
    for (rule, field) in [
        (Some("2"), " in=11 rule=2 "),
        (Some("web-status"), " in=11 rule=web-status "),
        (Some("a b"), " in=11 rule=\"a b\" "),
        (Some("a\" exit=0"), " in=11 rule=\"a\\\" exit=0\" "),
        (Some("x=y"), " in=11 rule=\"x=y\" "),
        (Some("é\n"), " in=11 rule=\"\\xc3\\xa9\\n\" "),
    ] {
        let (ended, so_far) = lines(rule);
        assert!(ended.contains(field) && so_far.contains(field), "{ended}");
    }
    let (ended, so_far) = lines(None);
    assert!(ended.contains(" in=11 program=") && so_far.contains(" in=11 user="));
}

#[test]
fn the_line_at_sigusr1_is_this() {
    let mut record = ended(LOCAL, Some(6342), Summary::default());
    record.summary.state = JobState::Draining;
    assert_eq!(
        record.so_far().to_string(),
        "connection 7: draining uid=33 gid=34 pid=6341 program=6342 age=1.235 out=3 err=4 \
         in=11 rule=web user=www-data as=report argv=wc -c \"a \\xff\""
    );
    // The number may be another's by then.
    record.summary.state = JobState::Lingering;
    assert_eq!(
        record.so_far().to_string(),
        "connection 7: lingering uid=33 gid=34 pid=6341 program=0 age=1.235 out=3 err=4 \
         in=11 rule=web user=www-data as=report argv=wc -c \"a \\xff\""
    );
}

#[test]
fn the_entry_of_jobs_is_this_and_is_understood() {
    let mut record = ended(LOCAL, Some(6342), Summary::default());
    record.summary.state = JobState::Running;
    record.summary.deadline = Some(Duration::from_millis(58_750));
    let written = serde_json::to_value(&record).unwrap();
    let expected = json!({"id": 7, "protocol": "exec",
        "peer": {"uid": 33, "gid": 34, "pid": 6341}, "user": "www-data", "as": "report", "pid": 6342,
        "rule": "web", "argv": ["wc", "-c", "a \\xff"], "argv-cut": false,
        "title": "wc -c \"a \\xff\"", "age": 1.234_567, "deadline": 58.75,
        "in": 11, "out": 3, "err": 4, "cost": {"user": 1.5, "system": 0.25, "memory": 4096},
        "limit": null, "processes": null, "state": "running"});
    assert_eq!(written, expected);
    let read: payload::Job = serde_json::from_value(written).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), expected);
    record.summary.state = JobState::Replying;
    record.summary.deadline = None;
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(
        (&written["pid"], &written["deadline"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn clients_of_each_kind_have_what_is_known_of_them() {
    let tcp = Peer::Tcp {
        address: "[::1]:40000".parse().unwrap(),
        uid: None,
    };
    for (peer, expected) in [
        (LOCAL, json!({"uid": 33, "gid": 34, "pid": 6341})),
        (tcp, json!({"address": "[::1]:40000"})),
        (Peer::Unknown, json!({})),
    ] {
        let written = serde_json::to_value(ended(peer, None, Summary::default())).unwrap();
        assert_eq!(written["peer"], expected);
    }
}

#[test]
fn who_has_no_slot_is_parked_until_its_program_starts() {
    for state in JobState::ALL {
        let summary = Summary {
            state,
            ..Summary::default()
        };
        let id = ConnectionId::numbered(1).unwrap();
        let client = (Protocol::Exec, LOCAL);
        let record = |parked| JobRecord::new(id, client, None, parked, summary.clone());
        let expected = match state {
            JobState::Request | JobState::Waiting => JobState::Parked,
            other => other,
        };
        assert_eq!(record(true).summary.state, expected);
        assert_eq!(record(false).summary.state, state);
    }
}

#[test]
fn the_other_lines_of_a_job_are_these() {
    let record = ended(LOCAL, Some(6342), Summary::default());
    let started = Moment::Started(&record);
    assert_eq!(
        started.line(11),
        "job 7 started: uid=33 gid=34 pid=6341 rule=web program=6342 user=www-data as=report \
         seq=11 argv=wc -c \"a \\xff\""
    );
    assert!(further_lines(&started, 11).is_empty());
    let long = Arguments::try_collect([&b"true"[..], &[b'y'; 3000]]).unwrap();
    let mut record = ended(LOCAL, None, Summary::default());
    record.summary.excerpt = Excerpt::of(&long, true);
    record.names.program = None;
    let requested = Moment::Requested(&record, &long);
    let shown = "y".repeat(251);
    assert_eq!(
        requested.line(10),
        format!(
            "job 7 requested: uid=33 gid=34 pid=6341 user=www-data seq=10 argc=2 \
             argv=true {shown}..."
        )
    );
    let further = further_lines(&requested, 10);
    assert_eq!(further.len(), 4);
    let first = "y".repeat(895);
    assert_eq!(
        further[0],
        format!("job 7 argv 1/4: seq=10 argv=true {first}...")
    );
    assert!(further[1].starts_with("job 7 argv 2/4: seq=10 argv=...yyy"));
    // Nothing of them is there at the end.
    assert!(further_lines(&Moment::Ended(&record), 12).is_empty());
}

#[test]
fn arguments_that_are_kept_are_whole_at_the_end() {
    let long = Arguments::try_collect([&b"echo"[..], b"a=b", &[b'y'; 1000]]).unwrap();
    let mut record = ended(LOCAL, None, Summary::default());
    record.summary.excerpt = Excerpt::of(&long, true);
    assert!(line(&record).contains(" seq=12 argc=3 argv=echo \"a=b\" yyy"));
    let further = further_lines(&Moment::Ended(&record), 12);
    assert_eq!(further.len(), 2);
    assert!(further[0].starts_with("job 7 argv 1/2: seq=12 argv=echo \"a=b\" yyy"));
    // Every line fits into what the oldest syslogd takes.
    assert!(further.iter().all(|line| line.len() < 980));
}

#[test]
fn arguments_that_may_be_secret_are_in_no_line_and_no_field() {
    let secret = Arguments::try_collect([&b"curl"[..], b"-u", b"me:secret"]).unwrap();
    let mut record = ended(LOCAL, None, Summary::default());
    record.summary.excerpt = Excerpt::of(&secret, false);
    assert!(line(&record).ends_with(" argc=3 argv=curl ..."));
    let mut fields = Fields::default();
    Moment::Ended(&record).fields(&mut fields);
    let all = [
        line(&record),
        Moment::Started(&record).line(1),
        record.so_far().to_string(),
        serde_json::to_string(&record).unwrap(),
        format!("{fields:?}"),
    ];
    assert!(all.iter().all(|text| !text.contains("secret")));
    let fields = format!("{}", String::from_utf8_lossy(fields.as_bytes()));
    assert!(fields.contains("SOCKEXEC_ARGV=curl ...\n") && fields.contains("SOCKEXEC_ARGC=3\n"));
    assert!(!fields.contains("secret"));
}

/// The fields of a record for the journal.
fn journal(numbered: &dyn crate::log::message::Numbered) -> String {
    let mut fields = Fields::default();
    numbered.fields(&mut fields);
    String::from_utf8(fields.as_bytes().to_vec()).unwrap()
}

#[test]
fn the_fields_of_the_journal_are_these() {
    let summary = Summary {
        late: true,
        ..exited(Exit::Signal {
            number: 15,
            dumped: false,
        })
    };
    let record = ended(LOCAL, Some(6342), summary).with_unit(Some("nginx.service".into()));
    let start = "SOCKEXEC_JOB=7\nSOCKEXEC_PROTOCOL=exec\nSOCKEXEC_UID=33\n\
         SOCKEXEC_USER=www-data\nSOCKEXEC_GID=34\nOBJECT_PID=6341\n\
         OBJECT_SYSTEMD_UNIT=nginx.service\n";
    let job = "SOCKEXEC_PROGRAM=wc\nSOCKEXEC_ARGC=3\nSOCKEXEC_ARGV=wc -c \"a \\xff\"\n\
         SOCKEXEC_PROGRAM_PID=6342\nSOCKEXEC_RULE=web\nSOCKEXEC_AS=report\n";
    assert_eq!(journal(&Moment::Started(&record)), format!("{start}{job}"));
    let end = "SOCKEXEC_SIGNAL=15\nSOCKEXEC_TIMEOUT=1\nSOCKEXEC_DURATION_USEC=1234567\n\
         SOCKEXEC_OUT=3\nSOCKEXEC_ERR=4\nSOCKEXEC_IN=11\nSOCKEXEC_UTIME_USEC=1500000\n\
         SOCKEXEC_STIME_USEC=250000\nSOCKEXEC_MEMORY=4096\n";
    let ended = journal(&Moment::Ended(&record));
    assert_eq!(ended, format!("{start}{job}{end}"));
    let refused = journal(&Refused(&record, "no"));
    assert_eq!(refused, format!("{start}SOCKEXEC_FAULT=no\n"));
}

#[test]
fn each_record_has_its_message() {
    let refused = Fault::Spawn(SpawnError::Refused(Refusal::NoRule));
    let refused = Summary {
        fault: Some(refused),
        ..Summary::default()
    };
    let (refused, job) = (
        ended(LOCAL, None, refused),
        ended(LOCAL, None, exited(Exit::Code(0))),
    );
    assert_eq!(Moment::Ended(&refused).message_id(), MessageId::Refused);
    assert_eq!(Moment::Ended(&refused).level(), log::Level::Warn);
    assert_eq!(Moment::Ended(&job).message_id(), MessageId::JobEnded);
    assert_eq!(Moment::Ended(&job).level(), log::Level::Info);
    assert_eq!(Moment::Started(&job).message_id(), MessageId::JobStarted);
    let busy = exited(Exit::Signal {
        number: libc::SIGXCPU,
        dumped: false,
    });
    let busy = ended(LOCAL, Some(1), busy);
    assert_eq!(Moment::Ended(&busy).message_id(), MessageId::LimitStruck);
    assert!(journal(&Moment::Ended(&busy)).contains("\nSOCKEXEC_LIMIT=cpu\n"));
    assert_eq!(Refused(&job, "no").message_id(), MessageId::Refused);
    assert_eq!(
        Refused(&job, "no").line(3),
        "connection 7: uid=33 gid=34 pid=6341 user=www-data as=report seq=3: no"
    );
}
