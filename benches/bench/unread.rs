//! A client that does not read, and a program that does not: the server must not grow.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::report::{Rounds, Table, Wanted};
use crate::server::Server;
use crate::wire::{self, Conversation};
use crate::{PATIENCE, Plan, TRUE, pattern, procfs, stream};

/// How long nothing is read, while the server is watched.
const NEGLECT: Duration = Duration::from_secs(1);

/// Between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(20);

/// The maximal amount of unread data in the server: the fixed ceiling of a
/// connection and what the kernel keeps in pipe and socket, generously.
const TAKEN_MAX: u64 = 4 << 20;

/// Both directions.
pub fn measure(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let size = format!("{} MiB", plan.unread >> 20);
    let wanted = Wanted::AtMost(1024.0);
    let server = Server::start(&[])?;
    let grown = client_reads_nothing(&server, plan.unread).map_err(|e| server.explain(e))?;
    table.judge(
        &format!("growth while a client reads none of {size}"),
        "KiB",
        &grown,
        None,
        wanted,
    );
    server.stop()?;
    let server = Server::start(&[])?;
    let grown = program_reads_nothing(&server, plan.unread).map_err(|e| server.explain(e))?;
    table.judge(
        &format!("growth while a program reads none of {size}"),
        "KiB",
        &grown,
        None,
        wanted,
    );
    server.stop()
}

/// The greatest of the server's memory, less what it was at first.
struct Growth<'a> {
    server: &'a Server,
    first: u64,
    most: u64,
}

impl<'a> Growth<'a> {
    fn begin(server: &'a Server) -> io::Result<Self> {
        let first = procfs::resident(server.pid())?;
        Ok(Self {
            server,
            first,
            most: first,
        })
    }

    fn look(&mut self) -> io::Result<()> {
        self.most = self.most.max(procfs::resident(self.server.pid())?);
        Ok(())
    }

    fn rounds(&self) -> Rounds {
        [(self.most - self.first) as f64].into_iter().collect()
    }
}

/// Neglects the output, then reads it and demands every byte.
fn client_reads_nothing(server: &Server, bytes: u64) -> io::Result<Rounds> {
    let words = stream::own_words(&["--produce", &bytes.to_string()])?;
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut growth = Growth::begin(server)?;
    let mut conversation = Conversation::open(&server.path, &wire::request(&words))?;
    let begin = Instant::now();
    while begin.elapsed() < NEGLECT {
        thread::sleep(LOOK);
        growth.look()?;
    }
    let table = pattern::table(64 * 1024);
    let (mut at, mut wrong, mut looked) = (0_u64, None, 0);
    loop {
        let more = conversation.read_some(|output| {
            if !pattern::at(&table, at).starts_with(output) {
                wrong.get_or_insert(at);
            }
            at += output.len() as u64;
        })?;
        if at - looked > 16 << 20 {
            looked = at;
            growth.look()?;
        }
        if !more {
            break;
        }
    }
    if let Some(at) = wrong {
        return Err(io::Error::other(format!(
            "other bytes than were written, after {at}"
        )));
    }
    conversation.reply.demand_success(bytes)?;
    Ok(growth.rounds())
}

/// Sends input to a program that sleeps, until no more is taken.
fn program_reads_nothing(server: &Server, bytes: u64) -> io::Result<Rounds> {
    let mut growth = Growth::begin(server)?;
    let head = wire::head(&["sleep", "3600"]);
    let mut socket = Conversation::open(&server.path, &head)?.socket;
    socket.set_nonblocking(true)?;
    let mut piece = Vec::new();
    wire::put(&mut piece, &vec![b'x'; 64 * 1024]);
    let begin = Instant::now();
    let mut taken = 0;
    while begin.elapsed() < NEGLECT && taken < bytes {
        // Whole pieces one after the other: a rest goes on where it stopped.
        let at = (taken % piece.len() as u64) as usize;
        match socket.write(&piece[at..]) {
            Ok(count) => taken += count as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                poll(
                    &mut fds,
                    PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX),
                )?;
                growth.look()?;
            }
            Err(error) => return Err(error),
        }
    }
    if taken > TAKEN_MAX {
        return Err(io::Error::other(format!(
            "{taken} bytes taken that nobody reads"
        )));
    }
    if let Ok(count) = socket.read(&mut [0; 1]) {
        return Err(io::Error::other(format!(
            "{count} bytes of a reply before its end"
        )));
    }
    drop(socket);
    // The disconnect ends the program.
    let begin = Instant::now();
    while procfs::children(server.pid())? > 0 {
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other("a program outlives its client"));
        }
        thread::sleep(LOOK);
    }
    Conversation::open(&server.path, &wire::request(&[TRUE]))?.finish(0)?;
    Ok(growth.rounds())
}
