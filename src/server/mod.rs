//! The loop: one place that waits, one that admits, one that removes.
//!
//! A turn runs each ready thing once: programs that have come to run, then what the poller
//! found, then what is due, then requests whose turn has come, and new connections
//! last, since by then slots have come free. Nothing in a turn grows with idle connections.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod` | the turn: what is waited for, and what is done in which order |
//! | `entries` | the lists that say of each connection where it stands |
//! | `admission` | who comes in, and when; who lingers too long |
//! | `guard` | who may run what |
//! | `programs` | whose program starts next, which ones have started, strays |
//! | `discards` | sockets that are closed by a process of their own |
//! | `ending` | signals, and how all this comes to an end |
//! | `reporting` | log lines, the service manager's status |
//! | `commands` | what control connections ask for |
//! | `answers`, `metrics` | the state of all, for those who ask |
//! | `settings` | limits in effect, and how they change while the server runs |

mod admission;
mod answers;
mod commands;
mod discards;
mod ending;
mod entries;
mod guard;
mod metrics;
mod programs;
mod reporting;
mod settings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use self::admission::BACK_OFF;
use self::discards::Discards;
use self::entries::Entry;
use self::guard::Guard;
pub use self::settings::Frame;
use self::settings::Settings;
use crate::config::{Config, Source};
use crate::connection::Stray;
use crate::id::ConnectionId;
use crate::os::launch::Launcher;
use crate::os::listen::Bound;
use crate::os::lookup::Lookup;
use crate::os::notify::Notifier;
use crate::os::peer::Peer;
use crate::os::poller::{Poller, Ready, Token, Watched};
use crate::os::rights::{self, Rights};
use crate::os::signals::Signals;
use crate::quota::Account;
use crate::statistics::Statistics;
use crate::wire::Protocol;
use crate::wire::buffer::Pool;

/// When to look again whether a program that is being started has taken its descriptors,
/// if nothing else wakes the server before.
const SETTLE: Duration = Duration::from_millis(10);

/// How often the service manager hears of a new status, and a shortage is logged.
const SELDOM: Duration = Duration::from_secs(1);

/// Where a listening socket comes from, which says what becomes of it.
#[derive(Debug)]
pub enum Origin {
    /// It was handed over, and is somebody else's too.
    HandedOver,
    /// This process has bound it in the file system.
    Bound(Bound),
    /// This process has bound it to an address.
    Address,
}

/// A socket on which clients come.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where it comes from.
    pub origin: Origin,
}

#[derive(Debug)]
struct Listening {
    socket: Watched,
    protocol: Protocol,
    origin: Origin,
    rights: Rights,
}

/// How the server's life goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nobody is accepted any more; what runs may go on until then, if there is an end.
    Finishing {
        until: Option<Instant>,
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
    config: Config,
    source: Source,
    frame: Frame,
    settings: Settings,
    own_uid: u32,
    started: Instant,
    phase: Phase,
    poller: Poller,
    launcher: Launcher<ConnectionId>,
    signals: Signals,
    signals_watched: Watched,
    notifier: Notifier,
    /// By the number in their tokens.
    listeners: BTreeMap<usize, Listening>,
    guard: Guard,
    lookup: Lookup,
    /// Boxed, because an entry is taken out while its connection works.
    connections: BTreeMap<ConnectionId, Box<Entry>>,
    next_id: ConnectionId,
    timers: BTreeSet<(Instant, ConnectionId)>,
    /// Requests whose turn has not come, in their order.
    waiting: VecDeque<ConnectionId>,
    /// Connections that linger, in their order.
    lingering: VecDeque<ConnectionId>,
    /// Connections that wait for a slot because their user has its share.
    parked: BTreeSet<ConnectionId>,
    /// Their places.
    parking: Account,
    /// Bytes of requests that are not started.
    requests: Account,
    /// Connections whose client is not read until there is room for its request.
    unread: BTreeSet<ConnectionId>,
    /// The one whose request may go beyond the limit.
    beyond: Option<ConnectionId>,
    /// Bytes in temporary files.
    spools: Account,
    /// Control connections whose message is to be carried out.
    commands: VecDeque<ConnectionId>,
    strays: BTreeMap<ConnectionId, Stray>,
    /// When to look at them.
    strays_again: Option<Instant>,
    discards: Discards,
    pool: Pool,
    large_pipes: Rc<()>,
    active: usize,
    /// Slots in use, by user.
    users: BTreeMap<Option<u32>, usize>,
    control: usize,
    programs: usize,
    statistics: Statistics,
    accept_again: Option<Instant>,
    /// When to look at descriptors of the server's own that are not in the poller.
    unwatched_at: Option<Instant>,
    shortage_told: Option<Instant>,
    status_told: Option<(Instant, (usize, usize, u64))>,
    watchdog_at: Option<Instant>,
    /// When to send again what the service manager has not taken.
    notify_again: Option<Instant>,
    idle_since: Option<Instant>,
    now: Instant,
}

