//! The loop: one place that waits, one that admits, one that removes.
//!
//! A turn passes each ready descriptor to its connection, once, and then expires due timers; it
//! carries out commands, and the orders of the [`schedule`](crate::schedule), one after another;
//! it accepts new connections last, since slots may have become free by then. No work in a turn
//! grows with the number of idle connections.
//!
//! | file | content |
//! |---|---|
//! | `mod` | the turn: its steps, in order |
//! | `orders` | carrying out the orders of the schedule |
//! | `shutdown` | signals, and the shutdown |
//! | `commands` | the commands of control connections |
//! | `kill` | the command `kill` |
//! | `rules` | the rules in force |
//! | `configured` | where each value of the configuration came from |
//! | `replies` | the answers to them, some of which wait |
//! | `answers`, `metrics` | the state of the server, for control clients |
//! | `explain` | which rule decides, and why, without a request |
//! | `admission` | clients become connections |
//! | `launches` | requests become programs |
//! | `peers` | programs that run as their clients |
//! | `reload` | changes while the server runs |
//! | `work` | the work of a connection |
//! | `reporting` | log lines |
//!
//! Objects, which own their fields, so that no other file can access them:
//!
//! | file | its object |
//! |---|---|
//! | `table` | the connections, and their timers |
//! | `guard` | the rules |
//! | `people` | the users of clients, part of the guard |
//! | `accounts` | their accounts, looked up by other processes |
//! | `listeners` | the listening sockets |
//! | `own` | one that the server makes itself |
//! | `orphans` | processes that belong to no connection |
//! | `cgroups` | the cgroups of jobs, part of the orphans |
//! | `io` | the poller, buffers, the time of the turn |
//! | `manager` | the service manager |
//! | `configuration` | the configuration in effect |
//! | `control` | the commands of control connections, and questions that wait |
//! | `history` | what has happened, part of that |

mod accounts;
mod admission;
mod answers;
mod cgroups;
mod commands;
mod configuration;
mod configured;
mod control;
mod explain;
mod guard;
mod history;
mod io;
mod kill;
mod launches;
mod listeners;
mod manager;
mod metrics;
mod orders;
mod orphans;
mod own;
mod peers;
mod people;
mod reload;
mod replies;
mod reporting;
mod rules;
mod shutdown;
mod table;
mod work;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use self::configuration::Configuration;
pub use self::configuration::Frame;
use self::control::Control;
pub use self::explain::explain;
use self::guard::Guard;
use self::io::{BACK_OFF, Io};
pub use self::listeners::Listener;
use self::listeners::Listeners;
use self::manager::{Load, Manager};
use self::orphans::Orphans;
pub use self::own::Own;
use self::table::Table;
use crate::config::{Config, Source};
use crate::id::ConnectionId;
use crate::os::launch::Launcher;
use crate::os::notify::Notifier;
use crate::os::peer::Peer;
use crate::os::poller::{Ready, Token, Watched};
use crate::os::rights;
use crate::os::signals::Signals;
use crate::schedule::{Phase, Schedule};
use crate::statistics::Statistics;
use crate::wire::Protocol;

/// Connections accepted from one socket in one turn at most, so that the others have theirs.
const ACCEPT_MAX: usize = 64;

/// When to look again whether a program that is being started has taken its descriptors,
/// if nothing else wakes the server before.
const SWEEP_AGAIN: Duration = Duration::from_millis(10);

