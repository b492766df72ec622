//! Programs on a file system that never answers, and the clients beside them.
//!
//! The file system is a FUSE mount whose other end is not read: an exec of a file in
//! it stays in the kernel. The mount lives in a namespace of this process, and so goes
//! away with it, whatever happens. This needs root.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::report::{Rounds, Table, Wanted};
use crate::server::Server;
use crate::wire::{self, Conversation};
use crate::{Plan, rate};

/// How many programs hang at a time.
const HANGING: usize = 4;

/// The server's own word for it is "must not stop other clients": this is what we take
/// that to mean.
const RATE_LEAST: f64 = 0.90;

/// The mount, and the end of it that is never read.
#[derive(Debug)]
struct DeadMount {
    path: PathBuf,
    device: Option<File>,
}

impl DeadMount {
    fn new() -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing: Option<&str> = None;
        mount(
            nothing,
            "/",
            nothing,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            nothing,
        )?;
        let device = File::options().read(true).write(true).open("/dev/fuse")?;
        let path = std::env::temp_dir().join(format!("sockexec-bench-{}-dead", std::process::id()));
        fs::create_dir(&path)?;
        let data = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        if let Err(error) = mount(Some("dead"), &path, Some("fuse"), flags, Some(&*data)) {
            fs::remove_dir(&path)?;
            return Err(error.into());
        }
        Ok(Self {
            path,
            device: Some(device),
        })
    }

    /// Ends the file system: waiting processes get an error.
    fn abort(&mut self) {
        self.device = None;
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        self.abort();
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.path);
    }
}

/// The rate beside programs that hang in their exec, against the rate without.
pub fn measure(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let [mut free, mut beside, mut ended] = <[Rounds; 3]>::default();
    for _ in 0..plan.rounds {
        let mut mounted = match DeadMount::new() {
            Ok(mounted) => mounted,
            Err(error) => {
                table.note(format!(
                    "SKIPPED: programs on a file system that hangs: {error}"
                ));
                return Ok(());
            }
        };
        let server = Server::start(&[])?;
        free.push(rate::run(&server, 8, plan.requests)?);
        let round = one_round(&server, &mounted.path, plan);
        mounted.abort();
        let (rate, milliseconds, hanging) = round?;
        beside.push(rate);
        ended.push(milliseconds);
        for conversation in hanging {
            expect_refusal(conversation).map_err(|e| server.explain(e))?;
        }
        server.stop()?;
    }
    let name = format!("8 clients beside {HANGING} hung execs");
    table.compare(&name, "/s", (&beside, &free), Wanted::AtLeast(RATE_LEAST));
    let name = format!("`cat` ends with its input beside {HANGING} hung execs");
    table.judge(&name, "ms", &ended, None, Wanted::AtMost(100.0));
    Ok(())
}

/// The rate, how long an end of input took to arrive, and the clients that still wait.
fn one_round(
    server: &Server,
    dead: &Path,
    plan: &Plan,
) -> io::Result<(f64, f64, Vec<Conversation>)> {
    // It runs before the others are started: what a child holds of the server's until its
    // exec is through must not keep this one's input open.
    let mut cat = Conversation::open(&server.path, &wire::head(&["cat"]))?;
    let mut ball = Vec::new();
    wire::put(&mut ball, b"ball");
    cat.send(&ball)?;
    cat.read_output(4)?;
    let program = dead.join("program");
    let request = wire::request(&[&program.to_string_lossy()]);
    let hanging = (0..HANGING)
        .map(|_| Conversation::open(&server.path, &request))
        .collect::<io::Result<Vec<_>>>()?;
    match rate::run(server, 8, plan.requests) {
        Ok(rate) => {
            let begin = Instant::now();
            cat.send(wire::END)?;
            let result = cat.finish(4);
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            match result {
                Err(error) if !is_timeout(&error) => Err(error),
                _ => Ok((rate, milliseconds, hanging)),
            }
        }
        // No client was served: that is a bad figure, not an error of the bench.
        Err(error) if is_timeout(&error) => Ok((0.0, f64::INFINITY, hanging)),
        Err(error) => Err(error),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// The reply to a program that could not be run: complete, and not a success.
fn expect_refusal(mut conversation: Conversation) -> io::Result<()> {
    while conversation.read_some(|_| ())? {}
    if conversation.reply.is_complete() && conversation.reply.demand_success(0).is_err() {
        return Ok(());
    }
    Err(io::Error::other(
        "a hung exec that was given up has no proper reply",
    ))
}
