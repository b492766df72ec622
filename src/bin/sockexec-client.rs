//! `sockexec-client PATH ARG...`: runs a program through the server at PATH, as if it ran here.
//!
//! Owns the three standard descriptors and the exit code; the rest is [`sockexec::client`].
//! It handles no signal: a signal that ends this process closes the connection, and that ends
//! the program at the other end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use clap::{ArgAction, Parser};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sockexec::client::{self, ClientError, Event, Input, PIECE_MAX, Reply, Status};

/// For an invalid command line.
const EXIT_USAGE: u8 = 100;
/// For a server that cannot be reached or closes early, and a descriptor that fails.
const EXIT_SYSTEM: u8 = 111;

/// Run a program through a sockexec server, as if it ran here.
///
/// Standard input goes to the program, the program's output comes out here, and its exit code
/// is the exit code. When this command ends, for instance by Ctrl-C, the server ends the program.
#[derive(Debug, Parser)]
#[command(
    name = "sockexec-client",
    version,
    disable_version_flag = true,
    override_usage = "sockexec-client PATH ARG...",
    after_help = "\
Exit status: the program's own; 128 + N when signal N ended it; 100 for a wrong command line; \
111 when the server cannot be reached or closes early. The server's own: 100 request refused, \
111 out of resources, 126 program cannot be run, 127 program not found."
)]
struct Arguments {
    /// The server's socket; then the program and its arguments. Options after PATH belong to
    /// the program. No shell is involved
    // One list, because clap would look for its own options between PATH and the first ARG.
    #[arg(
        required = true,
        num_args = 2..,
        trailing_var_arg = true,
        value_names = ["PATH", "ARG"],
    )]
    path_and_args: Vec<OsString>,

    /// Print the version
    #[arg(short = 'V', short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
}

fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.len() == 2 && words[1] == "help" {
        words[1] = "--help".into();
    }
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(code);
        }
    };
    let (path, args) = (
        Path::new(&arguments.path_and_args[0]),
        &arguments.path_and_args[1..],
    );
    match run(path, args) {
        Ok(status) => {
            if let Status::Signaled(_) = status {
                complain(&format!("{}: {status}", Path::new(&args[0]).display()));
            }
            if status == Status::Exited(127) && is_shell_command(args) {
                let command = Path::new(&args[0]).display();
                complain(&format!(
                    "no shell is involved: {command} is the name of one program; a shell command is \
                     run by: sh -c '...'"
                ));
            }
            ExitCode::from(status.shell_code())
        }
        Err(reason) => {
            complain(&reason);
            ExitCode::from(EXIT_SYSTEM)
        }
    }
}

/// Whether this looks like a command line for a shell: one word, with blanks or a shell's characters.
fn is_shell_command(args: &[OsString]) -> bool {
    let special = |b: &u8| b.is_ascii_whitespace() || b"|&;<>$`*?~(){}'\"".contains(b);
    args.len() == 1 && args[0].as_bytes().iter().any(special)
}

fn run(path: &Path, args: &[OsString]) -> Result<Status, String> {
    let (mut input, reply) = client::start(path, args).map_err(|error| error.to_string())?;
    // This thread is not joined: it may be reading a terminal or a pipe that has no end, and
    // the process ends with the program's reply.
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            // The input is dropped only after the report: dropping it disconnects, and the main
            // thread would then report a less precise error.
            if let Err(reason) = send_stdin(&mut input) {
                fail(&reason);
            }
            if let Err(error) = input.end() {
                fail(&describe(error));
            }
        })
        .map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            format!("cannot start a thread: {}", errno.desc())
        })?;
    receive_output(reply)
}

/// Sends standard input to its end, or until the server accepts no more.
fn send_stdin(input: &mut Input) -> Result<(), String> {
    let stdin = io::stdin();
    let mut buffer = vec![0; PIECE_MAX];
    loop {
        match nix::unistd::read(stdin.as_fd(), &mut buffer) {
            // A descriptor that is not open for reading, as nohup(1) leaves it, has no data.
            Ok(0) | Err(Errno::EBADF) => return Ok(()),
            Ok(length) => {
                if !input.send(&buffer[..length]).map_err(describe)? {
                    return Ok(());
                }
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait_for(stdin.as_fd(), PollFlags::POLLIN),
            Err(errno) => return Err(format!("cannot read standard input: {}", errno.desc())),
        }
    }
}

/// Copies the program's output, piece by piece as it arrives, until the reply is complete.
fn receive_output(mut reply: Reply) -> Result<Status, String> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let mut ended = Err(describe(ClientError::CutShort));
    while let Some(event) = reply.next_event().map_err(describe)? {
        match event {
            Event::Stdout(bytes) => write_all(stdout.as_fd(), bytes, "output")?,
            Event::Stderr(bytes) => write_all(stderr.as_fd(), bytes, "error")?,
            Event::Ended(status) => ended = Ok(status),
        }
    }
    ended
}

fn describe(error: ClientError) -> String {
    error.to_string()
}

/// Writes past the buffers of the standard library, which would hold back incomplete lines.
fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8], name: &str) -> Result<(), String> {
    while !bytes.is_empty() {
        match nix::unistd::write(descriptor, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait_for(descriptor, PollFlags::POLLOUT),
            Err(Errno::EPIPE) => end_by_broken_pipe(),
            Err(errno) => return Err(format!("cannot write to standard {name}: {}", errno.desc())),
        }
    }
    Ok(())
}

/// Waits for a descriptor that another process with the same description has made non-blocking.
fn wait_for(descriptor: BorrowedFd<'_>, events: PollFlags) {
    // When it fails, the next read or write reports the error.
    let _ = poll(&mut [PollFd::new(descriptor, events)], PollTimeout::NONE);
}

/// Ends as any filter whose reader has gone. Rust programs start with SIGPIPE ignored.
fn end_by_broken_pipe() -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
    unreachable!("a default handler that ends the process has returned")
}

/// Ends the process from the thread that sends.
fn fail(reason: &str) -> ! {
    complain(reason);
    std::process::exit(EXIT_SYSTEM.into());
}

/// Prints a line on standard error. A failure cannot be reported anywhere.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "sockexec-client: {line}");
}