impl Server {
    /// A server without any socket.
    ///
    /// # Errors
    ///
    /// When the system gives no poller.
    pub fn new(
        (config, source): (Config, Source),
        frame: Frame,
        launcher: Launcher<ConnectionId>,
        signals: (Signals, OwnedFd),
        notifier: Notifier,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let settings = Settings::new(&config, &frame);
        let lookup = settings::lookup(launcher.path());
        let (signals, watched) = signals;
        let now = Instant::now();
        let mut server = Self {
            guard: Guard::new(config.rules.clone()),
            lookup,
            config,
            source,
            frame,
            settings,
            own_uid: nix::unistd::geteuid().as_raw(),
            started: now,
            phase: Phase::Serving,
            poller,
            launcher,
            signals,
            signals_watched: Watched::new(watched, Token::Signals),
            watchdog_at: notifier.watchdog().map(|within| now + within / 2),
            notify_again: None,
            notifier,
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_id: ConnectionId::FIRST,
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            lingering: VecDeque::new(),
            parked: BTreeSet::new(),
            parking: Account::default(),
            requests: Account::default(),
            unread: BTreeSet::new(),
            beyond: None,
            spools: Account::default(),
            commands: VecDeque::new(),
            strays: BTreeMap::new(),
            strays_again: None,
            discards: Discards::default(),
            pool: Pool::new(),
            large_pipes: Rc::new(()),
            active: 0,
            users: BTreeMap::new(),
            control: 0,
            programs: 0,
            statistics: Statistics::new(now),
            accept_again: None,
            unwatched_at: None,
            shortage_told: None,
            status_told: None,
            idle_since: Some(now),
            now,
        };
        server.share_out();
        Ok(server)
    }

    /// Serves those who come on `listener`.
    pub fn listen(&mut self, listener: Listener) {
        let index = self.listeners.len();
        let listening = Listening {
            rights: Rights::of_listener(listener.socket.as_fd()),
            socket: Watched::new(listener.socket, Token::Listener(index)),
            protocol: listener.protocol,
            origin: listener.origin,
        };
        self.listeners.insert(index, listening);
    }

    /// Serves one client that came with the process.
    ///
    /// # Errors
    ///
    /// When the kernel does not know who it is.
    pub fn serve(&mut self, client: OwnedFd, protocol: Protocol) -> io::Result<()> {
        let peer = Peer::of(&client)?;
        let rights = rights::may_come_from(client.as_fd());
        self.admit((client, rights), Ok(peer), protocol);
        Ok(())
    }

