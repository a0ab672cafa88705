//! What the machine has.

use std::fs;

use crate::tcp::MaxMemory;

/// What an analysis may take of this machine without being told: the default, or a quarter of the memory that there
/// is, where the system tells and that is less.
pub(super) fn share() -> MaxMemory {
    let MaxMemory(usual) = MaxMemory::default();
    let total = fs::read_to_string(MEMORY).ok().and_then(|text| total(&text));
    MaxMemory(total.map_or(usual, |total| usual.min(total / 4)))
}

/// Where Linux tells (proc_meminfo(5)).
const MEMORY: &str = "/proc/meminfo";

/// `MemTotal:       24684532 kB`
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_machines_memory_is_read_as_linux_tells_it() {
        assert_eq!(total("MemTotal:       24684532 kB\nMemFree: 1 kB\n"), Some(24_684_532 * 1024));
        for wrong in ["", "MemFree: 1 kB", "MemTotal: 0 kB", "MemTotal: much", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(total(wrong), None, "{wrong}");
        }
    }
}
