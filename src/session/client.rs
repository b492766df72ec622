//! The client of a session: its state, and the operations that have failed.

/// See the table of the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Open,
    Ended,
    Gone,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    presence: Presence,
    /// Its socket was closed.
    closed: bool,
    /// It disconnected before its reply was complete.
    disconnected: bool,
    /// It has not sent a byte.
    silent: bool,
    /// Nothing can be received from it. It is closed late, as any other: its last bytes are
    /// still in the socket, and closing at once could destroy the reply.
    deaf: bool,
    /// The last send has failed.
    send_failed: bool,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            presence: Presence::Open,
            closed: false,
            disconnected: false,
            silent: true,
            deaf: false,
            send_failed: false,
        }
    }

    pub(super) fn has_sent(&mut self) {
        self.silent = false;
    }

    /// It will send no more.
    pub(super) fn end(&mut self) {
        if self.presence == Presence::Open {
            self.presence = Presence::Ended;
        }
    }

    /// It has gone, or must go.
    pub(super) fn lose(&mut self) {
        self.presence = Presence::Gone;
    }

    /// Nothing can be received from it.
    pub(super) fn deafen(&mut self) {
        self.deaf = true;
    }

    pub(super) fn has_received(&mut self) {
        self.send_failed = false;
    }

    /// A send has failed; it is tried once more.
    pub(super) fn fail_to_send(&mut self) {
        if std::mem::replace(&mut self.send_failed, true) {
            self.lose();
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.presence == Presence::Gone
    }

    pub(super) fn has_ended(&self) -> bool {
        self.presence == Presence::Ended
    }

    /// Whether it may still send.
    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.presence == Presence::Open && !self.deaf
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    pub(super) fn is_disconnected(&self) -> bool {
        self.disconnected
    }

    /// Whether its socket must be closed now: it has gone, and the socket is open.
    pub(super) fn close(&mut self, has_whole_reply: bool) -> bool {
        let now = self.is_gone() && !self.closed;
        if now {
            self.closed = true;
            self.disconnected = !has_whole_reply;
        }
        now
    }
}
