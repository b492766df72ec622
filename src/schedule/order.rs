//! The orders of the schedule to the server.

use crate::id::ConnectionId;

/// Something to do. The server carries orders out one after the other, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let a new connection work: read from its client.
    Serve(ConnectionId),
    /// A new connection is refused: its client gets this reason.
    Refuse(ConnectionId, Rejection),
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
    /// Accept nothing more on the listening sockets for programs, until further notice: a drain
    /// without a deadline can be taken back.
    PauseListeners,
    /// Close the listening sockets for programs, or all of them.
    CloseListeners {
        /// Whether the listeners for control connections are closed, too.
        control: bool,
    },
    /// There has been no connection for the time of the idle exit: drain without grace.
    Leave,
    /// All running programs must end.
    Stop {
        /// The time of grace is over; otherwise there was none.
        grace_over: bool,
    },
    /// All running programs must end at once.
    StopNow,
    /// Nothing is left to do, or the time for it is over.
    End,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The places for connections over quota are taken, of its user or of all users.
    Crowded {
        /// The limit that was met, in connections.
        limit: u64,
    },
    /// The server stops.
    Stopping,
}
