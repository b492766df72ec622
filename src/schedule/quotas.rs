//! The limit of programs for each rule, and the requests that wait for it.

use std::collections::{BTreeMap, BTreeSet};

use super::queue::{Queue, Ticket};
use crate::id::ConnectionId;
use crate::quota::{Account, Charge};

/// Identifies a rule. A rule of which only the limits change keeps its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaId(pub u64);

/// The running and the waiting requests of a rule.
#[derive(Debug, Default)]
struct Quota {
    running: Account,
    held: Queue,
}

/// Whether one more may run.
#[derive(Debug)]
pub(super) enum Entrance {
    /// It may: it counts as long as this charge is held.
    Open(Charge),
    /// It waits at this place.
    Held(Ticket),
}

/// All quotas. One whose rule has gone counts on while something runs by it, since the rule
/// may come back.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    all: BTreeMap<QuotaId, Quota>,
    /// Quotas with waiting requests.
    crowded: BTreeSet<QuotaId>,
}

impl Quotas {
    /// Takes other rules, each with the number of programs that it allows at once. Nothing
    /// may be held: see [`Quotas::recall`].
    pub(super) fn configure(&mut self, rules: &[(QuotaId, Option<u32>)]) {
        self.all.retain(|_, quota| quota.running.used() > 0);
        for &(id, limit) in rules {
            let limit = limit.map_or(u64::MAX, u64::from);
            let quota = self.all.entry(id).or_default();
            quota.running.configure(limit, 100);
        }
    }

    /// Whether a program runs, or is about to, by this rule.
    pub(super) fn is_used(&self, id: QuotaId) -> bool {
        self.all
            .get(&id)
            .is_some_and(|quota| quota.running.used() > 0)
    }

    /// How many programs run, or are about to, by this rule, and how many requests wait for it.
    pub(super) fn under(&self, id: QuotaId) -> (u64, usize) {
        let quota = self.all.get(&id);
        quota.map_or((0, 0), |quota| (quota.running.used(), quota.held.len()))
    }

    /// One more program should run under a rule in force. `None`: there is no such rule.
    pub(super) fn enter(&mut self, id: QuotaId, connection: ConnectionId) -> Option<Entrance> {
        let quota = self.all.get_mut(&id)?;
        let mut charge = quota.running.open(None);
        // After the waiting ones, even if there is room.
        Some(match quota.held.is_empty() && charge.grow(1).is_ok() {
            true => Entrance::Open(charge),
            false => {
                self.crowded.insert(id);
                Entrance::Held(quota.held.push(connection))
            }
        })
    }

    /// A request does not wait for this rule any more.
    pub(super) fn leave(&mut self, id: QuotaId, ticket: Ticket) {
        if let Some(quota) = self.all.get_mut(&id) {
            quota.held.leave(ticket);
            if quota.held.is_empty() {
                self.crowded.remove(&id);
            }
        }
    }

    /// A request that need not wait any more, and its charge.
    pub(super) fn release(&mut self) -> Option<(ConnectionId, Charge)> {
        for &id in &self.crowded {
            let Some(quota) = self.all.get_mut(&id) else {
                continue;
            };
            let mut charge = quota.running.open(None);
            if charge.grow(1).is_ok() {
                let connection = quota.held.pop()?;
                if quota.held.is_empty() {
                    self.crowded.remove(&id);
                }
                return Some((connection, charge));
            }
        }
        None
    }

    /// Takes out all that wait, rule by rule.
    pub(super) fn recall(&mut self) -> Vec<ConnectionId> {
        self.crowded.clear();
        let quotas = self.all.values_mut();
        quotas.flat_map(|quota| quota.held.take_all()).collect()
    }

    /// The number of waiting requests.
    pub(super) fn held(&self) -> usize {
        let crowded = self.crowded.iter().filter_map(|id| self.all.get(id));
        crowded.map(|quota| quota.held.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: QuotaId = QuotaId(1);
    const OTHER: QuotaId = QuotaId(2);

    fn ids() -> [ConnectionId; 3] {
        let first = ConnectionId::FIRST;
        [first, first.next(), first.next().next()]
    }

    #[test]
    fn a_rule_that_has_gone_is_kept_while_something_runs_by_it() {
        let mut quotas = Quotas::default();
        quotas.configure(&[(RULE, Some(1)), (OTHER, None)]);
        let entrance = quotas.enter(RULE, ids()[0]);
        quotas.configure(&[]);
        assert_eq!(quotas.all.keys().collect::<Vec<_>>(), [&RULE]);
        drop(entrance);
        quotas.configure(&[]);
        assert!(quotas.all.is_empty());
        assert!(quotas.enter(RULE, ids()[0]).is_none());
    }

    #[test]
    fn nothing_overtakes_what_is_held() {
        let mut quotas = Quotas::default();
        quotas.configure(&[(RULE, Some(1))]);
        let [first, second, third] = ids().map(|id| quotas.enter(RULE, id).unwrap());
        assert_eq!((quotas.held(), quotas.under(RULE)), (2, (1, 2)));
        assert_eq!(quotas.under(OTHER), (0, 0));
        assert!(quotas.release().is_none());
        drop(first);
        let Entrance::Held(ticket) = third else {
            panic!("{third:?}")
        };
        assert!(matches!(second, Entrance::Held(_)));
        quotas.leave(RULE, ticket);
        // There is room, and one that waits.
        let late = quotas.enter(RULE, ids()[2]);
        assert!(matches!(late, Some(Entrance::Held(_))));
        let (id, _charge) = quotas.release().unwrap();
        assert_eq!((id, quotas.held()), (ids()[1], 1));
    }

    #[test]
    fn a_rule_without_room_holds_up_no_other() {
        let mut quotas = Quotas::default();
        quotas.configure(&[(RULE, Some(0)), (OTHER, Some(1))]);
        let [held, runs, waits] = ids();
        quotas.enter(RULE, held);
        let running = quotas.enter(OTHER, runs);
        quotas.enter(OTHER, waits);
        assert!(quotas.release().is_none());
        drop(running);
        assert_eq!(quotas.release().map(|(id, _)| id), Some(waits));
        assert_eq!(quotas.recall(), [held]);
        assert_eq!(quotas.held(), 0);
    }
}
