//! The accounts of clients as which programs run: found by processes of their own, kept for a
//! while, and waited for by requests.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::execution::Account;
use crate::id::ConnectionId;
use crate::os::accounts::answer::Answer;
use crate::os::accounts::question::Question;
use crate::os::poller::{Poller, Token, Watched};
use crate::os::process::Process;

/// Questions at once. Others wait in a queue.
const QUESTIONS_MAX: usize = 4;

/// How long the user databases have for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a question may be in the queue.
const QUEUE_PATIENCE: Duration = Duration::from_secs(20);

/// Accounts that are kept, and how long.
const KEPT_MAX: usize = 1024;
const KEPT: Duration = Duration::from_secs(60);

/// How long the absence of an account is kept, and that there was no answer.
const ABSENCE_KEPT: Duration = Duration::from_secs(5);

/// How long it is kept that there was no process for a question.
const SHORTAGE_KEPT: Duration = Duration::from_millis(100);

/// How often processes are looked at that the poller should report: see the orphans.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// An answer that is kept.
pub(super) type Known = Result<Option<Rc<Account>>, Errno>;

/// A question's process.
#[derive(Debug)]
enum Asked {
    /// It has not answered.
    Open {
        uid: u32,
        question: Question,
        pipe: Watched,
        end: Watched,
    },
    /// It is about to end.
    Over { process: Process, end: Watched },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    known: BTreeMap<u32, (Known, Instant)>,
    /// Requests that wait for an account.
    waiting: BTreeMap<ConnectionId, u32>,
    /// Users who are asked about, or will be, and when there is no more hope for an answer.
    wanted: BTreeMap<u32, Instant>,
    queue: VecDeque<u32>,
    asked: [Option<Asked>; QUESTIONS_MAX],
    look_at: Option<Instant>,
    /// Requests that need not wait any more.
    answered: Vec<ConnectionId>,
}

impl Accounts {
    /// What is known about a user.
    pub(super) fn get(&self, uid: u32, now: Instant) -> Option<&Known> {
        let (known, until) = self.known.get(&uid)?;
        (*until > now).then_some(known)
    }

    /// The name of a user that was found, if it is still known.
    pub(super) fn name_of(&self, uid: u32) -> Option<&str> {
        match self.known.get(&uid) {
            Some((Ok(Some(account)), _)) => Some(&account.name),
            _ => None,
        }
    }

    /// Lets a request wait for the account of a user.
    pub(super) fn wait(
        &mut self,
        (id, uid): (ConnectionId, u32),
        (poller, now): (&Poller, Instant),
    ) {
        self.waiting.insert(id, uid);
        if let Entry::Vacant(vacant) = self.wanted.entry(uid) {
            vacant.insert(now + QUEUE_PATIENCE);
            self.queue.push_back(uid);
            self.ask_next(poller, now);
        }
    }

