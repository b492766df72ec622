//! The resources in use by this process, from /proc.

use std::fs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// What the process has used until now. `None`: the system does not report it.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, user and system, without that of children.
    pub processor_time: Option<Duration>,
    /// Bytes of virtual memory.
    pub virtual_memory: Option<u64>,
    /// When it started, in seconds since 1970.
    pub started: Option<f64>,
}

impl Usage {
    /// That of this process.
    pub fn now() -> Self {
        /// Determined once: with each reading of two clocks it would differ a little, which would
        /// look like a restart.
        static STARTED: OnceLock<Option<f64>> = OnceLock::new();
        let stat = Stat::read();
        Self {
            processor_time: processor_time(),
            virtual_memory: stat.map(|stat| stat.virtual_memory),
            started: *STARTED.get_or_init(|| started(stat?)),
        }
    }
}

fn processor_time() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let times = [usage.user_time(), usage.system_time()];
    let micros: i64 = times.iter().map(|time| time.num_microseconds()).sum();
    Some(Duration::from_micros(micros.try_into().ok()?))
}

/// What /proc/self/stat has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// When the process started, in ticks after the start of the system.
    started: u64,
    /// In bytes.
    virtual_memory: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn of(stat: &str) -> Option<Self> {
        // The name before may have blanks and parentheses in it.
        let (_, fields) = stat.rsplit_once(')')?;
        // The first of these is the third of proc(5).
        let mut fields = fields.split_ascii_whitespace().skip(22 - 3);
        Some(Self {
            started: fields.next()?.parse().ok()?,
            virtual_memory: fields.next()?.parse().ok()?,
        })
    }
}

/// The moment of its start, from three clocks, since /proc/stat, which has the moment of the
/// system's start, may be hidden.
fn started(stat: Stat) -> Option<f64> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok()??;
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let up = up.tv_sec() as f64 + up.tv_nsec() as f64 / 1e9;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let age = up - stat.started as f64 / ticks as f64;
    // As exact as the kernel's number is.
    Some(((now.as_secs_f64() - age) * 100.0).round() / 100.0)
}

/// Resident memory in bytes. `None` if /proc does not have it.
pub fn resident() -> Option<u64> {
    resident_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let field = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = field.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The peak of resident memory of a program, in bytes, from the one that wait4(2) reports. A child
/// has the server's memory until its exec, and the kernel counts that as the child's: so the
/// program's own is only known if it is more than the server's.
pub(super) fn peak_beyond_ours(reported: u64) -> Option<u64> {
    /// The server's own peak, when it was last read. It only grows.
    static OURS: AtomicU64 = AtomicU64::new(0);
    if reported > OURS.load(Ordering::Relaxed) {
        let ours = getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss();
        OURS.store(u64::try_from(ours).ok()? * 1024, Ordering::Relaxed);
    }
    (reported > OURS.load(Ordering::Relaxed)).then_some(reported)
}

/// The number of open descriptors. `None` if /proc does not have it.
pub fn descriptors() -> Option<u64> {
    // Since Linux 6.2 the directory's size is their number.
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => counted(),
        n => Some(n),
    }
}

fn counted() -> Option<u64> {
    let all = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One of them was the one that is read.
    all.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::process::Command;

    #[test]
    fn memory_grows_with_what_is_used() {
        let before = resident().unwrap();
        let piece = vec![1_u8; 64 << 20];
        let after = resident().unwrap();
        // Other tests give some back meanwhile.
        assert!(after > before + (32 << 20), "{before} {after}");
        drop(piece);
        assert_eq!(resident_of("VmHWM:\t 9 kB\nVmRSS:\t  12 kB\n"), Some(12288));
        for odd in ["", "VmRSS:\n", "VmRSS: 12 MB\n", "VmRSS: x kB\n"] {
            assert_eq!(resident_of(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn the_start_the_time_and_the_memory_are_those_of_this_process() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let usage = Usage::now();
        let age = now.as_secs_f64() - usage.started.unwrap();
        assert!((-0.1..3600.0).contains(&age), "{age}");
        assert!(usage.virtual_memory.unwrap() > resident().unwrap());
        let end = usage.processor_time.unwrap() + Duration::from_millis(20);
        let mut turns = 0_u64;
        while Usage::now().processor_time.unwrap() < end {
            turns += 1;
        }
        assert!(turns > 0 && Usage::now().started == usage.started);
    }

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 4096 0";
        let stat = Some(Stat {
            started: 777,
            virtual_memory: 4096,
        });
        for name in ["a", "a b", ") S 1 (", ""] {
            assert_eq!(Stat::of(&format!("7 ({name}) {tail}\n")), stat);
        }
        for odd in ["", "7 (a) S 1\n", "7 a S\n"] {
            assert_eq!(Stat::of(odd), None);
        }
    }

    #[test]
    fn a_peak_is_a_programs_only_if_it_is_more_than_ours() {
        assert_eq!(peak_beyond_ours(4096), None);
        assert_eq!(peak_beyond_ours(1 << 60), Some(1 << 60));
        assert_eq!(peak_beyond_ours(4096), None);
    }

    #[test]
    fn each_descriptor_counts() {
        // In a process of its own, in which no other test opens descriptors.
        const ALONE: &str = "SOCKEXEC_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "os::usage::tests::each_descriptor_counts";
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(ALONE, "1")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{text}"
            );
            return;
        }
        // As the server is: its own may be counted all the same.
        crate::os::memory::hide().unwrap();
        for count in [descriptors, counted] {
            let before = count().unwrap();
            let files: Vec<File> = (0..10).map(|_| File::open("/dev/null").unwrap()).collect();
            assert_eq!(count(), Some(before + 10));
            drop(files);
            assert_eq!(count(), Some(before));
        }
        assert_eq!(descriptors(), counted());
    }
}
