//! The tabs: what each is about, its columns, its rows, and the details of a row.

use sockexec::control::history::{Group, Groups};

use super::column::{Column, Key, Row};
use super::details::Field;
use super::facts::{Facts, Missing, Wish};
use super::{ended, groups, jobs};

/// A tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Running,
    Recent,
    Failed,
    Programs,
    Users,
    Rules,
}

/// What the name of all other groups together is.
const OTHERS: &str = "(all others)";

/// The name of those without one, such as requests that end before their program is known.
const NAMELESS: &str = "(none)";

impl Tab {
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Recent,
        Self::Failed,
        Self::Programs,
        Self::Users,
        Self::Rules,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Recent => "recent",
            Self::Failed => "failed",
            Self::Programs => "programs",
            Self::Users => "users",
            Self::Rules => "rules",
        }
    }

    /// What it needs besides the sample.
    pub fn wish(self) -> Wish {
        match self {
            Self::Running => Wish::Nothing,
            Self::Recent | Self::Failed => Wish::Recent,
            Self::Programs | Self::Users | Self::Rules => Wish::Totals,
        }
    }

    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Running => &jobs::COLUMNS,
            Self::Recent | Self::Failed => &ended::COLUMNS,
            Self::Programs => &groups::PROGRAMS,
            Self::Users => &groups::USERS,
            Self::Rules => &groups::RULES,
        }
    }

    /// The column by which it is sorted at first.
    pub fn sort(self) -> usize {
        match self {
            Self::Running => jobs::SORT,
            Self::Recent | Self::Failed => ended::SORT,
            Self::Programs | Self::Users | Self::Rules => groups::SORT,
        }
    }

    /// Its rows, in no order.
    pub fn rows(self, facts: &Facts) -> Vec<Row> {
        let wanted = |failed: bool| self == Self::Recent || failed;
        match self {
            Self::Running => {
                let all = facts.sample.jobs.iter();
                all.map(|job| jobs::row(facts, job)).collect()
            }
            Self::Recent | Self::Failed => {
                let all = facts.ended().iter().filter(|ended| wanted(ended.failed));
                all.map(|ended| ended::row(facts, ended)).collect()
            }
            Self::Programs | Self::Users | Self::Rules => {
                let all = self.groups(facts).iter();
                all.map(|group| groups::row(group, &self.title(facts, group)))
                    .collect()
            }
        }
    }

    /// All about the thing of this key, while it is known.
    pub fn details(self, facts: &Facts, key: &Key) -> Option<Vec<Field>> {
        match key {
            Key::Job(id) => facts.job(*id).map(|job| jobs::details(facts, job)),
            Key::Ended(seq) => {
                let mut all = facts.ended().iter();
                let ended = all.find(|ended| ended.seq == *seq)?;
                Some(ended::details(facts, ended))
            }
            Key::Group(_) | Key::Others => {
                let mut all = self.groups(facts).iter();
                let group = all.find(|group| groups::key(group) == *key)?;
                Some(groups::details(group, &self.title(facts, group)))
            }
        }
    }

    /// Why its rows are not known.
    pub fn missing(self, facts: &Facts) -> Option<&Missing> {
        match self.wish() {
            Wish::Nothing => None,
            Wish::Recent => facts.recent.as_ref().err(),
            Wish::Totals => facts.totals.as_ref().err(),
        }
    }

    fn groups(self, facts: &Facts) -> &[Group] {
        let of: fn(&Groups) -> &Vec<Group> = match self {
            Self::Users => |groups| &groups.users,
            Self::Rules => |groups| &groups.rules,
            _ => |groups| &groups.programs,
        };
        facts.groups(of)
    }

    fn title(self, facts: &Facts, group: &Group) -> String {
        if group.other {
            return OTHERS.into();
        }
        if group.name.is_empty() {
            return NAMELESS.into();
        }
        match (self, group.name.parse()) {
            // A user without a name, as far as the server knows.
            (Self::Users, Ok(uid)) => facts.names.of(uid),
            _ => group.name.clone(),
        }
    }
}