    /// A request does not wait any more.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&id);
        }
    }

    /// Forgets everything that is known. All requests stop waiting.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        let waiting = std::mem::take(&mut self.waiting);
        self.answered.extend(waiting.into_keys());
    }

    /// Requests that need not wait any more.
    pub(super) fn take_answered(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.answered)
    }

    /// When to call [`Accounts::tick`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.wanted.values().copied().chain(self.look_at).min()
    }

    /// Takes the time: gives up questions that have no answer.
    pub(super) fn tick(&mut self, poller: &Poller, now: Instant) {
        let late = self.wanted.iter().filter(|(_, until)| **until <= now);
        let late: BTreeSet<u32> = late.map(|(&uid, _)| uid).collect();
        for &uid in &late {
            self.learn(uid, Err(Errno::ETIMEDOUT), now);
        }
        self.queue.retain(|uid| !late.contains(uid));
        let is_due = self.look_at.take_if(|at| *at <= now).is_some();
        for index in 0..QUESTIONS_MAX {
            let is_late =
                matches!(&self.asked[index], Some(Asked::Open { uid, .. }) if late.contains(uid));
            if is_late || is_due {
                self.look(index, poller, now);
            }
        }
    }

    /// Looks at the process of a question, which may have answered, or ended.
    pub(super) fn look(&mut self, index: usize, poller: &Poller, now: Instant) {
        let asked = self.asked.get_mut(index).and_then(Option::take);
        let Some(asked) = asked.and_then(|asked| self.advance(asked, now)) else {
            return self.ask_next(poller, now);
        };
        self.keep(index, asked, poller, now);
    }

    /// The next state of a question; none when its process has been reaped.
    fn advance(&mut self, asked: Asked, now: Instant) -> Option<Asked> {
        let (process, end) = match asked {
            Asked::Open {
                uid,
                mut question,
                mut pipe,
                end,
            } => {
                pipe.fired();
                // The answer to one that was given up comes too late, even if it is there by now.
                if self.wanted.contains_key(&uid) {
                    let Some(answer) = question.poll(std::os::fd::AsFd::as_fd(&pipe)) else {
                        return Some(Asked::Open {
                            uid,
                            question,
                            pipe,
                            end,
                        });
                    };
                    self.learn(uid, answer, now);
                }
                (question.end(), end)
            }
            Asked::Over { process, mut end } => {
                end.fired();
                (process, end)
            }
        };
        let process = process.reap().err()?;
        Some(Asked::Over { process, end })
    }

    /// Keeps a question, and watches what it does next. The clock helps where the poller does not.
    fn keep(&mut self, index: usize, mut asked: Asked, poller: &Poller, now: Instant) {
        let next = match &mut asked {
            Asked::Open { pipe, .. } => pipe,
            Asked::Over { end, .. } => end,
        };
        let _ = next.arm(poller, true, false);
        self.asked[index] = Some(asked);
        self.look_at.get_or_insert(now + LOOK_AGAIN);
    }

    /// Asks the next questions of the queue, as far as there is room.
    fn ask_next(&mut self, poller: &Poller, now: Instant) {
        while let Some(index) = self.asked.iter().position(Option::is_none) {
            let Some(uid) = self.queue.pop_front() else {
                return;
            };
            if !self.waiting.values().any(|&wanted| wanted == uid) {
                self.wanted.remove(&uid);
                continue;
            }
            match Question::ask(uid) {
                Ok((question, fds)) => {
                    self.wanted.insert(uid, now + PATIENCE);
                    let [pipe, end] = fds.map(|fd| Watched::new(fd, Token::Question(index)));
                    let asked = Asked::Open {
                        uid,
                        question,
                        pipe,
                        end,
                    };
                    self.keep(index, asked, poller, now);
                }
                Err(errno) => self.remember(uid, Err(errno), now + SHORTAGE_KEPT, now),
            }
        }
    }

    fn learn(&mut self, uid: u32, answer: Answer, now: Instant) {
        let kept = match answer {
            Ok(Some(_)) => KEPT,
            Ok(None) | Err(_) => ABSENCE_KEPT,
        };
        self.remember(uid, answer, now + kept, now);
    }

    fn remember(&mut self, uid: u32, answer: Answer, until: Instant, now: Instant) {
        self.wanted.remove(&uid);
        if self.known.len() >= KEPT_MAX {
            self.known.retain(|_, (_, until)| *until > now);
        }
        if self.known.len() >= KEPT_MAX {
            let oldest = self.known.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(oldest) = oldest.map(|(&uid, _)| uid) {
                self.known.remove(&oldest);
            }
        }
        let answer = answer.map(|account| account.map(Rc::new));
        self.known.insert(uid, (answer, until));
        let (answered, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, wanted)| *wanted == uid);
        self.waiting = waiting;
        let answered: BTreeMap<ConnectionId, u32> = answered;
        self.answered.extend(answered.into_keys());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> [ConnectionId; 3] {
        let first = ConnectionId::FIRST;
        [first, first.next(), first.next().next()]
    }

    /// Waits for the answers to all questions as the loop does.
    fn run(accounts: &mut Accounts, poller: &mut Poller) -> Vec<ConnectionId> {
        let (mut ready, mut answered) = (Vec::new(), Vec::new());
        while accounts.asked.iter().any(Option::is_some) {
            poller.wait(&mut ready, Some(LOOK_AGAIN)).unwrap();
            let now = Instant::now();
            for ready in &ready {
                let Token::Question(index) = ready.token else {
                    panic!("{ready:?}");
                };
                accounts.look(index, poller, now);
            }
            accounts.tick(poller, now);
            answered.extend(accounts.take_answered());
        }
        answered
    }

    #[test]
    fn all_who_wait_for_one_user_get_one_answer() {
        let (mut accounts, mut poller) = (Accounts::default(), Poller::new().unwrap());
        let now = Instant::now();
        let [first, second, third] = ids();
        for id in [first, second, third] {
            accounts.wait((id, 0), (&poller, now));
        }
        assert_eq!(accounts.asked.iter().flatten().count(), 1);
        accounts.leave(second);
        assert_eq!(run(&mut accounts, &mut poller), [first, third]);
        let known = accounts.get(0, now).unwrap().clone().unwrap().unwrap();
        assert_eq!((known.uid, accounts.name_of(0)), (0, Some("root")));
        assert!(accounts.get(0, now + 2 * KEPT).is_none());
        assert!(accounts.wanted.is_empty() && accounts.waiting.is_empty());
    }

    #[test]
    fn a_crowd_of_users_is_asked_about_by_a_few_processes() {
        let (mut accounts, mut poller) = (Accounts::default(), Poller::new().unwrap());
        let now = Instant::now();
        let mut id = ConnectionId::FIRST;
        for uid in 0..3 * QUESTIONS_MAX as u32 {
            accounts.wait((id, 4_000_000_000 + uid), (&poller, now));
            id = id.next();
        }
        let asked = accounts.asked.iter().flatten().count();
        assert_eq!((asked, accounts.queue.len()), (4, 8));
        assert_eq!(run(&mut accounts, &mut poller).len(), 12);
        let known = accounts.get(4_000_000_000, Instant::now());
        assert_eq!(known, Some(&Ok(None)));
        let later = Instant::now() + ABSENCE_KEPT;
        assert!(accounts.get(4_000_000_000, later).is_none());
    }

    #[test]
    fn a_question_without_an_answer_is_given_up_and_its_process_reaped() {
        let (mut accounts, mut poller) = (Accounts::default(), Poller::new().unwrap());
        let now = Instant::now();
        let [id, ..] = ids();
        accounts.wait((id, 0), (&poller, now));
        // Its own answer does not count any more.
        accounts.tick(&poller, now + PATIENCE);
        assert_eq!(accounts.take_answered(), [id]);
        assert_eq!(accounts.get(0, now), Some(&Err(Errno::ETIMEDOUT)));
        run(&mut accounts, &mut poller);
        assert!(accounts.asked.iter().all(Option::is_none));
    }

    #[test]
    fn what_is_forgotten_is_asked_again() {
        let (mut accounts, mut poller) = (Accounts::default(), Poller::new().unwrap());
        let now = Instant::now();
        let [first, second, _] = ids();
        accounts.wait((first, 0), (&poller, now));
        accounts.forget();
        assert_eq!(accounts.take_answered(), [first]);
        // The question itself goes on, for those who come.
        accounts.wait((second, 0), (&poller, now));
        assert_eq!(accounts.asked.iter().flatten().count(), 1);
        assert_eq!(run(&mut accounts, &mut poller), [second]);
        accounts.forget();
        assert_eq!(accounts.get(0, now), None);
    }

    #[test]
    fn a_limited_number_of_accounts_is_kept() {
        let mut accounts = Accounts::default();
        let now = Instant::now();
        for uid in 0..2 * KEPT_MAX as u32 {
            accounts.learn(uid, Ok(None), now + Duration::from_millis(uid.into()));
        }
        assert_eq!(accounts.known.len(), KEPT_MAX);
        assert!(accounts.known.contains_key(&(2 * KEPT_MAX as u32 - 1)));
    }
}