/// The server.
#[derive(Debug)]
pub struct Server {
    configuration: Configuration,
    schedule: Schedule,
    table: Table,
    io: Io,
    guard: Guard,
    launcher: Launcher<ConnectionId>,
    orphans: Orphans,
    listeners: Listeners,
    signals: (Signals, Watched),
    manager: Manager,
    statistics: Statistics,
    control: Control,
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
        (signals, watched): (Signals, OwnedFd),
        notifier: Notifier,
    ) -> std::io::Result<Self> {
        let io = Io::new()?;
        let configuration = Configuration::new(config, source, frame);
        let mut server = Self {
            schedule: Schedule::new(configuration.capacity(), io.now()),
            guard: Guard::new(nix::unistd::geteuid().as_raw()),
            manager: Manager::new(notifier, io.now()),
            statistics: Statistics::new(io.now()),
            control: Control::new(configuration.settings().recent_jobs),
            configuration,
            table: Table::new(),
            io,
            launcher,
            orphans: Orphans::default(),
            listeners: Listeners::default(),
            signals: (signals, Watched::new(watched, Token::Signals)),
        };
        server.take_rules();
        Ok(server)
    }

    /// Serves clients that come on `listener`.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.insert(listener);
        self.schedule.listen();
    }

    /// Serves one client that came with the process.
    ///
    /// # Errors
    ///
    /// When the kernel does not know its user.
    pub fn serve(&mut self, client: OwnedFd, protocol: Protocol) -> std::io::Result<()> {
        let peer = Peer::of(&client)?;
        let rights = rights::may_come_from(std::os::fd::AsFd::as_fd(&client));
        self.admit((client, rights), Ok(peer), protocol);
        Ok(())
    }

    /// Runs until a signal stops the server, or nothing is left to wait for.
    ///
    /// # Errors
    ///
    /// An error that the server cannot survive. All programs have been killed by then.
    pub fn run(mut self) -> std::io::Result<()> {
        self.log_rules();
        self.manager.ready();
        let mut ready = Vec::new();
        let result = loop {
            match self.turn(&mut ready) {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.end();
        result
    }

    /// One turn: waits, and handles all events. Returns whether it was the last turn.
    fn turn(&mut self, ready: &mut Vec<Ready>) -> std::io::Result<bool> {
        self.io.watch(&mut self.signals.1, "wait for signals");
        self.arm_listeners();
        let log_waits = crate::log::flush_or_retry_after();
        let timeout = self.timeout(log_waits);
        self.io.wait(ready, timeout)?;
        self.control.history.make_room(self.io.now());
        self.sweep();
        let mut listeners = self.look_unwatched();
        for ready in ready.drain(..) {
            match ready.token {
                Token::Signals => self.take_signals(),
                Token::Listener(index) => listeners.push(index),
                Token::Question(index) => self.look_at_question(index),
                Token::Connection(id, part) => self.dispatch(id, ready, part),
            }
        }
        self.expire();
        self.look_at_orphans();
        self.look_at_accounts();
        self.accept_left();
        let answers = self.carry_out_commands();
        self.schedule.tick(self.io.now());
        let mut over = self.carry_out_orders();
        self.send_answers(answers);
        for index in listeners {
            // Each is served at once: a request that is refused takes no place from later ones,
            // and with the next one there may be no memory any more.
            for _ in 0..ACCEPT_MAX {
                if !self.accept_next(index)? {
                    break;
                }
                over |= self.carry_out_orders();
            }
        }
        over |= self.carry_out_orders();
        self.manager.tick(self.load(), self.io.now());
        self.log_shortage();
        let end = Instant::now();
        self.statistics.turn.count(end - self.io.now(), end);
        Ok(over)
    }

    /// How long the server may sleep: until the next deadline.
    fn timeout(&self, log_waits: Option<Duration>) -> Option<Duration> {
        let now = Instant::now();
        let moments = [
            self.table.poll_timeout(),
            self.schedule.poll_timeout(now),
            self.launcher.needs_sweep().then(|| now + SWEEP_AGAIN),
            self.launcher.is_stuck().then(|| now + BACK_OFF),
            self.control.poll_timeout(now),
            log_waits.map(|pause| now + pause),
            self.listeners.poll_timeout(),
            self.orphans.poll_timeout(),
            self.guard.people().poll_timeout(),
            self.io.unwatched_at(),
            self.manager.poll_timeout(self.load()),
        ];
        let next = moments.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Looks at the server's own descriptors that are not in the poller, if it is time.
    /// Returns the listeners.
    fn look_unwatched(&mut self) -> Vec<usize> {
        if !self.io.take_unwatched() {
            return Vec::new();
        }
        self.take_signals();
        self.listeners.indices()
    }

    fn load(&self) -> Load {
        let most = self.schedule.capacity().connections;
        let draining = self.schedule.phase() != Phase::Serving;
        let accepted = self.statistics.accepted;
        Load::new(&self.schedule.counts(), most, accepted, draining)
    }
}
