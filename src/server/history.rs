//! The history of jobs: the last that have ended, starts and ends as events, totals by program, user
//! and rule.
//!
//! Memory: of a job at most its record with 256 bytes of arguments and 512 bytes of standard error,
//! some 2.5 KiB, which the list of jobs and the events share. When the system is short of memory, all of
//! them are dropped, and their space is there for requests; only the totals go on.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::control::history::{Group, Groups as Answer, Wanted};
use crate::history::{Groups, Ranked, Ranking, Ring, Tally};
use crate::os::memory;
use crate::record::{Ended, Entry, JobRecord, SUCCESS};
use crate::session::escaped;

/// Groups that an answer lists, without the last one for all others.
pub(super) const LISTED_MAX: usize = 100;

/// How many bytes of a program's name make its group.
const NAME_MAX: usize = 256;

/// Events in one answer at most.
pub(super) const EVENTS_MAX: usize = 256;

/// Events that are kept for each job that is: its start and its end.
const EVENTS_EACH: usize = 2;

/// How long nothing is kept after the system was short of memory.
const PAUSE: Duration = Duration::from_secs(60);

/// An event.
#[derive(Clone, Debug)]
enum Event {
    Start(f64, Rc<JobRecord>),
    End(Rc<Ended>),
}

/// The groups to which a job belongs.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) program: Vec<u8>,
    pub(super) user: Option<u32>,
    pub(super) rule: Option<Rc<str>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    ended: Ring<Rc<Ended>>,
    events: Ring<Event>,
    programs: Groups<Vec<u8>>,
    users: Groups<Uid>,
    rules: Groups<Title>,
    /// Memory is short: nothing is kept until then.
    paused_until: Option<Instant>,
}

/// The number of a user, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Uid(Option<u32>);

impl From<&Uid> for Uid {
    fn from(uid: &Uid) -> Self {
        *uid
    }
}

/// The title of a rule, if one decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Title(Option<Rc<str>>);

impl From<&Title> for Title {
    fn from(title: &Title) -> Self {
        title.clone()
    }
}

impl Membership {
    pub(super) fn of(record: &JobRecord) -> Self {
        Self {
            program: program_of(record).to_vec(),
            user: record.peer.uid(),
            rule: record.rule.clone(),
        }
    }
}

impl History {
    /// One that keeps this number of jobs.
    pub(super) fn new(jobs: u32) -> Self {
        let jobs = jobs as usize;
        Self {
            ended: Ring::new(jobs),
            events: Ring::new(EVENTS_EACH * jobs),
            programs: Groups::default(),
            users: Groups::default(),
            rules: Groups::default(),
            paused_until: None,
        }
    }

    /// Keeps this number of jobs from now on.
    pub(super) fn keep(&mut self, jobs: u32) {
        let jobs = jobs as usize;
        let before = self.ended.most();
        self.ended.keep(jobs);
        self.events.keep(EVENTS_EACH * jobs);
        if jobs < before {
            memory::give_back();
        }
    }

    /// How many jobs are kept.
    pub(super) fn kept(&self) -> usize {
        self.ended.most()
    }

    /// Drops all jobs and events if the system is short of memory, and keeps no more for a while.
    /// Returns whether there is memory.
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        if memory::take_refusal() || memory::is_short() {
            self.give_up(now);
        } else if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        self.paused_until.is_none()
    }

    /// Drops all jobs and events, and keeps no more for a while.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.ended.drop_all();
        self.events.drop_all();
        self.paused_until = Some(now + PAUSE);
    }

    /// The number of the last event.
    pub(super) fn last_event(&self) -> u64 {
        self.events.last()
    }

    /// The process of a job was made.
    pub(super) fn start(&mut self, mut record: JobRecord, now: Instant) {
        if !self.make_room(now) {
            return self.events.skip();
        }
        record.summary.excerpt.shorten();
        let event = Event::Start(today(), Rc::new(record));
        self.events.push(event);
    }

    /// A job has ended.
    pub(super) fn end(
        &mut self,
        mut record: JobRecord,
        (outcome, stderr): (&'static str, &[u8]),
        now: Instant,
    ) {
        let grow = self.make_room(now);
        self.count(&record, outcome, grow);
        if !grow || self.kept() == 0 {
            self.events.skip();
            return self.ended.skip();
        }
        record.summary.excerpt.shorten();
        let ended = Rc::new(Ended {
            time: today(),
            record,
            outcome,
            stderr: stderr.to_vec(),
        });
        self.events.push(Event::End(Rc::clone(&ended)));
        self.ended.push(ended);
    }

    fn count(&mut self, record: &JobRecord, outcome: &str, grow: bool) {
        let rule = Title(record.rule.clone());
        let summary = &record.summary;
        let cost = record.cost.unwrap_or_default();
        let tally = Tally {
            jobs: 1,
            failed: (outcome != SUCCESS).into(),
            time: summary.duration,
            cpu: cost.user + cost.system,
            memory: cost.memory,
            bytes_in: summary.bytes_in,
            bytes_out: summary.bytes_out.iter().sum(),
        };
        self.programs.count(program_of(record), &tally, grow);
        self.users.count(&Uid(record.peer.uid()), &tally, grow);
        self.rules.count(&rule, &tally, grow);
    }

    /// How many jobs there are to look at.
    pub(super) fn jobs(&self) -> usize {
        self.ended.len()
    }

    /// How many events there are behind this number.
    pub(super) fn behind(&self, number: u64) -> usize {
        self.events.after(number).1.count()
    }

    /// The last jobs that have ended, of those that are wanted.
    pub(super) fn recent<'a>(&'a self, wanted: &'a Wanted) -> RecentAnswer<'a> {
        RecentAnswer {
            history: self,
            wanted,
        }
    }

    /// The events behind this number, at most this many.
    pub(super) fn events(&self, after: u64, most: usize) -> EventsAnswer<'_> {
        EventsAnswer {
            history: self,
            after,
            most,
        }
    }

    /// The totals, with the programs that run now. `name` is that of a user.
    pub(super) fn totals<'a>(
        &self,
        running: impl Iterator<Item = Membership>,
        name: impl Fn(u32) -> Option<&'a str>,
    ) -> Answer {
        let (mut programs, mut users, mut rules) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for job in running {
            *programs.entry(job.program).or_default() += 1;
            *users.entry(Uid(job.user)).or_default() += 1;
            *rules.entry(Title(job.rule)).or_default() += 1;
        }
        let user = |Uid(uid): Uid| {
            let named = |uid| name(uid).map_or_else(|| uid.to_string(), str::to_owned);
            uid.map(named).unwrap_or_default()
        };
        let rule = |Title(title): Title| title.map(|title| title.to_string()).unwrap_or_default();
        Answer {
            programs: groups(self.programs.rank(programs, LISTED_MAX), |program| {
                escaped(&program)
            }),
            users: groups(self.users.rank(users, LISTED_MAX), user),
            rules: groups(self.rules.rank(rules, LISTED_MAX), rule),
        }
    }
}

