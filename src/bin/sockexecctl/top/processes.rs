//! What the kernel says in /proc about the processes of this machine.
//!
//! Reads files only. A process that has gone, or that must not be read, is not there.

use std::collections::BTreeMap;
use std::fs;

/// The kernel's figures about one process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// The session, which has the number of the process that made it.
    pub session: u32,
    /// Seconds of processor time, with those of the processes for which it has waited.
    pub cpu: f64,
    /// Bytes of resident memory.
    pub memory: u64,
}

/// The units of these figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Clock ticks in a second.
    pub ticks: u64,
    /// Bytes in a page.
    pub page: u64,
}

/// Keys in the auxiliary vector, which the kernel gives to each program at its start.
const AT_PAGESZ: u64 = 6;
const AT_CLKTCK: u64 = 17;

impl Units {
    /// The units of this system.
    pub fn read() -> Option<Self> {
        Self::parse(&fs::read("/proc/self/auxv").ok()?)
    }

    fn parse(vector: &[u8]) -> Option<Self> {
        let word = |bytes: &[u8]| usize::from_ne_bytes(bytes.try_into().unwrap_or_default()) as u64;
        let words = vector.chunks_exact(size_of::<usize>()).map(word);
        let words: Vec<_> = words.collect();
        let find = |key| {
            let mut pairs = words.chunks_exact(2);
            let pair = pairs.find(|pair| pair[0] == key)?;
            Some(pair[1]).filter(|&value| value > 0)
        };
        Some(Self {
            ticks: find(AT_CLKTCK)?,
            page: find(AT_PAGESZ)?,
        })
    }
}

/// All processes, by their sessions and by their numbers.
#[derive(Debug, Default)]
pub struct Processes {
    pub sessions: BTreeMap<u32, Vec<Process>>,
    pub all: BTreeMap<u32, Process>,
}

/// All processes.
pub fn read(units: Units) -> Processes {
    let mut processes = Processes::default();
    let Ok(directory) = fs::read_dir("/proc") else {
        return processes;
    };
    for entry in directory.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        let process = pid.and_then(|pid| {
            // The name of a program may have any bytes.
            let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
            parse(pid, &String::from_utf8_lossy(&stat), units)
        });
        if let Some(process) = process {
            let session = processes.sessions.entry(process.session);
            session.or_default().push(process);
            processes.all.insert(process.pid, process);
        }
    }
    processes
}

/// Reads a line of proc_pid_stat(5). The program's name may have brackets and blanks.
fn parse(pid: u32, stat: &str, units: Units) -> Option<Process> {
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // The manual counts from 1, and the first of these is its third.
    let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
    let unsigned = |number| u64::try_from(field(number)?).ok();
    let ticks = (14..=17).map(unsigned).sum::<Option<u64>>()?;
    Some(Process {
        pid,
        parent: field(4)?.try_into().ok()?,
        session: field(6)?.try_into().ok()?,
        cpu: ticks as f64 / units.ticks as f64,
        memory: unsigned(24)?.saturating_mul(units.page),
    })
}

/// The cgroup of a process in the hierarchy of version 2.
pub fn cgroup(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| Some(line.strip_prefix("0::")?.to_owned()))
}

/// Where that hierarchy is mounted.
pub fn hierarchy() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?;
        (fields.next()? == "cgroup2").then(|| place.to_owned())
    })
}

/// The processes in a cgroup, by their numbers.
pub fn members(directory: &str) -> Option<Vec<u32>> {
    let text = fs::read_to_string(format!("{directory}/cgroup.procs")).ok()?;
    text.lines().map(|line| line.parse().ok()).collect()
}

/// The processor time that has been used in a cgroup, in seconds, and its memory if it is counted.
pub fn used(directory: &str) -> Option<(f64, Option<u64>)> {
    let stat = fs::read_to_string(format!("{directory}/cpu.stat")).ok()?;
    let mut lines = stat.lines();
    let usage = lines.find_map(|line| line.strip_prefix("usage_usec ")?.parse::<u64>().ok())?;
    let memory = fs::read_to_string(format!("{directory}/memory.current")).ok();
    let memory = memory.and_then(|text| text.trim().parse().ok());
    Some((usage as f64 / 1e6, memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units {
        ticks: 100,
        page: 4096,
    };

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let rest =
            "S 10 42 42 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 777 8192 3 18446744073709551615";
        for name in ["sleep", "a) R 1 1 1 (b", "\u{fffd} \n"] {
            let process = parse(42, &format!("42 ({name}) {rest}"), UNITS);
            let wanted = Process {
                pid: 42,
                parent: 10,
                session: 42,
                cpu: 2.0,
                memory: 3 * 4096,
            };
            assert_eq!(process, Some(wanted), "{name}");
        }
        for broken in ["", "42 (sleep", "42 (sleep) S 1 2 3", "42 (x) S x x x"] {
            assert_eq!(parse(42, broken, UNITS), None);
        }
    }

    #[test]
    fn units_are_in_the_auxiliary_vector() {
        let words = [33_usize, 7, 17, 100, 6, 4096, 0, 0];
        let vector: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(Units::parse(&vector), Some(UNITS));
        assert_eq!(Units::parse(&vector[..32]), None);
        assert_eq!(Units::parse(&[]), None);
    }

    #[test]
    fn this_process_is_there_and_has_memory() {
        let processes = read(Units::read().unwrap());
        let own = processes.all[&std::process::id()];
        assert!(own.memory > 100_000, "{own:?}");
        assert!(processes.sessions[&own.session].contains(&own));
    }
}
