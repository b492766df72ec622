//! The cost of idle connections, and of an idle server.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Rounds, Table, Wanted};
use crate::server::{self, Server};
use crate::{PATIENCE, Plan, procfs, rate};

/// How many connections wait beside the loaded ones, first.
const SOME: usize = 900;

/// And then.
const MANY: usize = 10_000;

/// How many are opened between two looks whether the server still answers.
const STEP: usize = 500;

/// Connections of the load just ended may be under way when descriptors are counted.
const LINGERING: usize = 8;

/// After the last reply a connection may linger for a second, and a state be reported.
const AFTERMATH: Duration = Duration::from_millis(1500);

/// Idle connections: the rate beside them, and the memory of each.
pub fn connections(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let descriptors = server::raise_descriptors(MANY as u64 + 200)?;
    let limit = (MANY + 100).to_string();
    let server = Server::start(&["-m", &limit, "-q", "4096", "-t", "0"])?;
    let work = || rate::run(&server, 8, plan.requests / 2);
    // The memory that the load needs is there before the memory of the idle is counted.
    work()?;
    let [mut alone, mut beside_some, mut beside_many] = <[Rounds; 3]>::default();
    let [mut each_of_some, mut each_of_many] = <[Rounds; 2]>::default();
    let mut many = MANY;
    for round in 0..plan.rounds {
        alone.push(work()?);
        let open_before = procfs::descriptors(server.pid())?;
        let before = procfs::resident(server.pid())?;
        let mut held = Vec::with_capacity(MANY);
        open(&server, &mut held, SOME)?;
        if held.len() < SOME {
            let what = format!("only {} idle connections are accepted", held.len());
            return Err(server.explain(io::Error::other(what)));
        }
        let grown = |held: &Vec<UnixStream>| -> io::Result<f64> {
            let now = procfs::resident(server.pid())?;
            Ok(now.saturating_sub(before) as f64 / held.len() as f64)
        };
        // Later rounds find memory that the first has left, and would flatter.
        if round == 0 {
            each_of_some.push(grown(&held)?);
        }
        beside_some.push(work()?);
        open(&server, &mut held, many)?;
        many = held.len();
        if round == 0 {
            each_of_many.push(grown(&held)?);
        }
        beside_many.push(work()?);
        drop(held);
        wait_for_descriptors(&server, open_before + LINGERING)?;
    }
    if many < MANY {
        table.note(format!(
            "{many} idle connections instead of {MANY}: a process may have {descriptors} descriptors"
        ));
    }
    let name = format!("8 clients beside {SOME} idle, against none");
    table.compare(&name, "/s", (&beside_some, &alone), Wanted::AtLeast(0.95));
    let name = format!("8 clients beside {many} idle, against {SOME}");
    table.compare(
        &name,
        "/s",
        (&beside_many, &beside_some),
        Wanted::AtLeast(0.95),
    );
    for (count, each) in [(SOME, each_of_some), (many, each_of_many)] {
        let name = format!("memory of each of {count} idle");
        table.judge(&name, "KiB", &each, None, Wanted::AtMost(16.0));
    }
    server.stop()
}

/// Opens connections until there are `wanted`, or the server accepts no more.
fn open(server: &Server, held: &mut Vec<UnixStream>, wanted: usize) -> io::Result<()> {
    while held.len() < wanted {
        let sure = held.len();
        for _ in 0..STEP.min(wanted - sure) {
            match crate::wire::connect(&server.path) {
                Ok(socket) => held.push(socket),
                Err(error) if sure == 0 => return Err(server.explain(error)),
                Err(_) => break,
            }
        }
        if held.len() == sure || server.ask_for_true().is_err() {
            // These wait in the queue, and the unanswered request after them.
            held.truncate(sure);
            return Ok(());
        }
    }
    Ok(())
}

/// Waits until the server has noticed that the idle are gone: that is work, and the next
/// figure must not pay for it.
fn wait_for_descriptors(server: &Server, wanted: usize) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        let open = procfs::descriptors(server.pid())?;
        if open <= wanted {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            let what = format!("{open} descriptors are open instead of {wanted}");
            return Err(server.explain(io::Error::other(what)));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server that has nothing to do, after work.
pub fn rest(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let server = Server::start(&[])?;
    rate::run(&server, 8, plan.requests / 2)?;
    let memory = procfs::resident(server.pid())?;
    // Time is what is measured here: nothing is waited for. What follows the last reply is
    // work too, and over before the rest begins.
    thread::sleep(AFTERMATH);
    let before = procfs::wakeups(server.pid())?;
    thread::sleep(plan.rest);
    let count = procfs::wakeups(server.pid())? - before;
    let one = |value: f64| -> Rounds { [value].into_iter().collect() };
    let memory = one(memory as f64 / 1024.0);
    table.judge(
        "memory of an idle server",
        "MiB",
        &memory,
        None,
        Wanted::AtMost(6.0),
    );
    let name = format!("its wake-ups in {} s", plan.rest.as_secs());
    table.judge(&name, "", &one(count as f64), None, Wanted::AtMost(0.0));
    server.stop()
}
