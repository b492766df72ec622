//! The privileges of the server's own process.

use std::fs;

/// The capability to drop others from the bounding set.
const CAP_SETPCAP: u32 = 8;

/// The sets of capabilities of this process, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Capabilities {
    effective: u64,
    bounding: u64,
}

impl Capabilities {
    /// Those of this process; without /proc none.
    fn own() -> Self {
        Self::of(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    /// Those in the text of a file `/proc/PID/status`.
    fn of(status: &str) -> Self {
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        Self {
            effective: set("CapEff:").unwrap_or_default(),
            bounding: set("CapBnd:").unwrap_or_default(),
        }
    }

    fn droppable(self) -> u64 {
        match self.effective & (1 << CAP_SETPCAP) {
            0 => 0,
            _ => self.bounding,
        }
    }
}

/// The capabilities of the bounding set that this process is able to drop from it, as bits.
pub fn droppable() -> u64 {
    Capabilities::own().droppable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_dropped_is_known_from_the_status() {
        let status = |effective: &str| {
            Capabilities::of(&format!(
                "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t{effective}\nCapBnd:\t00000000000001e0\n"
            ))
        };
        assert_eq!(status("0000000000000100").droppable(), 0x1e0);
        assert_eq!(status("00000000000000ff").droppable(), 0);
        assert_eq!(Capabilities::of("").droppable(), 0);
    }
}
