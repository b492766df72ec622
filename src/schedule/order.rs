//! What the schedule asks the server to do.

use crate::id::ConnectionId;

/// Something to do. The server carries orders out one after the other, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let a new connection work: read what its client has sent.
    Serve(ConnectionId),
    /// A new connection is not served: its client is to get this reason.
    Refuse(ConnectionId, Reason),
    /// Ask the rules about the program of this connection, and answer with
    /// [`Schedule::permit`](super::Schedule::permit) or
    /// [`Schedule::withdraw`](super::Schedule::withdraw).
    Judge(ConnectionId),
    /// Start the program of this connection. It counts from now on, until
    /// [`Schedule::update`](super::Schedule::update) reports that there is none.
    Launch(ConnectionId),
    /// There may be room for the request of this connection: read its client again.
    Read {
        /// The connection.
        id: ConnectionId,
        /// Whether its request may go beyond the limit.
        beyond: bool,
    },
    /// Close this connection, which lingers: too many do.
    Drop(ConnectionId),
    /// Close the listening sockets for programs, or all of them.
    CloseListeners {
        /// Whether those for control connections are closed, too.
        control: bool,
    },
    /// There has been no connection for the time of the idle exit: drain without grace.
    Leave,
    /// Whatever runs is to end.
    Stop {
        /// The time of grace is over; else there was none.
        grace_over: bool,
    },
    /// Whatever runs is to end, and nothing is waited for that is not needed.
    StopNow,
    /// Nothing is left to do, or the time for it is over.
    End,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As many connections of its user wait for a slot as may, or of all users.
    Crowded {
        /// The limit that was met, in connections.
        limit: u64,
    },
    /// The server stops.
    Stopping,
}
