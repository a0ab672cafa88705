//! One interface of a pcapng section: its link type, its names, its clock, its statistics.

use super::link_type::LinkType;
use super::order::Order;
use crate::timeline::Time;

/// What a capture says of an interface that it took packets from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDescription {
    /// What its packets begin with.
    pub link: LinkType,
    /// Bytes that are captured of a packet; 0 is no limit.
    pub snap_len: u32,
    /// Its name, such as `eth0` (pcapng only).
    pub name: Option<String>,
    /// What it is, in words (pcapng only).
    pub description: Option<String>,
}

/// What an Interface Description Block and the statistics blocks say of an interface.
pub(super) struct Interface {
    pub(super) described: InterfaceDescription,
    pub(super) clock: Clock,
    /// Packets dropped by the interface and by the operating system.
    pub(super) dropped: u64,
}

impl Interface {
    /// link type (2), reserved (2), snap length (4), options
    pub(super) fn new(order: Order, body: &[u8]) -> Option<Self> {
        let (link, _) = body.split_first_chunk::<2>()?;
        let [_, snap_len] = order.words(body)?;
        let link = LinkType(order.u16(*link));
        let mut described = InterfaceDescription { link, snap_len, name: None, description: None };
        let mut clock = Clock { unit: Unit::Nanoseconds(1_000), offset_s: 0 };
        for (code, value) in options(order, body.get(8..)?) {
            match (code, value) {
                (IF_NAME, value) => described.name = Some(name(value)),
                (IF_DESCRIPTION, value) => described.description = Some(name(value)),
                (IF_TSRESOL, &[resolution, ..]) => clock.unit = Unit::new(resolution),
                (IF_TSOFFSET, value) => {
                    clock.offset_s = value.first_chunk().map_or(0, |offset| order.u64(*offset).cast_signed());
                }
                _ => {}
            }
        }
        Some(Self { described, clock, dropped: 0 })
    }

    /// interface (4), time (8), options: the counters run on, the last block of an interface has the sum
    pub(super) fn statistics(&mut self, order: Order, body: &[u8]) {
        let mut dropped: u64 = 0;
        for (code, value) in options(order, body.get(12..).unwrap_or_default()) {
            if matches!(code, ISB_IFDROP | ISB_OSDROP) {
                dropped = dropped.saturating_add(value.first_chunk().map_or(0, |count| order.u64(*count)));
            }
        }
        // All ones is what some writers put for "not known".
        if dropped < u64::MAX {
            self.dropped = self.dropped.max(dropped);
        }
    }
}

/// How an interface counts time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    unit: Unit,
    /// Seconds to add (if_tsoffset).
    offset_s: i64,
}

impl Clock {
    /// The point in time at which the clock shows `ticks`.
    pub(super) fn time(self, ticks: u64) -> Time {
        let nanos = match self.unit {
            Unit::Nanoseconds(tick) => u128::from(ticks).saturating_mul(tick.into()),
            Unit::Fraction(divisor) => u128::from(ticks).checked_div(divisor).unwrap_or(0),
            Unit::Binary(shift) => u128::from(ticks).saturating_mul(1_000_000_000) >> shift,
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Time(nanos.saturating_add(self.offset_s.saturating_mul(1_000_000_000)))
    }
}

/// What one tick is worth (if_tsresol).
#[derive(Clone, Copy)]
enum Unit {
    /// So many nanoseconds.
    Nanoseconds(u32),
    /// This part of a nanosecond.
    Fraction(u128),
    /// 2 to the power of minus this many seconds.
    Binary(u8),
}

impl Unit {
    /// The most significant bit tells a negative power of 2 from one of 10.
    fn new(resolution: u8) -> Self {
        let power = resolution & 0x7f;
        if resolution & 0x80 != 0 {
            Self::Binary(power)
        } else if let Some(tick) = 9_u8.checked_sub(power) {
            Self::Nanoseconds(10_u32.pow(tick.into()))
        } else {
            Self::Fraction(10_u128.saturating_pow(u32::from(power).saturating_sub(9)))
        }
    }
}

/// code (2), length (2), value, padded to 4 bytes; until code 0
fn options(order: Order, mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[c0, c1, l0, l1], rest) = bytes.split_first_chunk()?;
        let len = usize::from(order.u16([l0, l1]));
        let value = rest.get(..len)?;
        bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        match order.u16([c0, c1]) {
            END_OF_OPTIONS => None,
            code => Some((code, value)),
        }
    })
}

/// A text of at most [`MAX_NAME_BYTES`].
fn name(value: &[u8]) -> String {
    String::from_utf8_lossy(value.get(..value.len().min(MAX_NAME_BYTES)).unwrap_or_default()).into_owned()
}

/// Bytes that are kept of an interface's name or description.
const MAX_NAME_BYTES: usize = 256;

const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

#[cfg(test)]
mod tests {
    use super::{Clock, Time, Unit};

    fn at(resolution: u8, ticks: u64) -> Time {
        Clock { unit: Unit::new(resolution), offset_s: 0 }.time(ticks)
    }

    #[test]
    fn decimal_and_binary_resolutions_become_nanoseconds() {
        assert_eq!(at(0, 3), Time(3_000_000_000));
        assert_eq!(at(6, 1_500_001), Time(1_500_001_000));
        assert_eq!(at(9, 17), Time(17));
        assert_eq!(at(12, 17_999), Time(17));
        assert_eq!(at(0x80 | 10, 1536), Time(1_500_000_000));
        assert_eq!(at(0x80 | 32, 1 << 31), Time(500_000_000));
    }

    #[test]
    fn the_offset_is_added_and_extremes_saturate() {
        let clock = Clock { unit: Unit::new(6), offset_s: -2 };
        assert_eq!(clock.time(1), Time(-1_999_999_000));
        assert_eq!(at(0, u64::MAX), Time(i64::MAX));
        assert_eq!(at(0x7f, u64::MAX), Time(0));
        assert_eq!(at(0xff, u64::MAX), Time(0));
    }
}
