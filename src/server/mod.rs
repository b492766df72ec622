//! The loop: one place that waits, one that admits, one that removes.
//!
//! A turn runs each ready thing once: programs that have come to run, then what the poller
//! found, then what is due, then requests whose turn has come, and new connections
//! last, since by then slots have come free. Nothing in a turn grows with idle connections.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | the turn, timers, and the lists that say of each connection where it stands |
//! | `admission` | who comes in, and when; who lingers too long |
//! | `programs` | whose program starts next, which ones have started, strays |
//! | `ending` | signals, and how all this comes to an end |
//! | `telling` | log lines, status, totals |

mod admission;
mod ending;
mod programs;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::connection::{Connection, Context, Stray};
use crate::os::launch::Launcher;
use crate::os::listen::Bound;
use crate::os::notify::Notifier;
use crate::os::peer::Peer;
use crate::os::poller::{ConnectionId, Part, Poller, Ready, Token, Watched};
use crate::os::signals::Signals;
use crate::session::Input;
use crate::session::policy::{Budget, Limits, Totals};
use crate::wire::buffer::Pool;

/// When to look again whether a program that is being started has taken its descriptors,
/// if nothing else wakes the server before.
const SETTLE: Duration = Duration::from_millis(10);

/// How often the service manager hears of a new status, and a shortage is logged.
const SELDOM: Duration = Duration::from_secs(1);

/// When to try again to write log lines that nobody took.
const LOG_AGAIN: Duration = Duration::from_millis(50);

/// How a server is to behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What each connection may use.
    pub limits: Limits,
    /// What all may use.
    pub budget: Budget,
    /// How long those who are connected may go on after the server was told to stop.
    pub stop_grace: Duration,
    /// After how long without any connection the server ends.
    pub idle_exit: Option<Duration>,
}

/// A socket on which clients come.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What is to be removed at the end, where this process has bound it.
    pub bound: Option<Bound>,
}

/// How the server's life goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nobody is accepted any more; what runs may go on until then.
    Finishing {
        until: Instant,
    },
    /// What runs must end; after this moment nobody waits any longer.
    Draining {
        until: Instant,
    },
    Ended,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    phase: Phase,
    poller: Poller,
    launcher: Launcher<ConnectionId>,
    signals: Signals,
    signals_watched: Watched,
    notifier: Notifier,
    listeners: Vec<(Watched, Option<Bound>)>,
    /// Boxed, because an entry is taken out while its connection works.
    connections: BTreeMap<ConnectionId, Box<Entry>>,
    next_id: ConnectionId,
    timers: BTreeSet<(Instant, ConnectionId)>,
    /// Requests whose turn has not come, in their order.
    waiting: VecDeque<ConnectionId>,
    /// Connections that linger, in their order, and some that do not any more.
    lingering: VecDeque<ConnectionId>,
    strays: BTreeMap<ConnectionId, Stray>,
    pool: Pool,
    large_pipes: Rc<()>,
    active: usize,
    programs: usize,
    totals: Totals,
    accept_again: Option<Instant>,
    shortage_told: Option<Instant>,
    status_told: Option<(Instant, usize, u64)>,
    watchdog_at: Option<Instant>,
    idle_since: Option<Instant>,
    now: Instant,
}

/// A connection, and what the server's own lists say of it.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    timer: Option<Instant>,
    active: bool,
    program: bool,
    queued: bool,
}

impl Server {
    /// A server without any socket.
    ///
    /// # Errors
    ///
    /// When the system gives no poller.
    pub fn new(
        settings: Settings,
        launcher: Launcher<ConnectionId>,
        signals: (Signals, OwnedFd),
        notifier: Notifier,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let (signals, watched) = signals;
        let now = Instant::now();
        Ok(Self {
            settings,
            phase: Phase::Serving,
            poller,
            launcher,
            signals,
            signals_watched: Watched::new(watched, Token::Signals),
            watchdog_at: notifier.watchdog().map(|within| now + within / 2),
            notifier,
            listeners: Vec::new(),
            connections: BTreeMap::new(),
            next_id: ConnectionId::first(),
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            lingering: VecDeque::new(),
            strays: BTreeMap::new(),
            pool: Pool::default(),
            large_pipes: Rc::new(()),
            active: 0,
            programs: 0,
            totals: Totals::default(),
            accept_again: None,
            shortage_told: None,
            status_told: None,
            idle_since: Some(now),
            now,
        })
    }

    /// Serves those who come on `listener`.
    pub fn listen(&mut self, listener: Listener) {
        let token = Token::Listener(self.listeners.len());
        self.listeners
            .push((Watched::new(listener.socket, token), listener.bound));
    }

    /// Serves one client that came with the process.
    ///
    /// # Errors
    ///
    /// When the kernel does not know who it is.
    pub fn serve(&mut self, client: OwnedFd) -> io::Result<()> {
        let peer = Peer::of(&client)?;
        self.admit(client, peer);
        Ok(())
    }

    /// Runs until the server is told to stop, or has nothing left to wait for.
    ///
    /// # Errors
    ///
    /// What the server cannot go on after. All programs have been killed by then.
    pub fn run(mut self) -> io::Result<()> {
        self.notifier.notify(&[NotifyState::Ready]);
        let mut ready = Vec::new();
        let result = loop {
            if let Err(error) = self.turn(&mut ready) {
                break Err(error);
            }
            if self.phase == Phase::Ended {
                break Ok(());
            }
        };
        self.end();
        result
    }

