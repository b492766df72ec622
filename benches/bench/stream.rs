//! Much output and much input, beside a bare pipe.
//!
//! The programs are those that one has: `head -c` of zeroes, and `wc -c`. Beside them
//! stand the fastest writer and reader that there can be, this executable itself started
//! with a hidden option: they leave the processors to the server, and so show its copies.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::floor;
use crate::report::{Rounds, Table, Wanted};
use crate::server::Server;
use crate::wire::{self, Conversation};
use crate::{Plan, pattern, procfs};

/// The program behind a hidden option: writes this number of bytes of the pattern.
pub fn produce(bytes: u64) -> io::Result<()> {
    const PIECE: usize = 64 * 1024;
    let table = pattern::table(PIECE);
    let mut out = io::stdout().lock();
    let mut at = 0;
    while at < bytes {
        let piece = pattern::at(&table, at);
        let count = PIECE.min(usize::try_from(bytes - at).unwrap_or(PIECE));
        out.write_all(&piece[..count])?;
        at += count as u64;
    }
    out.flush()
}

/// What the other hidden option does: reads everything and prints how much that was.
pub fn count() -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut input = io::stdin().lock();
    let mut sum = 0;
    loop {
        match input.read(&mut buffer)? {
            0 => break,
            count => sum += count as u64,
        }
    }
    println!("{sum}");
    Ok(())
}

/// The words that start this executable with a hidden option.
pub fn own_words(option: &[&str]) -> io::Result<Vec<String>> {
    let executable = std::env::current_exe()?;
    let mut words = vec![executable.to_string_lossy().into_owned()];
    words.extend(option.iter().map(|word| (*word).to_owned()));
    Ok(words)
}

/// Much output.
pub fn output(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let bytes = plan.stream.to_string();
    let head = ["head", "-c", &bytes, "/dev/zero"].map(str::to_owned);
    let own = own_words(&["--produce", &bytes])?;
    let way = Way {
        ours: read_reply,
        floor: floor::read_pipe,
    };
    let size = size(plan.stream);
    way.measure(
        plan,
        &format!("{size} out of `head -c`"),
        &head,
        Wanted::AtLeast(0.85),
        table,
    )?;
    way.measure(
        plan,
        &format!("{size} out of the fastest writer"),
        &own,
        Wanted::Anything,
        table,
    )
}

/// Much input.
pub fn input(plan: &Plan, table: &mut Table) -> io::Result<()> {
    let wc = ["wc", "-c"].map(str::to_owned);
    let own = own_words(&["--count"])?;
    let way = Way {
        ours: write_request,
        floor: floor::write_pipe,
    };
    let size = size(plan.stream);
    way.measure(
        plan,
        &format!("{size} into `wc -c`"),
        &wc,
        Wanted::AtLeast(0.85),
        table,
    )?;
    way.measure(
        plan,
        &format!("{size} into the fastest reader"),
        &own,
        Wanted::Anything,
        table,
    )
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// One direction: through the server, and bare.
struct Way {
    ours: fn(&Server, &[&str], u64) -> io::Result<()>,
    floor: fn(&[String], u64) -> io::Result<Duration>,
}

impl Way {
    fn measure(
        &self,
        plan: &Plan,
        name: &str,
        words: &[String],
        wanted: Wanted,
        table: &mut Table,
    ) -> io::Result<()> {
        let server = Server::start(&[])?;
        let borrowed: Vec<_> = words.iter().map(String::as_str).collect();
        let [mut ours, mut bare, mut ours_spent, mut bare_spent] = <[Rounds; 4]>::default();
        let rate = |time: Duration| plan.stream as f64 / 1e6 / time.as_secs_f64();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / (plan.stream >> 20) as f64;
        for _ in 0..plan.rounds {
            let before = procfs::processor_time_here()?;
            bare.push(rate((self.floor)(words, plan.stream)?));
            bare_spent.push(each(procfs::processor_time_here()? - before));
            let before = procfs::processor_time(server.pid())?;
            let begin = Instant::now();
            (self.ours)(&server, &borrowed, plan.stream).map_err(|e| server.explain(e))?;
            ours.push(rate(begin.elapsed()));
            ours_spent.push(each(procfs::processor_time(server.pid())? - before));
        }
        table.compare(name, "MB/s", (&ours, &bare), wanted);
        let pair = (&ours_spent, &bare_spent);
        // A busy machine spoils the rate, and this much less.
        table.compare("  own CPU for each MiB", "us", pair, Wanted::Anything);
        server.stop()
    }
}

fn read_reply(server: &Server, words: &[&str], bytes: u64) -> io::Result<()> {
    Conversation::open(&server.path, &wire::request(words))?.finish(bytes)
}

fn write_request(server: &Server, words: &[&str], bytes: u64) -> io::Result<()> {
    let mut conversation = Conversation::open(&server.path, &wire::head(words))?;
    let chunk = vec![b'x'; 64 * 1024];
    let mut piece = Vec::new();
    wire::put(&mut piece, &chunk);
    for _ in 0..bytes / chunk.len() as u64 {
        conversation.send(&piece)?;
    }
    let rest = (bytes % chunk.len() as u64) as usize;
    if rest > 0 {
        let mut last = Vec::new();
        wire::put(&mut last, &chunk[..rest]);
        conversation.send(&last)?;
    }
    conversation.send(wire::END)?;
    let mut text = Vec::new();
    while conversation.read_some(|output| text.extend_from_slice(output))? {}
    conversation.reply.demand_success(text.len() as u64)?;
    let text = String::from_utf8_lossy(&text);
    if text.trim() != bytes.to_string() {
        return Err(io::Error::other(format!(
            "{bytes} bytes sent, {text:?} arrived"
        )));
    }
    Ok(())
}
