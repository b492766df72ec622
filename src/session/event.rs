//! The inputs and outputs of a session.

use std::time::Duration;

use nix::errno::Errno;

#[cfg(doc)]
use super::Session;
use crate::program::{Arguments, Exit, SpawnError, Stream};

/// An event.
#[derive(Debug)]
pub enum Input {
    /// This number of bytes was read into [`Session::inbox`].
    ClientSent(usize),
    /// The client has passed descriptors. Nothing more is read from it.
    ClientPassedDescriptors,
    /// The client has shut down its writing side.
    ClientEnded,
    /// The client has hung up, or its socket failed.
    ClientGone,
    /// There is a process for the program. It is not known yet whether the exec succeeds.
    Launched,
    /// The program executes.
    Started,
    /// The program was not started. After a failed exec its process must still exit.
    SpawnFailed(SpawnError, ProcessLeft),
    /// The program has ended; its process is a zombie.
    Exited(Exit),
    /// The program has ended, and its tracer has not released it: there is no exit status yet.
    Held,
    /// This number of bytes was read into [`Session::outbox`].
    Output(Stream, usize),
    /// An output has no more bytes at the moment.
    OutputDry(Stream),
    /// An output is at its end.
    OutputEnded(Stream),
    /// This number of bytes of [`Session::stdin`] was written to the program.
    StdinTaken(usize),
    /// The program's standard input has no reader any more.
    StdinClosed,
    /// This number of bytes of [`Session::reply`] was sent.
    ReplySent(usize),
    /// The bytes of [`Session::unspooled`] are in the temporary file now.
    Spooled(Stream),
    /// They could not be written there.
    SpoolFailed(Errno),
    /// They were not written there: this is the limit of all temporary files together, in bytes.
    SpoolsFull(u64),
    /// A command was carried out; the answer to send, if there is one.
    Answered {
        /// The answer in its framing.
        answer: Option<Vec<u8>>,
        /// Whether it was the last command.
        close: bool,
    },
    /// There is no memory for the rest of the request, or for kept output.
    NoMemory,
    /// A necessary system call has failed with an unexpected error.
    Failed(Trouble, Errno),
    /// This client may not send commands.
    Stranger,
    /// This number of the user's connections is over quota already, and no more may be.
    Crowded(u64),
    /// The new limit of the connection's life, counted from its acceptance; `None`: no limit.
    Timeout(Option<Duration>),
    /// Time has passed.
    Time,
    /// The server stops: the program must end.
    Stop,
    /// The server stops at once: the program is killed, and waits end.
    StopNow,
}

/// The operation that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Receiving from the client. It is not tried again.
    Receive,
    /// Sending to the client. It is tried once more, each time.
    Send,
    /// Writing to the program's standard input.
    Stdin,
    /// Reading an output. It is not tried again.
    Output(Stream),
    /// Sending a temporary file, whose size the client has got already.
    Spooled,
    /// Waiting for one of the descriptors.
    Wait,
    /// Getting the exit status: the process is gone.
    Exit,
    /// Getting the client's user.
    Peer,
}

/// Whether a program that was not started leaves a process behind that must be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessLeft {
    /// There is a process, which will exit at once.
    Yes,
    /// There never was a process.
    No,
}

/// An action on the descriptors of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put [`Session::unspooled`] into the temporary file of this output.
    Spool(Stream),
    /// Close the program's standard input.
    CloseStdin,
    /// Send SIGTERM to the program's process group.
    Terminate,
    /// Send SIGKILL to the program's process group.
    Kill,
    /// Reap the zombie, and close its outputs if they are still open.
    Reap,
    /// Leave the process, which does not end, to the server as an orphan.
    Abandon,
    /// Shut down the writing side of the client's socket.
    ShutdownReply,
    /// Close the client's socket.
    CloseClient,
}

/// A request to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Start this program when its turn comes: answered with [`Input::Launched`], or the error.
    Program(Arguments),
    /// Do not start the requested program. It was not started, and no answer is needed.
    Withdraw,
    /// Carry out the command in this message, and answer with [`Input::Answered`].
    Command(Vec<u8>),
}

/// The state of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobState {
    /// The request is not complete.
    #[default]
    Request,
    /// Over quota: its user has its share of the connections. Only the server knows that.
    Parked,
    /// The program is requested; its turn has not come.
    Waiting,
    /// The program has a process, and its exec is not confirmed yet.
    Starting,
    /// The program runs.
    Running,
    /// The program has ended, and another process holds its outputs.
    Draining,
    /// The program must end.
    Stopping,
    /// The program is gone, and the reply is not sent.
    Replying,
    /// The reply is sent, and the client has not closed.
    Lingering,
    /// The job is over, and processes that it has left live on, as its rule allows. Only the server
    /// knows that.
    Detached,
}
