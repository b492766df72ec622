//! Round trips through one running `cat`, alone and while others spawn.
//!
//! The second shows from outside how long a spawn blocks the server's loop: a byte that
//! arrives meanwhile has to wait. The floor is the same on a machine that is as busy: a
//! bare relay beside a bare loop of spawns.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::floor::{self, Relay, Until};
use crate::load::Load;
use crate::report::{Rounds, Table, Wanted, quantile};
use crate::server::Server;
use crate::spawn::{Primitive, Program};
use crate::wire::{self, Conversation};
use crate::{Plan, TRUE};

/// The bytes of one way.
const BALL: [u8; 64] = [b'x'; 64];

/// Round trips while nothing else happens.
pub fn quiet(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let server = Server::start(&[])?;
    let [mut ours, mut bare] = <[Rounds; 2]>::default();
    for _ in 0..plan.rounds {
        bare.push(quantile(&mut through_relay(plan.trips)?, 0.5));
        let mut samples = through(&server, plan.trips).map_err(|e| server.explain(e))?;
        ours.push(quantile(&mut samples, 0.5));
    }
    let name = "64 bytes through `cat` and back, p50";
    table.compare(name, "us", (&ours, &bare), Wanted::AtMost(1.5));
    server.stop()
}

/// Round trips while eight clients have programs started all the time.
pub fn beside_spawns(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let server = Server::start(&[])?;
    let trips = plan.trips / 4;
    let [mut ours_50, mut ours_99, mut bare_50, mut bare_99] = <[Rounds; 4]>::default();
    for _ in 0..plan.rounds {
        let mut samples = beside(
            |until| {
                let program = Program::new(&[TRUE])?;
                floor::in_flight(Primitive::PosixSpawn, &program, 2, until).map(drop)
            },
            || through_relay(trips),
        )?;
        bare_50.push(quantile(&mut samples, 0.5));
        bare_99.push(quantile(&mut samples, 0.99));
        let load = Load {
            path: &server.path,
            words: &[TRUE],
            clients: 8,
        };
        let mut samples = beside(
            |until| load.run(until).map(drop),
            || through(&server, trips),
        )
        .map_err(|e| server.explain(e))?;
        ours_50.push(quantile(&mut samples, 0.5));
        ours_99.push(quantile(&mut samples, 0.99));
    }
    for (name, ours, bare) in [("p50", ours_50, bare_50), ("p99", ours_99, bare_99)] {
        let name = format!("the same while 8 clients spawn, {name}");
        table.compare(&name, "us", (&ours, &bare), Wanted::Anything);
    }
    server.stop()
}

/// Does `work` while `noise` runs on another thread.
fn beside<T>(
    noise: impl FnOnce(Until<'_>) -> io::Result<()> + Send,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let thread = scope.spawn(|| noise(Until::Told(&stop)));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        thread
            .join()
            .map_err(|_| io::Error::other("the noisy thread panicked"))??;
        done
    })
}

fn through(server: &Server, trips: usize) -> io::Result<Vec<Duration>> {
    let mut conversation = Conversation::open(&server.path, &wire::head(&["cat"]))?;
    let mut ball = Vec::new();
    wire::put(&mut ball, &BALL);
    let mut sum = 0;
    let samples = play(trips, || {
        conversation.send(&ball)?;
        sum += BALL.len() as u64;
        conversation.read_output(sum)
    })?;
    conversation.send(wire::END)?;
    conversation.finish(sum)?;
    Ok(samples)
}

fn through_relay(trips: usize) -> io::Result<Vec<Duration>> {
    let relay = Relay::start()?;
    let mut socket: &UnixStream = &relay.socket;
    let mut buffer = [0; BALL.len()];
    let samples = play(trips, || {
        socket.write_all(&BALL)?;
        socket.read_exact(&mut buffer)
    })?;
    relay.finish()?;
    Ok(samples)
}

/// Times each trip, but for the first few: they include the start of the program.
fn play(trips: usize, mut trip: impl FnMut() -> io::Result<()>) -> io::Result<Vec<Duration>> {
    for _ in 0..trips / 20 + 1 {
        trip()?;
    }
    (0..trips)
        .map(|_| {
            let begin = Instant::now();
            trip()?;
            Ok(begin.elapsed())
        })
        .collect()
}
