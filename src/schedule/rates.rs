//! The rate at which each user's requests go on: a bucket of tokens for each user, of which every
//! request takes one. A request without a token is parked, behind those of its user that came
//! before, and holds up no other user.
//!
//! A bucket is one moment: when it will be full again. A token taken puts that off by the time in
//! which one comes back. A full bucket is the same as none, so it is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::id::ConnectionId;
use crate::quota::User;

/// The number of buckets above which those that are full are looked for.
const BUCKETS_KEPT: usize = 64;

/// The rate of each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time in which a token comes back. `None`: there is no limit.
    each: Option<Duration>,
    /// The tokens of a full bucket.
    burst: u32,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self {
        each: None,
        burst: 1,
    };

    /// This number of requests in a second, with a fraction if need be; 0: any number. After a pause `burst`
    /// of them, at least one, may go on at once.
    pub fn new(per_second: f64, burst: u32) -> Self {
        // Rounded up, so that there are never more.
        let each = (per_second > 0.0).then(|| (1e9 / per_second).ceil() as u64);
        Self {
            each: each.map(Duration::from_nanos),
            burst: burst.max(1),
        }
    }
}

/// A place in the queue of a user. The lowest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parked {
    user: User,
    number: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    /// A moment that has passed.
    start: Instant,
    now: Instant,
    /// When the bucket of each user will be full.
    full_at: BTreeMap<User, Instant>,
    /// Requests that wait for a token.
    parked: BTreeMap<Parked, ConnectionId>,
    /// When the first of them of each user gets one.
    due: BTreeSet<(Instant, User)>,
    /// Requests that had to wait.
    throttled: u64,
    /// The number of buckets at which full ones are forgotten.
    crowd: usize,
}

impl Rates {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            start: now,
            now,
            full_at: BTreeMap::new(),
            parked: BTreeMap::new(),
            due: BTreeSet::new(),
            throttled: 0,
            crowd: BUCKETS_KEPT,
        }
    }

    /// Takes the time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Takes another rate. Tokens that were taken are still missing.
    pub(super) fn configure(&mut self, rate: Rate) {
        let before = std::mem::replace(&mut self.rate, rate);
        if before == rate {
            return;
        }
        let now = self.now;
        for full_at in self.full_at.values_mut() {
            let missing = full_at.saturating_duration_since(now);
            *full_at = now + converted(missing, before, rate);
        }
        let users: BTreeSet<User> = self.parked.keys().map(|parked| parked.user).collect();
        self.due = users.iter().map(|&user| (self.next(user), user)).collect();
        self.forget_full_ones();
    }

    /// A request of a user comes. It may go on, or is parked in this place.
    pub(super) fn enter(&mut self, user: User, id: ConnectionId) -> Option<Parked> {
        let is_first = first(&self.parked, user).is_none();
        if is_first && self.rate.each.is_none() {
            return None;
        }
        if self.full_at.len() >= self.crowd {
            self.forget_full_ones();
        }
        let next = self.next(user);
        if is_first && next <= self.now {
            self.take(user);
            return None;
        }
        self.throttled += 1;
        let parked = Parked {
            user,
            number: self.throttled,
        };
        self.parked.insert(parked, id);
        if is_first {
            self.due.insert((next, user));
        }
        Some(parked)
    }

    /// A request that need not wait any more.
    pub(super) fn release(&mut self) -> Option<ConnectionId> {
        let &(at, user) = self.due.first().filter(|(at, _)| *at <= self.now)?;
        self.due.remove(&(at, user));
        let id = self.parked.remove(&first(&self.parked, user)?);
        self.take(user);
        if first(&self.parked, user).is_some() {
            self.due.insert((self.next(user), user));
        }
        id
    }

    /// A request does not wait any more.
    pub(super) fn leave(&mut self, parked: Parked) {
        self.parked.remove(&parked);
        if first(&self.parked, parked.user).is_none() {
            self.due.remove(&(self.next(parked.user), parked.user));
        }
    }

    /// When the next request can go on.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// The number of parked requests.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The number of requests that were parked, ever.
    pub(super) fn throttled(&self) -> u64 {
        self.throttled
    }

    /// From when on there is a token in the bucket of a user.
    fn next(&self, user: User) -> Instant {
        let (Some(each), Some(&full_at)) = (self.rate.each, self.full_at.get(&user)) else {
            return self.start;
        };
        let all_but_one = each * (self.rate.burst - 1);
        full_at.checked_sub(all_but_one).unwrap_or(self.start)
    }

    fn take(&mut self, user: User) {
        match self.rate.each {
            Some(each) => {
                let full_at = self.full_at.entry(user).or_insert(self.now);
                *full_at = self.now.max(*full_at) + each;
            }
            None => _ = self.full_at.remove(&user),
        }
    }

    fn forget_full_ones(&mut self) {
        let (now, parked) = (self.now, &self.parked);
        let is_waited_for = |user: &User| first(parked, *user).is_some();
        self.full_at
            .retain(|user, full_at| *full_at > now || is_waited_for(user));
        self.crowd = BUCKETS_KEPT.max(2 * self.full_at.len());
    }
}

