//! A connection of the world, and the state of its request.

use sockexec::quota::{Charge, User};
use sockexec::schedule::{Need, QuotaId, Rejection};

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Slot,
    /// It waits for a slot.
    OverQuota,
    Refused,
    Control,
    Lingers,
}

/// The order that a new connection must get, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    Serve,
    Refuse(Rejection),
}

/// A permit, which has the place of a request in its queues.
#[derive(Clone, Copy, Debug)]
pub struct Permit {
    pub quota: Option<QuotaId>,
    /// Counts permits.
    pub number: u64,
    /// The turn in which its rule was known to hold it up no more.
    pub ready: Option<u64>,
}

impl Permit {
    /// Whether this request must go on before another.
    pub fn is_before(&self, other: &Permit) -> bool {
        let same = self.quota == other.quota && self.number < other.number;
        let ready = |permit: &Permit| permit.ready.unwrap_or(u64::MAX);
        same || ready(self) < ready(other)
    }
}

/// How far a request has come.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// It is not complete.
    Collects,
    /// It is complete, and its connection has no slot.
    Asked,
    /// Its user has no token for it, or has others before it. Counts those.
    Parked { number: u64 },
    /// The rules are to be asked: in which group, and which permit is void now.
    Judged { group: u64, before: Option<Permit> },
    /// The rules were asked, and could not decide yet.
    Postponed,
    /// It waits.
    Permitted(Permit),
    /// Its program runs.
    Runs { quota: Option<QuotaId> },
    /// There is nothing more to come.
    Over,
}

#[derive(Debug)]
pub struct Client {
    pub user: User,
    pub place: Place,
    pub greeting: Option<Greeting>,
    pub job: Job,
    /// Bytes of the request that have not come yet.
    pub to_come: u64,
    /// Bytes of it that have.
    pub held: u64,
    pub request: Charge,
    pub spooled: u64,
    pub spools: Charge,
    /// It is not read for want of room.
    pub starves: bool,
    /// It may go beyond the limit.
    pub beyond: bool,
}

impl Client {
    pub fn collects(&self) -> bool {
        matches!(self.job, Job::Collects) && self.greeting.is_none()
    }

    pub fn runs(&self) -> bool {
        matches!(self.job, Job::Runs { .. })
    }

    /// Its request is not complete, or its program has not begun.
    pub fn may_give_up(&self) -> bool {
        !self.runs() && !matches!(self.job, Job::Over) && self.greeting.is_none()
    }

    /// It has its reply, or needs none.
    pub fn is_answered(&self) -> bool {
        let is_over = matches!(self.job, Job::Over) && self.greeting.is_none();
        is_over && self.place != Place::Lingers
    }

    pub fn permit(&self) -> Option<&Permit> {
        match &self.job {
            Job::Permitted(permit) => Some(permit),
            _ => None,
        }
    }

    pub fn permit_mut(&mut self) -> Option<&mut Permit> {
        match &mut self.job {
            Job::Permitted(permit) => Some(permit),
            _ => None,
        }
    }

    pub fn runs_by(&self, id: QuotaId) -> bool {
        matches!(self.job, Job::Runs { quota } if quota == Some(id))
    }

    pub fn needs(&self) -> Need {
        match () {
            () if self.starves => Need::Room { held: self.held },
            () if self.beyond => Need::Beyond,
            () => Need::Nothing,
        }
    }
}