/// The beginning of the name of a job's program.
fn program_of(record: &JobRecord) -> &[u8] {
    let program = record.summary.excerpt.program();
    &program[..program.len().min(NAME_MAX)]
}

/// Seconds since 1970.
fn today() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}

fn groups<K>(ranking: Ranking<K>, name: impl Fn(K) -> String) -> Vec<Group> {
    let listed = ranking.listed.into_iter();
    let mut groups: Vec<Group> = listed
        .map(|(key, ranked)| group(name(key), &ranked))
        .collect();
    groups.extend(ranking.other.map(|ranked| Group {
        other: true,
        ..group("other".into(), &ranked)
    }));
    groups
}

fn group(name: String, ranked: &Ranked) -> Group {
    let ended = &ranked.ended;
    Group {
        name,
        running: ranked.running,
        jobs: ended.jobs,
        failed: ended.failed,
        seconds: ended.time.as_secs_f64(),
        cpu: ended.cpu.as_secs_f64(),
        memory: ended.memory,
        bytes_in: ended.bytes_in,
        bytes_out: ended.bytes_out,
        other: false,
    }
}

/// The answer to `recent`, which `Recent` in `control/history.rs` reads.
pub(super) struct RecentAnswer<'a> {
    history: &'a History,
    wanted: &'a Wanted,
}

impl Serialize for RecentAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ended, wanted) = (&self.history.ended, self.wanted);
        let is_wanted = |job: &Ended| {
            (job.failed() || !wanted.failed)
                && wanted
                    .user
                    .as_ref()
                    .is_none_or(|user| job.record.is_of_user(user))
                && wanted
                    .program
                    .as_ref()
                    .is_none_or(|program| job.record.is_of_program(program))
        };
        let most = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
        let jobs = ended
            .newest_first()
            .filter(|(_, job)| is_wanted(job))
            .take(most);
        let mut answer = serializer.serialize_struct("Recent", 3)?;
        answer.serialize_field("ended", &ended.last())?;
        answer.serialize_field("kept", &ended.most())?;
        let entries: Vec<_> = jobs.map(|(seq, job)| Entry::Recent(seq, job)).collect();
        answer.serialize_field("jobs", &entries)?;
        answer.end()
    }
}

/// The answer to `events`, which `Events` there reads.
pub(super) struct EventsAnswer<'a> {
    history: &'a History,
    after: u64,
    most: usize,
}

impl Serialize for EventsAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ring = &self.history.events;
        let (missed, events) = ring.after(self.after);
        let events: Vec<_> = events
            .take(self.most)
            .map(|(seq, event)| match event {
                Event::Start(time, record) => Entry::Start(seq, *time, record),
                Event::End(ended) => Entry::End(seq, ended),
            })
            .collect();
        let next = match events.last() {
            Some(Entry::Recent(seq, _) | Entry::Start(seq, ..) | Entry::End(seq, _)) => *seq,
            None => ring.last(),
        };
        let mut answer = serializer.serialize_struct("Events", 4)?;
        answer.serialize_field("pid", &std::process::id())?;
        answer.serialize_field("next", &next)?;
        answer.serialize_field("missed", &missed)?;
        answer.serialize_field("events", &events)?;
        answer.end()
    }
}
