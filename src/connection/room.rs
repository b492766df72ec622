//! The amount of a request that may be read: one limit applies to the memory of all requests that
//! are not started.

use crate::quota::Charge;
use crate::session::Session;

/// The first bytes of a request, which do not count: a small request never waits for large
/// ones.
const REQUEST_FREE: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    /// The size of the request, without its first bytes.
    charge: Charge,
    /// Nothing is read from the client until there is room.
    unread: bool,
    /// The request needs no room any more.
    beyond: bool,
}

impl Room {
    pub(super) fn new(charge: Charge) -> Self {
        Self {
            charge,
            unread: false,
            beyond: false,
        }
    }

    /// The number of bytes that may be read now. None: the client waits for room from now on.
    pub(super) fn ask(&mut self, session: &Session) -> Option<usize> {
        if self.beyond || !session.is_collecting() {
            return Some(usize::MAX);
        }
        let free = REQUEST_FREE.saturating_sub(session.request_bytes());
        let room = usize::try_from(self.charge.room()).unwrap_or(usize::MAX);
        let allowed = room.saturating_add(free);
        self.unread = allowed == 0;
        (!self.unread).then_some(allowed)
    }

    /// Whether the client waits for room.
    pub(super) fn is_lacking(&self) -> bool {
        self.unread
    }

    /// There may be room now; or there need not be, with `beyond`.
    pub(super) fn retry(&mut self, beyond: bool) {
        self.beyond |= beyond;
        self.unread = false;
    }

    /// Adjusts the charge to the size of the request.
    pub(super) fn hold(&mut self, session: &Session) {
        let charged = session.request_bytes().saturating_sub(REQUEST_FREE);
        self.charge.set(charged as u64);
    }

    /// The charge of the request.
    pub(super) fn held(&self) -> u64 {
        self.charge.amount()
    }

    /// Whether it may go beyond the limit of that, and still may need to.
    pub(super) fn goes_beyond(&self, session: &Session) -> bool {
        self.beyond && (session.is_collecting() || self.held() > 0)
    }
}
