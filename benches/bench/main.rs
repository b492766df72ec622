//! `cargo bench --bench bench`: the cost of the server, beside the same work done bare.
//!
//! It starts the server that cargo has built on a socket of its own, and measures each
//! figure in turns with its floor: floor, server, floor, server, and so on, because a
//! machine drifts. All replies are checked to their last byte: a wrong one ends its group
//! of figures, and at the end the bench with status 1. A figure that is missed is only
//! printed: machines differ.
//!
//! # Layout
//!
//! What is measured: [`rate`], [`stream`], [`pingpong`], [`idle`], [`unread`], [`hang`].
//! With what: [`server`] starts it, [`wire`] and [`load`] are its clients, [`floor`] and
//! [`spawn`] do the same without it, [`procfs`] watches, [`report`] prints, [`pattern`]
//! is bytes that show a loss.

mod floor;
mod hang;
mod idle;
mod load;
mod pattern;
mod pingpong;
mod procfs;
mod rate;
mod report;
mod server;
mod spawn;
mod stream;
mod unread;
mod wire;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use report::Table;

/// After this time without any progress something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program that does least.
const TRUE: &str = "/bin/true";

/// Measures sockexec beside the bare work, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Fewer rounds and smaller sizes: a look whether all is well, in some seconds.
    #[arg(long)]
    quick: bool,
    /// Measure only the groups whose name contains this.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Cargo's argument for a bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be a program that writes this number of bytes.
    #[arg(long, hide = true, value_name = "BYTES")]
    produce: Option<u64>,
    /// Be a program that counts the bytes of its input.
    #[arg(long, hide = true)]
    count: bool,
}

/// How much of everything.
#[derive(Debug)]
struct Plan {
    /// How often each figure is measured beside its floor.
    rounds: usize,
    /// Requests in a round.
    requests: usize,
    /// Bytes of a stream.
    stream: u64,
    /// Bytes that are not read.
    unread: u64,
    /// Round trips in a round.
    trips: usize,
    /// How long a server is watched that has nothing to do.
    rest: Duration,
}

const FULL: Plan = Plan {
    rounds: 7,
    requests: 3000,
    stream: 1 << 30,
    unread: 256 << 20,
    trips: 10_000,
    rest: Duration::from_secs(3),
};

const QUICK: Plan = Plan {
    rounds: 3,
    requests: 300,
    stream: 64 << 20,
    unread: 64 << 20,
    trips: 1000,
    rest: Duration::from_secs(1),
};

type Measure = fn(&Plan, &mut Table) -> io::Result<()>;

const GROUPS: [(&str, Measure); 10] = [
    ("latency", rate::latency),
    ("throughput", rate::throughput),
    ("output", stream::output),
    ("input", stream::input),
    ("ping-pong", pingpong::quiet),
    ("beside-spawns", pingpong::beside_spawns),
    ("idle-connections", idle::connections),
    ("unread", unread::measure),
    ("rest", idle::rest),
    ("hang", hang::measure),
];

fn main() -> ExitCode {
    // `cargo test --all-targets` starts this too, with arguments that are not ours.
    if std::env::args().len() < 2 || !std::env::args().any(|word| is_ours(&word)) {
        println!("not measured: this is for `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let mut table = Table::default();
    let done = match arguments {
        Arguments {
            produce: Some(bytes),
            ..
        } => return status(stream::produce(bytes)),
        Arguments { count: true, .. } => return status(stream::count()),
        Arguments { quick, only, .. } => {
            let plan = if quick { QUICK } else { FULL };
            measure(&plan, only.as_deref().unwrap_or(""), &mut table)
        }
    };
    table.print();
    status(done)
}

fn is_ours(word: &str) -> bool {
    ["--bench", "--produce", "--count", "--help"].contains(&word)
}

fn measure(plan: &Plan, only: &str, table: &mut Table) -> io::Result<()> {
    floor::block_sigchld()?;
    let chosen: Vec<_> = GROUPS
        .iter()
        .filter(|(name, _)| name.contains(only))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = GROUPS.iter().map(|(name, _)| *name).collect();
        let what = format!("--only {only:?} names none of: {}", names.join(", "));
        return Err(io::Error::other(what));
    }
    table.note(machine()?);
    let mut failed = Vec::new();
    for (name, group) in chosen {
        if let Err(error) = group(plan, table) {
            eprintln!("bench: {name}: {error}");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "errors in: {}",
        failed.join(", ")
    )))
}

/// What is measured, and whether the machine is quiet enough for it.
fn machine() -> io::Result<String> {
    let processors = std::thread::available_parallelism()?;
    let averages = std::fs::read_to_string("/proc/loadavg")?;
    let load = averages.split_whitespace().next();
    let load: f64 = load.and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let verdict = if load > processors.get() as f64 / 2.0 {
        ": BUSY, a miss says little"
    } else {
        ""
    };
    let executable = server::executable();
    let path = executable.display();
    Ok(format!(
        "{path}; {processors} processors, load {load:.2} before{verdict}"
    ))
}

fn status(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
