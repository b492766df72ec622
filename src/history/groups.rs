//! Totals of many groups. Clients may choose the names of groups, and so make any number of them:
//! the largest are kept apart, and all others are one.
//!
//! When there are too many, the smaller half goes into that one, where nothing is lost: the sums over
//! all groups are right at any time. The larger half stays exact, except that a group that comes back
//! begins anew. That costs a job the work of a few comparisons.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many groups are kept apart.
const APART_MAX: usize = 512;

/// The totals of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs that have ended.
    pub jobs: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// The sum of their durations.
    pub time: Duration,
    /// The sum of their processor time.
    pub cpu: Duration,
    /// The largest peak of memory, if one is known.
    pub memory: Option<u64>,
    /// Bytes of standard input.
    pub bytes_in: u64,
    /// Bytes of output.
    pub bytes_out: u64,
}

impl Tally {
    /// Adds what another one has.
    pub fn add(&mut self, more: &Self) {
        self.jobs = self.jobs.saturating_add(more.jobs);
        self.failed = self.failed.saturating_add(more.failed);
        self.time = self.time.saturating_add(more.time);
        self.cpu = self.cpu.saturating_add(more.cpu);
        self.memory = self.memory.max(more.memory);
        self.bytes_in = self.bytes_in.saturating_add(more.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(more.bytes_out);
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Groups<K> {
    apart: BTreeMap<K, Tally>,
    /// All others.
    other: Tally,
}

/// A group, or all others together, with the number of its programs that run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranked {
    /// Programs that run.
    pub running: u64,
    /// What has ended.
    pub ended: Tally,
}

impl Ranked {
    fn add(&mut self, more: &Self) {
        self.running += more.running;
        self.ended.add(&more.ended);
    }
}

/// The largest groups, and all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking<K> {
    /// That of the most jobs first; of two with the same number that with more that run; then in
    /// the order of their names.
    pub listed: Vec<(K, Ranked)>,
    /// All others together, if there are any.
    pub other: Option<Ranked>,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self {
            apart: BTreeMap::new(),
            other: Tally::default(),
        }
    }
}

impl<K: Ord + Clone> Groups<K> {
    /// Adds to a group. `grow`: there is memory for one more; without it a new one belongs to the others.
    pub fn count<Q>(&mut self, group: &Q, more: &Tally, grow: bool)
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Ord + ?Sized,
    {
        if let Some(tally) = self.apart.get_mut(group) {
            return tally.add(more);
        }
        if !grow {
            return self.other.add(more);
        }
        if self.apart.len() >= APART_MAX {
            self.halve();
        }
        self.apart.insert(group.into(), *more);
    }

    /// The smaller half of the groups goes to the others.
    fn halve(&mut self) {
        let mut sizes: Vec<u64> = self.apart.values().map(|tally| tally.jobs).collect();
        sizes.sort_unstable();
        let least = sizes[sizes.len() / 2];
        let larger = sizes.iter().filter(|&&jobs| jobs > least).count();
        // Of groups of the same size the first ones stay.
        let mut same = sizes.len() / 2 - larger;
        let other = &mut self.other;
        self.apart.retain(|_, tally| {
            let stays = tally.jobs > least || (tally.jobs == least && same > 0);
            if tally.jobs == least {
                same = same.saturating_sub(1);
            }
            if !stays {
                other.add(tally);
            }
            stays
        });
    }

