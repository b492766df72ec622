//! A queue that a connection can leave from its middle.

use std::collections::BTreeMap;

use crate::id::ConnectionId;

/// A place in a [`Queue`]. The lowest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Connections in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    waiting: BTreeMap<Ticket, ConnectionId>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the last place.
    pub(super) fn push(&mut self, id: ConnectionId) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, id);
        ticket
    }

    /// Takes the first one out.
    pub(super) fn pop(&mut self) -> Option<ConnectionId> {
        self.waiting.pop_first().map(|(_, id)| id)
    }

    /// Takes one out, wherever it is. A place that is not taken any more changes nothing.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// Takes all out, in their order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = ConnectionId> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_left_from_the_middle_and_once() {
        let mut queue = Queue::default();
        let first = ConnectionId::FIRST;
        let [one, two, three] = [first, first.next(), first.next().next()];
        let tickets = [one, two, three].map(|id| queue.push(id));
        queue.leave(tickets[1]);
        queue.leave(tickets[1]);
        assert_eq!((queue.len(), queue.pop()), (2, Some(one)));
        // Its place stays its own.
        let again = queue.push(one);
        queue.leave(tickets[0]);
        assert_eq!(queue.take_all().collect::<Vec<_>>(), [three, one]);
        queue.leave(again);
        assert!(queue.is_empty());
    }
}
