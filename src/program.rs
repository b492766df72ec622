//! Values about a program, for all layers: its arguments, its outputs, its exit, and why it was
//! not started. Plain values, which know no other part.

mod arguments;

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

pub use self::arguments::{Arguments, OutOfMemory, try_append};

/// One of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1 of the program.
    Stdout = 0,
    /// Descriptor 2 of the program.
    Stderr = 1,
}

impl Stream {
    /// Both, in the order in which they are served.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// The exit of a program, as wait(2) reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal.
        number: i32,
        /// It left a core dump.
        dumped: bool,
    },
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit={code}"),
            Self::Signal { number, .. } => write!(f, "signal={number}"),
        }
    }
}

/// What a program cost, with all processes that it and its children waited for (`RUSAGE_BOTH`, as
/// wait4(2) reports it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Processor time in the programs themselves.
    pub user: Duration,
    /// Processor time in the kernel on their behalf.
    pub system: Duration,
    /// The peak of resident memory of the largest process, in bytes. `None` if it was less than the
    /// server's own peak, which is all that the kernel reports then.
    pub memory: Option<u64>,
}

/// The text of strerror(3) for an error.
pub fn reason(errno: Errno) -> String {
    without_number(&std::io::Error::from(errno).to_string())
}

/// The text of an error of the standard library without the number of the system's error.
pub fn without_number(text: &str) -> String {
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Why a program was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// execve(2) failed.
    Exec(Errno),
    /// The program exists, but the interpreter in its first line does not.
    Interpreter(Errno),
    /// The program that a rule puts in front cannot be run.
    InFront {
        /// Its name, as in the rule.
        program: String,
        /// The rule's name, or its number.
        rule: String,
        /// The reason.
        error: Box<SpawnError>,
    },
    /// The system is short of a resource for a new process.
    Start(Errno),
    /// The system is short of a resource for the cgroup of a new process.
    Contain(Errno),
    /// The system has refused a step of the new process before it executed the program.
    Prepare(Step, Errno),
    /// The user databases have not said which account the client's user has.
    Account {
        /// The user.
        name: String,
        /// Their error; ETIMEDOUT if they have not answered.
        errno: Errno,
    },
    /// The new process could not become the user as which the program is to run.
    Become {
        /// The user's name.
        name: String,
        /// The error.
        errno: Errno,
    },
    /// The new process could not change to the directory in which the program is to start.
    Directory {
        /// Its path.
        path: String,
        /// The error.
        errno: Errno,
    },
    /// The request waited for its turn until it was too late, or until it was withdrawn.
    Cancelled,
    /// The server's rules do not allow it.
    Refused(Refusal),
}

/// A step of a new process before it executes its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Gets a table of descriptors of its own.
    OwnDescriptors,
    /// Takes its ends of its pipes as standard streams.
    Streams,
    /// Lets its user open them once more.
    StreamPermissions,
    /// Closes all others.
    OtherDescriptors,
    /// Begins a session, and with it a process group.
    Session,
    /// Arranges to be killed when the server ends.
    EndWithServer,
    /// Sets signals that the server ignores back to their default actions.
    SignalActions,
    /// Sets its niceness.
    Niceness,
    /// Sets the mask of permissions.
    Umask,
    /// Sets the limits of resources.
    ResourceLimits,
    /// Sets the limit of descriptors for programs.
    DescriptorLimit,
    /// Becomes another user.
    User,
    /// Sets the limit of processes.
    ProcessLimit,
    /// Gives up gaining privileges.
    NoNewPrivileges,
    /// Changes to a directory.
    Directory,
    /// Unblocks all signals.
    SignalMask,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnDescriptors => "leave the server's descriptors",
            Self::Streams => "set up the standard streams",
            Self::StreamPermissions => "open the standard streams to the user",
            Self::OtherDescriptors => "close the other descriptors",
            Self::Session => "begin a session",
            Self::EndWithServer => "arrange to be killed with the server",
            Self::SignalActions => "reset the signals' actions",
            Self::Niceness => "set the niceness",
            Self::Umask => "set the umask",
            Self::ResourceLimits => "set the limits of resources",
            Self::DescriptorLimit => "set the limit of descriptors",
            Self::User => "become the user",
            Self::ProcessLimit => "set the limit of processes",
            Self::NoNewPrivileges => "give up new privileges",
            Self::Directory => "change the directory",
            Self::SignalMask => "unblock the signals",
        })
    }
}