    fn turn(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.signals_watched.arm(&self.poller, true, false)?;
        self.arm_listeners()?;
        let log_waits = crate::log::flush();
        let timeout = self.timeout(log_waits);
        self.poller.wait(ready, timeout)?;
        self.now = Instant::now();
        self.sweep();
        let mut listeners = Vec::new();
        for ready in ready.drain(..) {
            match ready.token {
                Token::Signals => self.take_signals(),
                Token::Listener(index) => listeners.push(index),
                Token::Connection(id, part) => self.dispatch(id, ready, part),
            }
        }
        self.expire();
        self.launch_waiting();
        for index in listeners {
            self.accept_from(index)?;
        }
        self.housekeep();
        Ok(())
    }

    /// How long the server may sleep: no longer than until something is due.
    fn timeout(&self, log_waits: bool) -> Option<Duration> {
        let now = Instant::now();
        let status_at = self
            .status_told
            .filter(|_| self.notifier.is_heard())
            .filter(|&(_, active, ended)| (active, ended) != self.status())
            .map(|(at, ..)| at + SELDOM);
        let idle_at = self
            .idle_since
            .zip(self.settings.idle_exit)
            .map(|(since, exit)| since + exit);
        let drain_at = match self.phase {
            Phase::Finishing { until } | Phase::Draining { until } => Some(until),
            Phase::Serving | Phase::Ended => None,
        };
        let moments = [
            self.timers.first().map(|&(at, _)| at),
            self.launcher.is_settling().then(|| now + SETTLE),
            log_waits.then(|| now + LOG_AGAIN),
            self.accept_again,
            self.watchdog_at,
            status_at,
            idle_at,
            drain_at,
        ];
        let next = moments.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    fn dispatch(&mut self, id: ConnectionId, ready: Ready, part: Part) {
        if part == Part::Process {
            // Whether it failed to run is known by now, and must be told before its end.
            self.sweep();
            if let Some(stray) = self.strays.remove(&id) {
                self.reap_stray(id, stray);
                return;
            }
        }
        self.with(id, |connection, context| {
            connection.ready(ready, part, context);
        });
    }

    /// Lets a connection work, and then brings the server's lists up to date.
    fn with(&mut self, id: ConnectionId, work: impl FnOnce(&mut Connection, &mut Context<'_>)) {
        let Some(mut entry) = self.connections.remove(&id) else {
            return;
        };
        self.work(&mut entry, work);
        self.try_launch(id, &mut entry);
        self.settle(id, entry);
    }

    fn work(&mut self, entry: &mut Entry, work: impl FnOnce(&mut Connection, &mut Context<'_>)) {
        let mut context = Context {
            poller: &self.poller,
            pool: &mut self.pool,
            large_pipes: &self.large_pipes,
            now: self.now,
        };
        work(&mut entry.connection, &mut context);
    }

    /// Puts a connection back where it belongs, or removes it.
    fn settle(&mut self, id: ConnectionId, mut entry: Box<Entry>) {
        if let Some(stray) = entry.connection.take_stray() {
            // It counts as a program until it has gone.
            self.strays.insert(id, stray);
            entry.program = false;
        }
        if entry.program && entry.connection.pid().is_none() {
            entry.program = false;
            self.programs -= 1;
        }
        let session = entry.connection.session();
        if entry.active && !session.is_active() {
            entry.active = false;
            self.active -= 1;
            telling::report(id, &entry.connection, self.now, &mut self.totals);
            if !session.is_done() {
                self.lingering.push_back(id);
            }
        }
        let timer = session.poll_timeout();
        let done = session.is_done();
        if entry.timer != timer || done {
            if let Some(at) = entry.timer.take() {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = timer.filter(|_| !done) {
                self.timers.insert((at, id));
                entry.timer = Some(at);
            }
        }
        if done {
            entry.connection.close();
            // Somebody may have been kept out for want of what is free now.
            self.accept_again = None;
        } else {
            self.connections.insert(id, entry);
        }
    }

    fn expire(&mut self) {
        while let Some(&(at, id)) = self.timers.first() {
            if at > self.now {
                break;
            }
            self.with(id, |connection, context| {
                connection.inform(Input::Time, context);
            });
        }
    }

    /// What is done at the end of every turn.
    fn housekeep(&mut self) {
        if self.accept_again.is_some_and(|at| at <= self.now) {
            self.accept_again = None;
        }
        while self
            .lingering
            .front()
            .is_some_and(|id| !self.connections.contains_key(id))
        {
            self.lingering.pop_front();
        }
        if let (Some(at), Some(within)) = (self.watchdog_at, self.notifier.watchdog())
            && at <= self.now
        {
            self.notifier.notify(&[NotifyState::Watchdog]);
            self.watchdog_at = Some(self.now + within / 2);
        }
        self.tell_status();
        let empty = self.connections.is_empty();
        match self.phase {
            Phase::Finishing { .. } if empty => self.phase = Phase::Ended,
            Phase::Finishing { until } if until <= self.now => {
                log::info!("{} connections are still active: ending them", self.active);
                self.end_programs();
            }
            Phase::Draining { until } if empty || until <= self.now => self.phase = Phase::Ended,
            Phase::Serving if empty && self.listeners.is_empty() => self.phase = Phase::Ended,
            Phase::Serving if empty => {
                let since = *self.idle_since.get_or_insert(self.now);
                let exit = self.settings.idle_exit;
                if exit.is_some_and(|exit| since + exit <= self.now) {
                    log::info!("idle, so leaving");
                    self.drain();
                }
            }
            _ => {}
        }
    }
}
