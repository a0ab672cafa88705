//! When and where something was seen: packet times, packet numbers and stream offsets.

use std::fmt;

/// A point in time: nanoseconds since the Unix epoch, as the capture recorded it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// Nanoseconds from `earlier` to `self`; negative where the capture's clock went backwards.
    #[must_use]
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds from `earlier` to `self`.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.nanos_since(earlier) as f64 / 1e9
    }

    /// The day in UTC, as `2026-11-24`.
    #[must_use]
    pub fn date(self) -> String {
        let timestamp = jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        timestamp.strftime("%Y-%m-%d").to_string()
    }
}

/// One packet of the merged input: its number (from 1, as Wireshark counts) and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketRef {
    /// Number in the merged input, from 1.
    pub number: u64,
    /// Time of capture.
    pub time: Time,
}

impl PacketRef {
    /// Seconds from `earlier` to `self`.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.time.seconds_since(earlier.time)
    }
}

impl fmt::Display for PacketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// A byte of one direction's stream, and the packet that brought it.
///
/// Offsets count payload bytes from the first byte after the SYN (or from the first byte that the capture
/// holds, where the SYN is missing), whether or not TLS lies between: an offset can be compared with what
/// the other side acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// The packet that completed this byte's delivery in order.
    pub packet: PacketRef,
    /// Offset in the TCP stream of the sender.
    pub offset: u64,
}
