//! The facts of a session. Stores each fact, and answers simple questions about them; `settle`
//! decides about the actions.

use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::client::Client;
use super::commands::Commands;
use super::event::{Input, Trouble};
use super::inbox::Inbox;
use super::job::Job;
use super::outbox::Outbox;
use super::timers::{Timer, Timers};
use super::verdict::Fault;
use crate::program::{Exit, Stream};
use crate::settings::Settings;
use crate::wire::{Codec, Framing, Protocol, Purpose, Sizes, WireError};

/// An event that changes no fact by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Time has passed.
    Time,
    /// The server stops.
    Stop,
    /// The server stops, and does not wait.
    StopNow,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Facts {
    /// Those of the time when the connection was accepted, shared by all of that time.
    pub(super) settings: Rc<Settings>,
    /// The limit of the connection's life: the setting, or that of the rule.
    pub(super) timeout: Option<Duration>,
    pub(super) accepted: Instant,
    pub(super) client: Client,
    pub(super) codec: Codec,
    /// The client's bytes that are not consumed yet: the rest of a request, or standard input in
    /// its framing.
    pub(super) inbox: Inbox,
    /// The fault after the standard input that is ready, which is written first.
    pub(super) malformed: Option<WireError>,
    pub(super) outbox: Outbox,
    /// The job, if there is a request.
    pub(super) job: Option<Job>,
    /// The commands, on a control connection.
    pub(super) commands: Option<Commands>,
    /// The reason why there will be no job.
    pub(super) refusal: Option<Fault>,
    /// The deadline has passed.
    pub(super) late: bool,
    pub(super) timers: Timers,
    pub(super) prompt: Option<Prompt>,
}

impl Facts {
    /// The facts of a connection that was accepted at `now`.
    pub(super) fn new(protocol: Protocol, settings: Rc<Settings>, now: Instant) -> Self {
        let sizes = Sizes {
            request: settings.request_max,
            message: settings.control_message_max,
        };
        let mut timers = Timers::default();
        let (deadline, request, commands) = match protocol.purpose() {
            Purpose::Program => (settings.timeout, Some(settings.request_timeout), None),
            Purpose::Commands => (Some(settings.control_idle), None, Some(Commands::default())),
        };
        for (timer, time) in [(Timer::Deadline, deadline), (Timer::Request, request)] {
            if let Some(time) = time {
                timers.set(timer, now + time);
            }
        }
        Self {
            codec: Codec::new(protocol, sizes),
            timeout: settings.timeout,
            settings,
            accepted: now,
            client: Client::new(),
            inbox: Inbox::default(),
            malformed: None,
            outbox: Outbox::new(),
            job: None,
            commands,
            refusal: None,
            late: false,
            timers,
            prompt: None,
        }
    }

    /// Stores one fact.
    pub(super) fn store(&mut self, input: Input, now: Instant) {
        match input {
            Input::ClientSent(n) => {
                self.client.has_sent();
                self.inbox.commit(n);
            }
            Input::ClientPassedDescriptors => {
                if self.listens() {
                    self.blame(Fault::Wire(WireError::Descriptors));
                }
                self.client.end();
            }
            Input::ClientEnded => self.client.end(),
            Input::ClientGone => self.client.lose(),
            Input::ReplySent(n) => {
                self.client.has_received();
                self.outbox.consume(n);
            }
            Input::Answered { answer, close } => self.store_answer(answer, close),
            Input::NoMemory => self.lack_memory(),
            Input::Failed(trouble, errno) => self.store_failure(trouble, errno),
            Input::Stranger => self.blame(Fault::Stranger),
            Input::Crowded(limit) => self.blame(Fault::Crowded(limit)),
            Input::Timeout(timeout) => self.limit_time(timeout),
            Input::Time => self.prompt = Some(Prompt::Time),
            Input::Stop => self.prompt = Some(Prompt::Stop),
            Input::StopNow => self.prompt = Some(Prompt::StopNow),
            Input::StdinTaken(n) => {
                self.inbox.consume(n);
                if let Some(job) = &mut self.job {
                    job.stdin.take(n);
                }
            }
            Input::Output(stream, n) => self.store_output(stream, n, now),
            Input::SpoolFailed(errno) => self.lack_room(Fault::Spool(errno)),
            Input::SpoolsFull(limit) => self.lack_room(Fault::SpoolTotal(limit)),
            Input::Launched => self.with_job(Job::launch),
            Input::Started => self.with_job(Job::start),
            Input::SpawnFailed(error, left) => {
                self.with_job(|job| job.fail_to_start(Fault::Spawn(error), left));
            }
            Input::Exited(exit) => self.with_job(|job| job.exit(exit)),
            Input::Held => self.with_job(Job::hold),
            Input::OutputDry(stream) => self.with_job(|job| job.outputs.run_dry(stream)),
            Input::OutputEnded(stream) => self.with_job(|job| job.outputs.end(stream)),
            Input::StdinClosed => self.with_job(|job| job.stdin.refuse()),
            Input::Spooled(stream) => self.with_job(|job| job.outputs.spooled(stream)),
        }
    }

    fn with_job(&mut self, store: impl FnOnce(&mut Job)) {
        if let Some(job) = &mut self.job {
            store(job);
        }
    }