/// Why the rules do not allow a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No rule allows this user to run it.
    NoRule,
    /// A rule allows this user to run it, with other arguments only.
    Arguments,
    /// Its name has a `..` in it, so that the program cannot be determined.
    Unclear,
    /// Its path has a `=` in it, and this rule has a program in front.
    Assignment {
        /// The rule's name, or its number.
        rule: String,
    },
    /// It would run as the client's user, and must not.
    Peer {
        /// The user.
        name: String,
        /// The reason.
        why: NotPeer,
    },
}

/// Why no program runs as the client's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPeer {
    /// The client is not known by peer credentials.
    Unknown,
    /// It is root.
    Root,
    /// It is a user of the system: its number is below this one.
    System(u32),
    /// It is the server's user, as which a program could end the server.
    Server,
    /// It has no account.
    NoAccount,
}

impl fmt::Display for NotPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("only a UNIX socket shows which one that is"),
            Self::Root => f.write_str("only a rule that names root in \"user\" allows that"),
            Self::System(least) => write!(
                f,
                "the number is below {least} (UID_MIN), and only a rule that names the user in \
                 \"user\" allows that"
            ),
            Self::Server => f.write_str("that is the server's own user"),
            Self::NoAccount => f.write_str("there is no such account"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no rule of the server allows it to this user",
            Self::Arguments => "no rule of the server allows it to this user with these arguments",
            Self::Peer { name, why } => return write!(f, "cannot become {name}: {why}"),
            Self::Unclear => "the server has rules, and the name has a \"..\" in it",
            Self::Assignment { rule } => {
                return write!(
                    f,
                    "the path has a \"=\" in it, which the run-prefix of rule {rule} could take for \
                     a variable"
                );
            }
        })
    }
}

impl SpawnError {
    /// The same error for a program that a rule puts in front of the client's. A shortage,
    /// and arguments that are too long, are not that program's fault.
    pub fn in_front(self, program: &[u8], rule: &str) -> Self {
        match self {
            Self::Exec(Errno::E2BIG) => self,
            Self::Exec(_) | Self::Interpreter(_) if self.exit_code() != 111 => Self::InFront {
                program: String::from_utf8_lossy(program).into_owned(),
                rule: rule.to_owned(),
                error: Box::new(self),
            },
            _ => self,
        }
    }

    /// The exit code that reports it: 127 not found, 126 cannot be run, 111 a shortage.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exec(Errno::ENOENT) => 127,
            Self::Exec(errno) | Self::Become { errno, .. } | Self::Directory { errno, .. }
                if is_shortage(*errno) =>
            {
                111
            }
            Self::Start(_)
            | Self::Contain(_)
            | Self::Prepare(..)
            | Self::Account { .. }
            | Self::Cancelled => 111,
            Self::Exec(_)
            | Self::Become { .. }
            | Self::Directory { .. }
            | Self::Interpreter(_)
            | Self::InFront { .. }
            | Self::Refused(_) => 126,
        }
    }

    /// All names for statistics of programs that were not started.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let errors = ERRORS.iter().map(|(_, name)| *name);
        errors.chain([OTHER, NOT_IN_TIME])
    }

    /// A name for statistics: that of the system's error, if there is one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exec(errno)
            | Self::Interpreter(errno)
            | Self::Start(errno)
            | Self::Contain(errno)
            | Self::Prepare(_, errno)
            | Self::Become { errno, .. }
            | Self::Account { errno, .. }
            | Self::Directory { errno, .. } => errno_name(*errno),
            Self::InFront { error, .. } => error.name(),
            Self::Cancelled => NOT_IN_TIME,
            Self::Refused(_) => "refused",
        }
    }
}

/// The system is short of something, or fails: that is not the fault of the program or of a rule.
fn is_shortage(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EIO
    )
}

