//! What the tables and details are made of: the server's answers, and what else is known about its
//! jobs.

use std::collections::BTreeMap;

use sockexec::control::history::{Ended, Group, Groups, Recent};
use sockexec::control::payload::Job;

use super::flow::Flow;
use super::names::Names;
use super::sample::{Rates, Sample};
use super::usage::Usage;

/// What a table needs besides the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    /// The jobs that have ended.
    Recent,
    /// Totals by program, user and rule.
    Totals,
}

/// What a server said to a [`Wish`].
#[derive(Clone, Debug)]
pub enum More {
    Nothing,
    Recent(Recent),
    Totals(Groups),
    /// The reason of a refusal: a server of an older version does not know the command.
    Refused(Wish, String),
}

/// One update.
#[derive(Clone, Debug)]
pub struct Update {
    pub sample: Sample,
    pub rates: Option<Rates>,
    pub flows: BTreeMap<u64, Flow>,
    pub usages: BTreeMap<u64, Usage>,
    pub more: More,
    /// When it was made, in seconds since 1970.
    pub time: f64,
}

/// All that is known.
#[derive(Debug)]
pub struct Facts {
    pub sample: Sample,
    pub rates: Option<Rates>,
    pub flows: BTreeMap<u64, Flow>,
    pub usages: BTreeMap<u64, Usage>,
    pub recent: Result<Recent, Missing>,
    pub totals: Result<Groups, Missing>,
    pub time: f64,
    pub names: Names,
}

/// Why an answer is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It has not come yet.
    NotYet,
    Refused(String),
}

impl Facts {
    pub fn new(update: Update, names: Names) -> Self {
        let mut facts = Self {
            sample: update.sample.clone(),
            rates: None,
            flows: BTreeMap::new(),
            usages: BTreeMap::new(),
            recent: Err(Missing::NotYet),
            totals: Err(Missing::NotYet),
            time: 0.0,
            names,
        };
        facts.take(update);
        facts
    }

    /// Takes an update.
    pub fn take(&mut self, update: Update) {
        if update.sample.status.pid != self.sample.status.pid {
            // The jobs of another server are others.
            self.recent = Err(Missing::NotYet);
            self.totals = Err(Missing::NotYet);
        }
        self.sample = update.sample;
        self.rates = update.rates;
        self.flows = update.flows;
        self.usages = update.usages;
        self.time = update.time;
        self.names.ask(&self.sample.jobs);
        self.learn(update.more);
    }

    /// Takes the answer to a [`Wish`].
    pub fn learn(&mut self, more: More) {
        match more {
            More::Nothing | More::Refused(Wish::Nothing, _) => {}
            More::Recent(recent) => {
                self.names.ask(recent.jobs.iter().map(|ended| &ended.job));
                self.recent = Ok(recent);
            }
            More::Totals(totals) => self.totals = Ok(totals),
            More::Refused(Wish::Recent, why) => self.recent = Err(Missing::Refused(why)),
            More::Refused(Wish::Totals, why) => self.totals = Err(Missing::Refused(why)),
        }
    }

    /// A current job.
    pub fn job(&self, id: u64) -> Option<&Job> {
        self.sample.jobs.iter().find(|job| job.id == id)
    }

    /// The jobs that have ended, the newest first.
    pub fn ended(&self) -> &[Ended] {
        let recent = self.recent.as_ref();
        recent.map(|recent| &recent.jobs[..]).unwrap_or_default()
    }

    /// The groups of a kind.
    pub fn groups(&self, of: fn(&Groups) -> &Vec<Group>) -> &[Group] {
        let totals = self.totals.as_ref();
        totals.map(|totals| &of(totals)[..]).unwrap_or_default()
    }
}
