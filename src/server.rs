//! The loop: one place that waits, one that admits, one that removes.
//!
//! A turn runs each ready thing once: programs that have come to run, then what the poller
//! found, then what is due, then requests whose turn has come, and new connections
//! last, since by then slots have come free. Nothing in a turn grows with idle connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sd_notify::NotifyState;

use crate::connection::{Connection, Context, Stray};
use crate::os::launch::Launcher;
use crate::os::listen::{self, AcceptError, Bound};
use crate::os::notify::Notifier;
use crate::os::peer::Peer;
use crate::os::poller::{ConnectionId, Part, Poller, Ready, Token, Watched};
use crate::os::signals::Signals;
use crate::session::policy::{Budget, GIVE_UP, Limits, Totals};
use crate::session::verdict::Fault;
use crate::session::{Input, Session};
use crate::wire::buffer::Pool;

/// When to look again whether a program that is being started has taken its descriptors,
/// if nothing else wakes the server before.
const SETTLE: Duration = Duration::from_millis(10);

/// How long no connection is accepted after the system was short of something.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How often the service manager hears of a new status, and a shortage is logged.
const SELDOM: Duration = Duration::from_secs(1);

/// How long a server that must not wait waits for what it has killed to be gone, so that
/// clients hear of it.
const HURRY: Duration = Duration::from_secs(1);

/// When to try again to write log lines that nobody took.
const LOG_AGAIN: Duration = Duration::from_millis(50);

/// Connections accepted in one turn at most, so that the others have theirs.
const ACCEPT_MAX: usize = 64;