    /// Appends `n` bytes of output that were read to the outbox, or keeps them.
    fn store_output(&mut self, stream: Stream, n: usize, now: Instant) {
        let discards = self.discards();
        let Some(job) = &mut self.job else { return };
        job.outputs.count(stream, n, now);
        if stream == Stream::Stderr && self.settings.recent_jobs > 0 {
            job.tail.add(self.outbox.uncommitted(n));
        }
        if discards {
            return;
        }
        match self.codec.frame(stream, n) {
            Framing::Sent { header, end } => self.outbox.frame(&header, n, end),
            Framing::Kept => {
                job.keep(stream, self.outbox.uncommitted(n), self.settings.output_max);
            }
            Framing::None => {}
        }
    }

    /// An answer to a command, if the client still waits for one.
    fn store_answer(&mut self, answer: Option<Vec<u8>>, close: bool) {
        let asked = self.commands.as_mut().is_some_and(Commands::end);
        if asked && !self.client.is_gone() {
            self.outbox.put(answer.unwrap_or_default());
            if close {
                self.outbox.end();
            }
        }
    }

    /// There is no memory for more of the request, or for kept output.
    fn lack_memory(&mut self) {
        if self.grows() {
            match &mut self.job {
                Some(job) => job.keep_no_more(Fault::NoMemory),
                None => self.blame(Fault::NoMemory),
            }
        }
    }

    /// Output could not be put into its file.
    fn lack_room(&mut self, fault: Fault) {
        // If the reply was made meanwhile, or is not needed any more, nothing is missing.
        if !self.discards() {
            self.with_job(|job| job.keep_no_more(fault));
        }
    }

    /// A system call has failed. The client gets the reason, if possible.
    fn store_failure(&mut self, trouble: Trouble, errno: Errno) {
        let fault = Fault::System(trouble, errno);
        // A size that was sent cannot be taken back: the client finds that bytes are missing.
        if self.outbox.is_streaming() || trouble == Trouble::Spooled {
            self.blame(fault);
        }
        match trouble {
            Trouble::Receive if self.outbox.is_shut() => self.client.lose(),
            Trouble::Receive => self.client.deafen(),
            Trouble::Send => self.client.fail_to_send(),
            Trouble::Output(stream) => self.with_job(|job| job.outputs.end(stream)),
            Trouble::Stdin => self.with_job(|job| job.stdin.refuse()),
            Trouble::Spooled => self.client.lose(),
            Trouble::Exit => self.with_job(Job::exit_unknown),
            Trouble::Wait | Trouble::Peer => {}
        }
    }

    /// The new limit of the connection's life.
    fn limit_time(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
        if !self.is_stopping() && self.is_active() {
            match timeout {
                Some(timeout) => self.timers.set(Timer::Deadline, self.accepted + timeout),
                None => self.timers.stop(Timer::Deadline),
            }
        }
    }

    /// A fault. The first fault counts.
    pub(super) fn blame(&mut self, fault: Fault) {
        match &mut self.job {
            Some(job) => job.blame(fault),
            None => {
                self.refusal.get_or_insert(fault);
            }
        }
    }

    /// The fault.
    pub(super) fn fault(&self) -> Option<&Fault> {
        match &self.job {
            Some(job) => job.fault(),
            None => self.refusal.as_ref(),
        }
    }

    /// The verdict of the reply, once it is certain.
    pub(super) fn verdict(&self) -> Option<Exit> {
        match &self.job {
            Some(job) => job.verdict(),
            None => self.refusal.as_ref().and_then(Fault::exit),
        }
    }

    /// Whether there is, or may soon be, a process.
    pub(super) fn lives(&self) -> bool {
        self.job.as_ref().is_some_and(Job::lives)
    }

    /// Whether the program was made to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_stopping)
    }

    /// Whether the session counts against the limit of connections: it has a client that
    /// waits for a reply, or a process.
    pub(super) fn is_active(&self) -> bool {
        self.lives() || !(self.client.is_gone() || self.outbox.is_shut())
    }

    /// Whether the client's bytes are still used.
    #[inline]
    pub(super) fn listens(&self) -> bool {
        self.fault().is_none()
            && self.outbox.is_streaming()
            && !self.client.is_gone()
            && self
                .job
                .as_ref()
                .is_none_or(|job| job.exit_status().is_none())
    }

    /// Whether the next message has to wait until the answer to this one is sent.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.commands
            .as_ref()
            .is_some_and(|commands| commands.is_in_hand() || !self.outbox.is_sent())
    }

    /// Whether output is read only to be discarded.
    #[inline]
    pub(super) fn discards(&self) -> bool {
        self.client.is_gone() || !self.outbox.is_streaming()
    }

    /// Whether the client's next bytes make the request larger. On a control connection they do
    /// not: those are few, and their clients may do anything.
    pub(super) fn is_collecting(&self) -> bool {
        self.job.is_none() && self.commands.is_none() && self.listens()
    }

    /// Whether the next bytes take more memory: those of an incomplete request, or of kept
    /// output.
    pub(super) fn grows(&self) -> bool {
        match &self.job {
            None => self.is_collecting(),
            Some(job) => {
                self.codec.protocol().keeps_output() && !self.discards() && job.outputs.keep_more()
            }
        }
    }

    /// The invariants.
    pub(super) fn check(&self) {
        self.inbox.check();
        self.outbox.check();
        assert!(!self.client.is_gone() || self.outbox.is_sent());
        assert!(self.job.is_none() || (self.commands.is_none() && self.refusal.is_none()));
        assert!(self.prompt.is_none());
        if let Some(job) = &self.job {
            job.check(self.codec.protocol().keeps_output());
        }
        if self.lives() && self.is_stopping() {
            assert!(self.timers.next().is_some(), "every wait is bounded");
        }
    }
}
