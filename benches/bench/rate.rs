//! `/bin/true`: the cost of a request, alone and among others.

use std::io;

use crate::floor::{self, Until};
use crate::load::{self, Load};
use crate::procfs;
use crate::report::{Rounds, Table, Wanted, quantile};
use crate::server::Server;
use crate::spawn::{Primitive, Program};
use crate::{Plan, TRUE};

/// How many programs the bare loop keeps in flight: one for each of two processors.
const IN_FLIGHT: usize = 2;

/// The rounds of each bare way, by its place in [`Primitive::ALL`].
type PerPrimitive = [Rounds; Primitive::ALL.len()];

/// One client: the time of a request beside the time of a bare spawn.
pub fn latency(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let server = Server::start(&[])?;
    let program = Program::new(&[TRUE])?;
    let count = plan.requests / 3;
    let mut bare = PerPrimitive::default();
    let mut ours = Rounds::default();
    for _ in 0..plan.rounds {
        for (how, rounds) in Primitive::ALL.into_iter().zip(&mut bare) {
            let mut samples = floor::one_by_one(how, &program, count)?;
            rounds.push(quantile(&mut samples, 0.5));
        }
        let mut samples =
            load::one_by_one(&server.path, &[TRUE], count).map_err(|e| server.explain(e))?;
        ours.push(quantile(&mut samples, 0.5));
    }
    let (how, floor) = best(&bare, |a, b| a < b);
    table.compare(
        "/bin/true, 1 client, p50",
        "us",
        (&ours, floor),
        Wanted::AtMost(1.15),
    );
    table.note(format!(
        "bare, one after the other: {} is the fastest",
        how.name()
    ));
    server.stop()
}

/// Eight and 64 clients: requests a second beside bare spawns a second, and the server's
/// own processor time.
pub fn throughput(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let server = Server::start(&["-q", "4096"])?;
    let program = Program::new(&[TRUE])?;
    let mut bare = PerPrimitive::default();
    let mut parent = PerPrimitive::default();
    let [mut ours_8, mut ours_64, mut processor] = <[Rounds; 3]>::default();
    for _ in 0..plan.rounds {
        for (i, how) in Primitive::ALL.into_iter().enumerate() {
            let until = Until::Count(plan.requests);
            let burst = floor::in_flight(how, &program, IN_FLIGHT, until)?;
            bare[i].push(burst.rate);
            parent[i].push(burst.processor);
        }
        let before = procfs::processor_time(server.pid())?;
        ours_8.push(run(&server, 8, plan.requests)?);
        let spent = procfs::processor_time(server.pid())? - before;
        processor.push(spent.as_secs_f64() * 1e6 / plan.requests as f64);
        ours_64.push(run(&server, 64, plan.requests)?);
    }
    let (how, floor) = best(&bare, |a, b| a > b);
    let (_, parent) = best(&parent, |a, b| a < b);
    table.compare(
        "/bin/true, 8 clients",
        "/s",
        (&ours_8, floor),
        Wanted::AtLeast(0.90),
    );
    table.compare(
        "/bin/true, 64 clients",
        "/s",
        (&ours_64, floor),
        Wanted::AtLeast(0.90),
    );
    table.judge(
        "server's own CPU a request, 8 clients",
        "us",
        &processor,
        Some(parent),
        Wanted::AtMost(60.0),
    );
    table.note(format!(
        "bare, two in flight: {} is the fastest",
        how.name()
    ));
    server.stop()
}

/// The rate of this number of clients.
pub fn run(server: &Server, clients: usize, requests: usize) -> io::Result<f64> {
    let load = Load {
        path: &server.path,
        words: &[TRUE],
        clients,
    };
    load.run(Until::Count(requests))
        .map_err(|e| server.explain(e))
}

fn best(all: &PerPrimitive, is_better: fn(f64, f64) -> bool) -> (Primitive, &Rounds) {
    let mut best = (Primitive::ALL[0], &all[0]);
    for (how, rounds) in Primitive::ALL.into_iter().zip(all) {
        if is_better(rounds.median(), best.1.median()) {
            best = (how, rounds);
        }
    }
    best
}