    /// The `most` largest groups, and the rest. `running`: the programs that run, by group.
    pub fn rank(&self, running: BTreeMap<K, u64>, most: usize) -> Ranking<K> {
        let mut all: BTreeMap<K, Ranked> = BTreeMap::new();
        for (group, running) in running {
            all.entry(group).or_default().running = running;
        }
        for (group, tally) in &self.apart {
            all.entry(group.clone()).or_default().ended = *tally;
        }
        let mut listed: Vec<_> = all.into_iter().collect();
        // Stable: names stay in order.
        listed.sort_by_key(|(_, ranked)| Reverse((ranked.ended.jobs, ranked.running)));
        let mut other = Ranked {
            running: 0,
            ended: self.other,
        };
        for (_, rest) in listed.drain(most.min(listed.len())..) {
            other.add(&rest);
        }
        Ranking {
            listed,
            other: Some(other).filter(|other| *other != Ranked::default()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Numbers that follow from a seed (xorshift).
    pub(in crate::history) struct Random(pub(in crate::history) u64);

    impl Random {
        pub(in crate::history) fn below(&mut self, end: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % end
        }
    }

    fn one(n: u64) -> Tally {
        Tally {
            jobs: 1,
            failed: n % 2,
            time: Duration::from_millis(n),
            cpu: Duration::from_micros(n),
            memory: Some(n),
            bytes_in: n,
            bytes_out: 2 * n,
        }
    }

    /// All of a ranking together.
    fn sum<K>(ranking: &Ranking<K>) -> Ranked {
        let mut sum = ranking.other.unwrap_or_default();
        for (_, ranked) in &ranking.listed {
            sum.add(ranked);
        }
        sum
    }

    fn names(ranking: &Ranking<String>) -> Vec<&str> {
        ranking.listed.iter().map(|(name, _)| &name[..]).collect()
    }

    #[test]
    fn the_largest_come_first_and_the_rest_is_one() {
        let mut groups: Groups<String> = Groups::default();
        for name in ["b", "a", "c", "c", "d"] {
            groups.count(name, &one(1), true);
        }
        let running = || BTreeMap::from([("d".into(), 2), ("e".into(), 5)]);
        let all = groups.rank(running(), 100);
        assert_eq!(names(&all), ["c", "d", "a", "b", "e"]);
        assert_eq!(all.other, None);
        let two = groups.rank(running(), 2);
        assert_eq!(names(&two), ["c", "d"]);
        let other = two.other.unwrap();
        assert_eq!((other.running, other.ended.jobs), (5, 2));
        assert_eq!(sum(&two), sum(&all));
    }

    #[test]
    fn names_that_clients_choose_take_no_more_than_a_fixed_number_of_groups() {
        let mut groups: Groups<String> = Groups::default();
        for n in 0..100_000 {
            groups.count(&n.to_string()[..], &one(n), true);
            if n % 10 == 0 {
                groups.count("often", &one(1), true);
            }
            assert!(groups.apart.len() <= APART_MAX);
        }
        let ranking = groups.rank(BTreeMap::new(), 100);
        assert_eq!(ranking.listed[0].0, "often");
        assert_eq!(ranking.listed[0].1.ended.jobs, 10_000);
        assert_eq!(sum(&ranking).ended.jobs, 110_000);
    }

    /// Against groups that are all kept apart.
    #[test]
    fn groups_are_as_those_of_which_none_is_dropped() {
        for seed in 1..20 {
            let mut random = Random(seed);
            let mut groups: Groups<String> = Groups::default();
            let mut naive: BTreeMap<String, Tally> = BTreeMap::new();
            // Whether there is memory at all times.
            let always = random.below(3) > 0;
            let names = [10, APART_MAX as u64, 3000][random.below(3) as usize];
            for _ in 0..5000 {
                // Small numbers are more frequent.
                let name = random.below(names) * random.below(names) / names;
                let tally = one(random.below(1000));
                groups.count(
                    &name.to_string()[..],
                    &tally,
                    always || random.below(100) > 0,
                );
                naive.entry(name.to_string()).or_default().add(&tally);
            }
            let ranking = groups.rank(BTreeMap::new(), 100);
            let mut total = Tally::default();
            naive.values().for_each(|tally| total.add(tally));
            assert_eq!(sum(&ranking).ended, total, "seed {seed}");
            assert!(ranking.listed.len() <= 100);
            for (name, ranked) in &ranking.listed {
                assert!(ranked.ended.jobs <= naive[name].jobs, "seed {seed}");
                if names <= APART_MAX as u64 && always {
                    assert_eq!(ranked.ended, naive[name], "seed {seed}");
                }
            }
            let counts: Vec<u64> = ranking.listed.iter().map(|(_, r)| r.ended.jobs).collect();
            assert!(counts.is_sorted_by(|a, b| a >= b), "seed {seed}");
            if names <= APART_MAX as u64 && always {
                let mut largest: Vec<u64> = naive.values().map(|tally| tally.jobs).collect();
                largest.sort_unstable_by(|a, b| b.cmp(a));
                largest.truncate(100);
                assert_eq!(counts, largest, "seed {seed}");
            }
        }
    }
}