/// How a server is to behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What each connection may use.
    pub limits: Limits,
    /// What all may use.
    pub budget: Budget,
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
            Phase::Draining { until } => Some(until),
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

    /// Connections are looked for only while there is room for one.
    fn arm_listeners(&mut self) -> io::Result<()> {
        let open = self.phase == Phase::Serving
            && self.active < self.settings.budget.connections_max
            && self.accept_again.is_none();
        if open {
            for (listener, _) in &mut self.listeners {
                listener.arm(&self.poller, true, false)?;
            }
        }
        Ok(())
    }

    /// Lets those know whose programs have come to run, or have failed to.
    fn sweep(&mut self) {
        let mut outcomes = Vec::new();
        self.launcher
            .sweep(|id, outcome| outcomes.push((id, outcome)));
        for (id, outcome) in outcomes {
            self.with(id, |connection, context| {
                connection.launched(outcome, context);
            });
        }
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

    fn reap_stray(&mut self, id: ConnectionId, stray: Stray) {
        let Stray { process, mut pidfd } = stray;
        match process.reap() {
            Ok(()) => self.programs -= 1,
            Err(process) => {
                pidfd.fired();
                if pidfd.arm(&self.poller, true, false).is_ok() {
                    self.strays.insert(id, Stray { process, pidfd });
                }
            }
        }
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

    /// Starts the program that a connection asks for, or puts it in the queue.
    fn try_launch(&mut self, id: ConnectionId, entry: &mut Entry) {
        if !entry.connection.wants_program() {
            return;
        }
        let turn = self.waiting.front().is_none_or(|&first| first == id);
        if !turn || !self.launcher.is_ready() || self.programs >= self.settings.budget.programs_max
        {
            if !entry.queued {
                entry.queued = true;
                self.waiting.push_back(id);
            }
            return;
        }
        if entry.queued {
            entry.queued = false;
            self.waiting.pop_front();
        }
        let Some(arguments) = entry.connection.take_request() else {
            return;
        };
        let job = self.launcher.launch(id, arguments, entry.connection.peer());
        match &job {
            Ok(_) => {
                entry.program = true;
                self.programs += 1;
            }
            Err(errno) => self.tell_shortage("start a program", errno.desc()),
        }
        self.work(entry, |connection, context| connection.adopt(job, context));
    }

    /// Programs whose turn has come.
    fn launch_waiting(&mut self) {
        while let Some(&id) = self.waiting.front() {
            match self.connections.get(&id) {
                Some(entry) if entry.connection.wants_program() => {
                    if !self.launcher.is_ready()
                        || self.programs >= self.settings.budget.programs_max
                    {
                        return;
                    }
                    self.with(id, |_, _| {});
                }
                // It has gone meanwhile.
                _ => {
                    self.waiting.pop_front();
                }
            }
        }
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
            report(id, &entry.connection, self.now, &mut self.totals);
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

    fn accept_from(&mut self, index: usize) -> io::Result<()> {
        let Some((listener, _)) = self.listeners.get_mut(index) else {
            return Ok(());
        };
        listener.fired();
        for _ in 0..ACCEPT_MAX {
            let full = self.active >= self.settings.budget.connections_max;
            let Some((listener, _)) = self.listeners.get(index).filter(|_| !full) else {
                return Ok(());
            };
            match listen::accept(listener.as_fd()) {
                Ok(client) => match Peer::of(&client) {
                    Ok(peer) => self.admit(client, peer),
                    Err(errno) => log::warn!("a client that the kernel does not know: {errno}"),
                },
                Err(AcceptError::Lost) => {}
                Err(AcceptError::Empty) => return Ok(()),
                Err(AcceptError::Shortage(errno)) => {
                    self.accept_again = Some(self.now + BACK_OFF);
                    self.tell_shortage("accept a connection", errno.desc());
                    return Ok(());
                }
                Err(AcceptError::Broken(errno)) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The one place where connections come in.
    fn admit(&mut self, client: OwnedFd, peer: Peer) {
        if matches!(peer, Peer::Tcp(_)) {
            listen::set_nodelay(&client);
        }
        let id = self.next_id;
        self.next_id = id.next();
        self.totals.accepted += 1;
        self.active += 1;
        self.idle_since = None;
        log::debug!("connection {id}: accepted, {peer}");
        let limits = self.settings.limits.clone();
        let connection = Connection::new(id, client, peer, limits, self.now);
        let entry = Entry {
            connection,
            timer: None,
            active: true,
            program: false,
            queued: false,
        };
        self.connections.insert(id, Box::new(entry));
        self.with(id, |connection, context| connection.pump(context));
        self.limit_lingering();
    }

    /// Who lingers longest gives way, when too many do.
    fn limit_lingering(&mut self) {
        while self.lingering.len() > self.settings.budget.lingering_max {
            if let Some(id) = self.lingering.pop_front()
                && self.connections.get(&id).is_some_and(|entry| !entry.active)
            {
                self.with(id, |connection, context| {
                    connection.inform(Input::ClientGone, context);
                });
            }
        }
    }

    fn take_signals(&mut self) {
        self.signals_watched.fired();
        for signal in self.signals.take() {
            log::debug!("{signal} came");
            match signal {
                Signal::SIGUSR1 => self.log_state(),
                Signal::SIGHUP => log::info!("there is no configuration to read again"),
                _ if self.phase == Phase::Serving => {
                    log::info!("{signal}: stopping, {} connections active", self.active);
                    self.drain();
                }
                _ => {
                    log::info!("{signal} again: not waiting any longer");
                    self.tell_all(|| Input::StopNow);
                    let until = self.now + HURRY;
                    self.phase = Phase::Draining { until };
                }
            }
        }
    }

    /// Accepts nobody any more, and makes what runs end.
    fn drain(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        self.notifier.notify(&[NotifyState::Stopping]);
        let limits = &self.settings.limits;
        let until = self.now + limits.kill_timeout + limits.linger + 2 * GIVE_UP;
        self.phase = Phase::Draining { until };
        self.close_listeners();
        self.tell_all(|| Input::Stop);
    }

    fn tell_all(&mut self, input: impl Fn() -> Input) {
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in all {
            self.with(id, |connection, context| {
                connection.inform(input(), context)
            });
        }
    }

    fn close_listeners(&mut self) {
        for (listener, bound) in self.listeners.drain(..) {
            if let Some(bound) = bound {
                bound.remove();
            }
            listener.close(&self.poller);
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
            Phase::Draining { until } if empty || until <= self.now => self.phase = Phase::Ended,
            Phase::Serving if empty && self.listeners.is_empty() => self.phase = Phase::Ended,
            Phase::Serving if empty => {
                let since = *self.idle_since.get_or_insert(self.now);
                let exit = self.settings.idle_exit;
                if exit.is_some_and(|exit| since + exit <= self.now) {
                    log::info!("idle, so leaving");
                    self.phase = Phase::Ended;
                }
            }
            _ => {}
        }
    }

    fn status(&self) -> (usize, u64) {
        (self.active, self.totals.accepted)
    }

    fn tell_status(&mut self) {
        let (active, accepted) = self.status();
        let due = self
            .status_told
            .is_none_or(|(at, a, t)| (a, t) != (active, accepted) && at + SELDOM <= self.now);
        if due {
            let status = format!(
                "{active} of {} connections active, {accepted} accepted",
                self.settings.budget.connections_max
            );
            self.notifier.notify(&[NotifyState::Status(&status)]);
            self.status_told = Some((self.now, active, accepted));
        }
    }

    fn tell_shortage(&mut self, what: &str, why: &str) {
        let told = self.shortage_told;
        if told.is_none_or(|at| at + SELDOM <= self.now) {
            self.shortage_told = Some(self.now);
            log::warn!(
                "cannot {what}: {why} ({} connections, {} programs)",
                self.connections.len(),
                self.programs
            );
        }
    }

    /// Tells the state of every connection, and the totals.
    fn log_state(&self) {
        for (id, entry) in &self.connections {
            let connection = &entry.connection;
            let summary = connection.session().summary(self.now);
            log::info!(
                "connection {id}: {} {} program={} age={:.3} out={} err={} in={} argv={}",
                connection.session().state(),
                connection.peer(),
                connection.pid().unwrap_or(0),
                summary.duration.as_secs_f64(),
                summary.bytes_out[0],
                summary.bytes_out[1],
                summary.bytes_in,
                summary.title
            );
        }
        log::info!(
            "totals: active={} of {} programs={} of {} waiting={} {} log_lines_lost={}",
            self.active,
            self.settings.budget.connections_max,
            self.programs,
            self.settings.budget.programs_max,
            self.waiting.len(),
            self.totals,
            crate::log::dropped()
        );
    }

    /// Leaves nothing behind but what cannot be ended.
    fn end(mut self) {
        self.close_listeners();
        for (_, mut entry) in std::mem::take(&mut self.connections) {
            self.work(&mut entry, |connection, context| {
                connection.inform(Input::StopNow, context);
            });
            entry.connection.close();
        }
        log::info!("ended: {}", self.totals);
        crate::log::flush();
    }
}

/// One line about what a connection was for, and the totals.
fn report(id: ConnectionId, connection: &Connection, now: Instant, totals: &mut Totals) {
    let session: &Session = connection.session();
    let summary = session.summary(now);
    totals.bytes_out += summary.bytes_out.iter().sum::<u64>();
    totals.bytes_in += summary.bytes_in;
    totals.ended += u64::from(summary.exit.is_some());
    totals.disconnected += u64::from(summary.disconnected);
    totals.late += u64::from(summary.late);
    match summary.fault {
        _ if summary.silent => {}
        Some(Fault::Wire(_) | Fault::RequestLate(_)) => totals.malformed += 1,
        Some(Fault::Spawn(_)) => totals.not_started += 1,
        _ => {}
    }
    let peer = connection.peer();
    if summary.title.is_empty() {
        match summary.fault {
            Some(fault) if !summary.silent => log::warn!("connection {id}: {peer}: {fault}"),
            _ => log::debug!("connection {id}: {peer}: left without a request"),
        }
        return;
    }
    let end = match (summary.exit, summary.fault) {
        (Some(exit), Some(fault)) => format!("{exit} fault=\"{fault}\""),
        (Some(exit), None) => exit.to_string(),
        (None, Some(fault)) => format!("fault=\"{fault}\""),
        (None, None) => "not_started".into(),
    };
    let how = match (summary.late, summary.disconnected) {
        (true, _) => " timeout",
        (false, true) => " disconnected",
        (false, false) => "",
    };
    let level = match summary.fault {
        Some(_) => log::Level::Warn,
        None => log::Level::Info,
    };
    log::log!(
        level,
        "job {id}: {peer} {end}{how} time={:.6} out={} err={} in={} argv={}",
        summary.duration.as_secs_f64(),
        summary.bytes_out[0],
        summary.bytes_out[1],
        summary.bytes_in,
        summary.title
    );
}
