//! What goes into a session and what comes out of it.

use std::time::Duration;

use nix::errno::Errno;

#[cfg(doc)]
use super::Session;
use crate::program::{Arguments, Exit, SpawnError, Stream};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// This many bytes came into [`Session::inbox`].
    ClientSent(usize),
    /// The client has passed descriptors. Nothing more is read from it.
    ClientPassedDescriptors,
    /// The client has shut down its writing side.
    ClientEnded,
    /// The client has hung up, or its socket failed.
    ClientGone,
    /// There is a process for the program. Whether it comes to execute it is not known yet.
    Launched,
    /// The program executes.
    Started,
    /// The program was not started. After a failed exec its process is still to exit.
    SpawnFailed(SpawnError, ProcessLeft),
    /// The program has ended; its process is a zombie.
    Exited(Exit),
    /// The program has ended, and a process that traces it has not let go of it: there is no
    /// exit status yet.
    Held,
    /// This many bytes came into [`Session::outbox`].
    Output(Stream, usize),
    /// Nothing more can be read from an output at the moment.
    OutputDry(Stream),
    /// An output is at its end.
    OutputEnded(Stream),
    /// The program has taken this many bytes of [`Session::stdin`].
    StdinTaken(usize),
    /// Nobody reads the program's standard input any more.
    StdinClosed,
    /// This many bytes of [`Session::reply`] were sent.
    ReplySent(usize),
    /// What [`Session::unspooled`] had is in the temporary file now.
    Spooled(Stream),
    /// It could not be put there.
    SpoolFailed(Errno),
    /// It was not put there: all temporary files together may have this many bytes.
    SpoolsFull(u64),
    /// A command was carried out, and this is to be sent, if anything is.
    Answered {
        /// The answer in its framing.
        answer: Option<Vec<u8>>,
        /// Whether it was the last.
        close: bool,
    },
    /// There is no memory for what is still to come of the request, or of output that is kept.
    NoMemory,
    /// A system call that the job cannot do without has failed, for no reason that is
    /// expected of it.
    Failed(Trouble, Errno),
    /// Nothing that this client sends is carried out.
    Stranger,
    /// This many of the user's connections wait for a slot already, and no more may.
    Crowded(u64),
    /// From now on the connection may last this long since its acceptance; `None`: as long
    /// as it likes.
    Timeout(Option<Duration>),
    /// Time has passed.
    Time,
    /// The server stops: whatever runs must end.
    Stop,
    /// The server stops, and does not wait for anything that can be had without.
    StopNow,
}

/// What does not work any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// To receive from the client. It is not tried again.
    Receive,
    /// To send to the client. It is tried once more, each time.
    Send,
    /// To write to the program's standard input.
    Stdin,
    /// To read an output. It is not tried again.
    Output(Stream),
    /// To send what is in a temporary file, of which the client knows the size already.
    Spooled,
    /// To wait for one of the descriptors.
    Wait,
    /// To learn how the program has ended: its process is gone.
    Exit,
    /// To learn which user the client is.
    Peer,
}

/// Whether a program that was not started leaves a process behind that must be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessLeft {
    /// There is one, which will exit at once.
    Yes,
    /// There never was one.
    No,
}

/// Something to do with the descriptors of the connection.
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
    /// Take the zombie, and close what is left of its outputs.
    Reap,
    /// Leave the process, which does not end, to the server as an orphan.
    Abandon,
    /// Shut down the writing side of the client's socket.
    ShutdownReply,
    /// Close the client's socket.
    CloseClient,
}

/// Something that is asked of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Start this program when its turn comes: [`Input::Launched`], or why not.
    Program(Arguments),
    /// Do not start the program that was asked for. None was, and no answer is needed.
    Withdraw,
    /// Carry out what this message asks for, and answer with [`Input::Answered`].
    Command(Vec<u8>),
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobState {
    /// The request is not complete.
    #[default]
    Request,
    /// Its user has its share of the connections. Only the server knows that.
    Parked,
    /// The program is asked for; its turn has not come.
    Waiting,
    /// The program has a process and does not run yet.
    Starting,
    /// The program runs.
    Running,
    /// The program has ended, and something holds its outputs.
    Draining,
    /// The program must end.
    Stopping,
    /// There is no program any more, and the reply is not sent.
    Replying,
    /// The reply is sent, and the client has not closed.
    Lingering,
}