/// The errors of the system that have names in statistics.
const ERRORS: [(Errno, &str); 16] = [
    (Errno::ENOENT, "ENOENT"),
    (Errno::EACCES, "EACCES"),
    (Errno::EPERM, "EPERM"),
    (Errno::ENOEXEC, "ENOEXEC"),
    (Errno::ENOTDIR, "ENOTDIR"),
    (Errno::EISDIR, "EISDIR"),
    (Errno::ELOOP, "ELOOP"),
    (Errno::ENAMETOOLONG, "ENAMETOOLONG"),
    (Errno::E2BIG, "E2BIG"),
    (Errno::ETXTBSY, "ETXTBSY"),
    (Errno::EIO, "EIO"),
    (Errno::EAGAIN, "EAGAIN"),
    (Errno::ETIMEDOUT, "ETIMEDOUT"),
    (Errno::ENOMEM, "ENOMEM"),
    (Errno::EMFILE, "EMFILE"),
    (Errno::ENFILE, "ENFILE"),
];

/// Any other error of the system.
const OTHER: &str = "other";

/// The program's turn did not come in time.
const NOT_IN_TIME: &str = "not-in-time";

fn errno_name(errno: Errno) -> &'static str {
    let mut all = ERRORS.iter();
    all.find(|(error, _)| *error == errno)
        .map_or(OTHER, |(_, name)| name)
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(errno) => f.write_str(&reason(*errno)),
            Self::Interpreter(errno) => write!(f, "bad interpreter: {}", reason(*errno)),
            Self::InFront {
                program,
                rule,
                error,
            } => write!(
                f,
                "the server's run-prefix {program:?} (rule {rule}): {error}"
            ),
            Self::Start(errno) => write!(f, "cannot start a process: {}", reason(*errno)),
            Self::Contain(errno) => write!(f, "cannot make a cgroup: {}", reason(*errno)),
            Self::Prepare(step, errno) => write!(f, "cannot {step}: {}", reason(*errno)),
            Self::Become { name, errno } => write!(f, "cannot become {name}: {}", reason(*errno)),
            Self::Account { name, errno } => {
                let why = match errno {
                    Errno::ETIMEDOUT => "no answer in time".into(),
                    errno => reason(*errno),
                };
                write!(f, "cannot become {name}: looking up the account: {why}")
            }
            Self::Directory { path, errno } => {
                write!(f, "cannot change to {path}: {}", reason(*errno))
            }
            Self::Cancelled => f.write_str("not started in time"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn become_job(errno: Errno) -> SpawnError {
        let name = "job".into();
        SpawnError::Become { name, errno }
    }

    fn change_to_x(errno: Errno) -> SpawnError {
        let path = "/x".into();
        SpawnError::Directory { path, errno }
    }

    #[test]
    fn reasons_are_those_of_the_system() {
        for (error, text) in [
            (SpawnError::Exec(Errno::ENOENT), "No such file or directory"),
            (
                SpawnError::Interpreter(Errno::ENOENT),
                "bad interpreter: No such file or directory",
            ),
            (
                SpawnError::Start(Errno::EAGAIN),
                "cannot start a process: Resource temporarily unavailable",
            ),
            (
                SpawnError::Contain(Errno::EAGAIN),
                "cannot make a cgroup: Resource temporarily unavailable",
            ),
            (
                SpawnError::Prepare(Step::DescriptorLimit, Errno::EPERM),
                "cannot set the limit of descriptors: Operation not permitted",
            ),
            (
                become_job(Errno::EPERM),
                "cannot become job: Operation not permitted",
            ),
            (
                change_to_x(Errno::ENOENT),
                "cannot change to /x: No such file or directory",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn codes_of_programs_that_cannot_run() {
        for (error, code) in [
            (SpawnError::Exec(Errno::ENOENT), 127),
            (SpawnError::Interpreter(Errno::ENOENT), 126),
            (SpawnError::Exec(Errno::EACCES), 126),
            (SpawnError::Exec(Errno::ENOEXEC), 126),
            (SpawnError::Exec(Errno::E2BIG), 126),
            (SpawnError::Exec(Errno::ENOTDIR), 126),
            (SpawnError::Exec(Errno::EAGAIN), 111),
            (SpawnError::Start(Errno::EMFILE), 111),
            (SpawnError::Contain(Errno::EMFILE), 111),
            (SpawnError::Prepare(Step::Session, Errno::EPERM), 111),
            (become_job(Errno::EPERM), 126),
            (become_job(Errno::EAGAIN), 111),
            (change_to_x(Errno::ENOENT), 126),
            (change_to_x(Errno::ENOMEM), 111),
        ] {
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }
}