/// The first place in the queue of a user.
fn first(parked: &BTreeMap<Parked, ConnectionId>, user: User) -> Option<Parked> {
    let least = Parked { user, number: 0 };
    let (&first, _) = parked.range(least..).next()?;
    (first.user == user).then_some(first)
}

/// The time in which as many tokens come back at another rate, at most those of a full bucket.
fn converted(missing: Duration, before: Rate, rate: Rate) -> Duration {
    let (Some(old), Some(new)) = (before.each, rate.each) else {
        return Duration::ZERO;
    };
    let tokens = missing.as_nanos() * new.as_nanos() / old.as_nanos();
    let tokens = u64::try_from(tokens).unwrap_or(u64::MAX);
    Duration::from_nanos(tokens).min(new * rate.burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: User = Some(1);
    const BOB: User = Some(2);

    fn ids() -> impl Iterator<Item = ConnectionId> {
        std::iter::successors(Some(ConnectionId::FIRST), |id| Some(id.next()))
    }

    fn rates(per_second: f64, burst: u32) -> Rates {
        Rates::new(Rate::new(per_second, burst), Instant::now())
    }

    fn later(rates: &mut Rates, milliseconds: u64) {
        rates.tick(rates.now + Duration::from_millis(milliseconds));
    }

    fn parks(rates: &mut Rates, user: User, id: ConnectionId) -> Parked {
        rates.enter(user, id).expect("it has to wait")
    }

    #[test]
    fn a_burst_goes_on_at_once_and_the_rest_at_the_rate() {
        let mut rates = rates(4.0, 3);
        let ids: Vec<_> = ids().take(6).collect();
        let start = rates.now;
        for &id in &ids[..3] {
            assert_eq!(rates.enter(ALICE, id), None);
        }
        for &id in &ids[3..] {
            parks(&mut rates, ALICE, id);
        }
        for (index, &id) in ids[3..].iter().enumerate() {
            let at = start + Duration::from_millis(250) * (index as u32 + 1);
            assert_eq!((rates.next_due(), rates.release()), (Some(at), None));
            rates.tick(at);
            assert_eq!((rates.release(), rates.release()), (Some(id), None));
        }
        assert_eq!((rates.next_due(), rates.parked()), (None, 0));
        assert_eq!(rates.throttled(), 3);
    }

    #[test]
    fn one_user_holds_up_no_other_and_users_without_a_name_are_one() {
        let mut rates = rates(1.0, 1);
        let mut ids = ids();
        let mut id = || ids.next().unwrap();
        assert_eq!(rates.enter(ALICE, id()), None);
        parks(&mut rates, ALICE, id());
        assert_eq!(rates.enter(BOB, id()), None);
        assert_eq!(rates.enter(None, id()), None);
        parks(&mut rates, None, id());
    }

    #[test]
    fn tokens_come_back_up_to_a_full_bucket_which_is_forgotten() {
        let mut rates = rates(2.0, 2);
        let mut ids = ids();
        for user in 0..BUCKETS_KEPT as u32 {
            assert_eq!(rates.enter(Some(user), ids.next().unwrap()), None);
        }
        later(&mut rates, 3_600_000);
        for _ in 0..2 {
            assert_eq!(rates.enter(ALICE, ids.next().unwrap()), None);
        }
        parks(&mut rates, ALICE, ids.next().unwrap());
        assert_eq!(rates.full_at.keys().collect::<Vec<_>>(), [&ALICE]);
    }

    #[test]
    fn the_buckets_of_a_crowd_that_are_not_full_are_kept() {
        let mut rates = rates(0.001, 1);
        let mut ids = ids();
        for user in 0..1000 {
            assert_eq!(rates.enter(Some(user), ids.next().unwrap()), None);
        }
        for user in 0..1000 {
            parks(&mut rates, Some(user), ids.next().unwrap());
        }
    }

    #[test]
    fn one_who_leaves_gives_its_place_to_the_next() {
        let mut rates = rates(1.0, 1);
        let mut ids = ids();
        let mut id = || ids.next().unwrap();
        rates.enter(ALICE, id());
        let first = parks(&mut rates, ALICE, id());
        let second = id();
        let place = parks(&mut rates, ALICE, second);
        let due = rates.next_due();
        rates.leave(first);
        rates.leave(first);
        assert_eq!((rates.next_due(), rates.parked()), (due, 1));
        later(&mut rates, 1000);
        assert_eq!(rates.release(), Some(second));
        rates.leave(place);
        assert_eq!(rates.next_due(), None);
    }

    #[test]
    fn nothing_overtakes_even_when_there_is_a_token() {
        let mut rates = rates(1.0, 1);
        let ids: Vec<_> = ids().take(3).collect();
        rates.enter(ALICE, ids[0]);
        parks(&mut rates, ALICE, ids[1]);
        later(&mut rates, 5000);
        parks(&mut rates, ALICE, ids[2]);
        assert_eq!((rates.release(), rates.release()), (Some(ids[1]), None));
        later(&mut rates, 1000);
        assert_eq!(rates.release(), Some(ids[2]));
    }

    #[test]
    fn another_rate_holds_at_once_and_forgives_nothing() {
        let mut rates = rates(1.0, 4);
        let ids: Vec<_> = ids().take(7).collect();
        for &id in &ids[..4] {
            assert_eq!(rates.enter(ALICE, id), None);
        }
        parks(&mut rates, ALICE, ids[4]);
        let now = rates.now;
        rates.configure(Rate::new(0.5, 4));
        assert_eq!(rates.next_due(), Some(now + Duration::from_secs(2)));
        rates.configure(Rate::new(10.0, 4));
        assert_eq!(rates.next_due(), Some(now + Duration::from_millis(100)));
        // A larger bucket has more tokens; a smaller one is empty at most.
        rates.configure(Rate::new(1.0, 5));
        assert_eq!(rates.release(), Some(ids[4]));
        rates.configure(Rate::new(1.0, 1));
        parks(&mut rates, ALICE, ids[5]);
        assert_eq!(rates.next_due(), Some(now + Duration::from_secs(1)));
        // Without a limit all go on, in their order.
        rates.configure(Rate::new(0.0, 1));
        parks(&mut rates, ALICE, ids[6]);
        let released = [(); 3].map(|()| rates.release());
        assert_eq!(released, [Some(ids[5]), Some(ids[6]), None]);
        assert_eq!(rates.enter(ALICE, ids[4]), None);
        assert!(rates.full_at.is_empty());
    }

    #[test]
    fn the_extremes_of_the_settings_are_no_overflow() {
        for (per_second, burst) in [(0.001, 1_000_000), (1e6, 1), (1e6, 1_000_000)] {
            let mut rates = rates(per_second, burst);
            assert_eq!(rates.enter(ALICE, ConnectionId::FIRST), None);
            rates.configure(Rate::new(0.001, 1_000_000));
            rates.configure(Rate::new(per_second, burst));
            let full_at = rates.full_at[&ALICE] - rates.now;
            let each = Duration::from_secs_f64(1.0 / per_second);
            assert!(full_at <= each + Duration::from_nanos(1), "{full_at:?}");
        }
    }
}
