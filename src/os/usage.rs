//! The resources in use by this process, from /proc.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{UsageWho, getrusage};

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
