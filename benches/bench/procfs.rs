//! The kernel's data about a process: memory, processor time, wake-ups, children and
//! descriptors.
//!
//! Reading these files does not wake the process.

use std::time::Duration;
use std::{fs, io};

/// The memory that is really there, in KiB. Unlike `VmRSS`, which the kernel sums up from
/// counters that lag behind, this is counted page by page.
pub fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    number_after(&text, "Rss:")
}

/// Processor time of all threads that there are, exact to the nanosecond.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let of_each = for_tasks(pid, "schedstat", first_time)?;
    Ok(of_each.into_iter().sum())
}

/// Processor time of the thread that asks.
pub fn processor_time_here() -> io::Result<Duration> {
    first_time(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// How often a thread of the process went to sleep, and so was woken.
pub fn wakeups(pid: u32) -> io::Result<u64> {
    let of_each = for_tasks(pid, "status", |text| {
        number_after(text, "voluntary_ctxt_switches:")
    })?;
    Ok(of_each.into_iter().sum())
}

/// How many children the process has, zombies among them.
pub fn children(pid: u32) -> io::Result<usize> {
    let of_each = for_tasks(pid, "children", |text| Ok(text.split_whitespace().count()))?;
    Ok(of_each.into_iter().sum())
}

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Reads a file of each thread. Threads that end meanwhile are left out.
fn for_tasks<T>(
    pid: u32,
    file: &str,
    mut read: impl FnMut(&str) -> io::Result<T>,
) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        if let Ok(text) = fs::read_to_string(task?.path().join(file)) {
            all.push(read(&text)?);
        }
    }
    if all.is_empty() {
        return Err(io::Error::other(format!(
            "no {file} of process {pid} can be read"
        )));
    }
    Ok(all)
}

fn first_time(text: &str) -> io::Result<Duration> {
    let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::other("no time in schedstat"))
}

fn number_after(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| io::Error::other(format!("no {name} in /proc")))
}
