//! Whether a number from the kernel identifies a user or a group.
//!
//! In a user namespace (user_namespaces(7)) the kernel shows each user that is not mapped there
//! as one number, the overflow uid, 65534, which is that of `nobody` too. So that number
//! identifies no user there.

use std::fs;
use std::sync::OnceLock;

/// The kernel's own overflow uid and gid.
const OVERFLOW: u32 = 65534;

/// The count of numbers: the last one, -1, means none.
const ALL: u64 = u32::MAX as u64;

/// Whether a number from the kernel is a user's.
pub fn is_user(uid: u32) -> bool {
    static AMBIGUOUS: OnceLock<Option<u32>> = OnceLock::new();
    *AMBIGUOUS.get_or_init(|| ambiguous("uid_map", "overflowuid")) != Some(uid)
}

/// Whether a number from the kernel is a group's.
pub fn is_group(gid: u32) -> bool {
    static AMBIGUOUS: OnceLock<Option<u32>> = OnceLock::new();
    *AMBIGUOUS.get_or_init(|| ambiguous("gid_map", "overflowgid")) != Some(gid)
}

/// The ambiguous number, if there is one. The map of a process does not change once it has
/// one.
fn ambiguous(map: &str, overflow: &str) -> Option<u32> {
    let map = fs::read_to_string(format!("/proc/self/{map}"));
    // Without a map the number is ambiguous.
    if map.is_ok_and(|map| is_whole(&map)) {
        return None;
    }
    let overflow = fs::read_to_string(format!("/proc/sys/kernel/{overflow}"));
    let number = overflow.ok().and_then(|text| text.trim().parse().ok());
    Some(number.unwrap_or(OVERFLOW))
}

/// Whether a map covers every number: three columns a line, the last is the count.
fn is_whole(map: &str) -> bool {
    let counts = map.lines().map(|line| {
        let count = line.split_whitespace().nth(2);
        count.and_then(|count| count.parse::<u64>().ok())
    });
    // Ranges do not overlap, so their sizes add up.
    counts.sum::<Option<u64>>().is_some_and(|sum| sum >= ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_maps_and_others() {
        for (map, whole) in [
            ("         0          0 4294967295\n", true),
            ("0 0 1000\n1000 5000 4294966295\n", true),
            ("0 1000 1\n", false),
            ("0 100000 65536\n", false),
            ("0 0 4294967294\n", false),
            ("", false),
            ("0 0\n", false),
            ("0 0 x\n", false),
        ] {
            assert_eq!(is_whole(map), whole, "{map:?}");
        }
    }
}