    /// Runs until the server is told to stop, or has nothing left to wait for.
    ///
    /// # Errors
    ///
    /// What the server cannot go on after. All programs have been killed by then.
    pub fn run(mut self) -> io::Result<()> {
        self.log_rules();
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
        if let Err(error) = self.signals_watched.arm(&self.poller, true, false) {
            self.unwatched("wait for signals", &error);
        }
        self.arm_listeners();
        let log_waits = crate::log::flush();
        let timeout = self.timeout(log_waits);
        let waited = self.poller.wait(ready, timeout);
        self.now = Instant::now();
        if let Err(error) = waited {
            self.bear(error, ready.is_empty())?;
        }
        self.sweep();
        let mut listeners = self.look_unwatched();
        for ready in ready.drain(..) {
            match ready.token {
                Token::Signals => self.take_signals(),
                Token::Listener(index) => listeners.push(index),
                Token::Connection(id, part) => self.dispatch(id, ready, part),
            }
        }
        self.expire();
        self.look_for_strays();
        self.discard_again();
        self.carry_out();
        self.release_held();
        self.launch_waiting();
        self.unpark();
        self.read_again();
        for index in listeners {
            self.accept_from(index)?;
        }
        self.housekeep();
        let end = Instant::now();
        self.statistics.turn.count(end - self.now, end);
        Ok(())
    }

    /// The system was short of what it takes to wait: there is a pause, so that nobody spins.
    fn bear(&mut self, error: io::Error, pause: bool) -> io::Result<()> {
        let shortage = [libc::ENOMEM, libc::ENOSPC, libc::ENOBUFS];
        if !error
            .raw_os_error()
            .is_some_and(|code| shortage.contains(&code))
        {
            return Err(error);
        }
        self.tell_shortage("wait for events", &error.to_string());
        if pause {
            thread::sleep(BACK_OFF);
        }
        Ok(())
    }

    /// How long the server may sleep: no longer than until something is due.
    fn timeout(&self, log_waits: Option<Duration>) -> Option<Duration> {
        let now = Instant::now();
        let status_at = self
            .status_told
            .filter(|_| self.notifier.is_heard())
            .filter(|&(_, told)| told != self.status())
            .map(|(at, _)| at + SELDOM);
        let idle_at = self
            .idle_since
            .zip(self.settings.idle_exit)
            .map(|(since, exit)| since + exit);
        let drain_at = match self.phase {
            Phase::Draining { until } => Some(until),
            Phase::Finishing { until } => until,
            Phase::Serving | Phase::Ended => None,
        };
        let moments = [
            self.timers.first().map(|&(at, _)| at),
            self.launcher.is_settling().then(|| now + SETTLE),
            self.launcher.is_stuck().then(|| now + BACK_OFF),
            self.has_more_to_do().then_some(now),
            log_waits.map(|pause| now + pause),
            self.accept_again,
            self.discards.again(),
            self.strays_again,
            self.unwatched_at,
            self.watchdog_at,
            self.notify_again,
            status_at,
            idle_at,
            drain_at,
        ];
        let next = moments.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Whether something can go on because of what was done late in the last turn.
    fn has_more_to_do(&self) -> bool {
        !self.commands.is_empty()
            || self.guard.has_freed()
            || (!self.unread.is_empty()
                && (self.requests.has_released()
                    || (self.beyond.is_none() && self.first_stuck().is_some())))
    }

    /// What is done at the end of every turn.
    fn housekeep(&mut self) {
        if self.accept_again.is_some_and(|at| at <= self.now) {
            self.accept_again = None;
        }
        if self.watchdog_at.is_some_and(|at| at <= self.now) {
            self.notifier.notify(&[NotifyState::Watchdog]);
            self.watchdog_at = self.notifier.watchdog().map(|within| self.now + within / 2);
        }
        self.tell_status();
        if self.notify_again.is_none_or(|at| at <= self.now) {
            self.notify_again = self.notifier.flush().map(|pause| self.now + pause);
        }
        let empty = self.connections.is_empty();
        let served = self.active == 0 && self.parked.is_empty() && self.lingering.is_empty();
        match self.phase {
            Phase::Finishing { .. } if served => self.phase = Phase::Ended,
            Phase::Finishing { until } if until.is_some_and(|until| until <= self.now) => {
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
                    self.drain(Some(Duration::ZERO));
                }
            }
            _ => {}
        }
    }
}
