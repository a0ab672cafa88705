//! A long story cut down to what matters: its beginning, what belongs to the fault, and what surrounds it.

use std::collections::BTreeSet;

use crate::timeline::Event;

/// What stands in a packet.
pub trait Numbered {
    /// The packet's number.
    fn packet(&self) -> u64;
}

impl Numbered for Event {
    fn packet(&self) -> u64 {
        self.packet.number
    }
}

impl Numbered for u64 {
    fn packet(&self) -> u64 {
        *self
    }
}

/// Which of the events, whose packet numbers are in rising order, to keep so that at most `limit` remain.
///
/// First come the events of the packets in `focus`, the fault's packet first; then the first event of all; then the
/// neighbours of the fault, near ones before far ones. The indices come back in rising order.
#[must_use]
pub fn excerpt(events: &[impl Numbered], focus: &[u64], limit: usize) -> Vec<usize> {
    if events.len() <= limit {
        return (0..events.len()).collect();
    }
    let fault = focus.first().map_or(0, |&packet| events.partition_point(|event| event.packet() < packet));
    let own = focus.iter().flat_map(|&packet| {
        let start = events.partition_point(|event| event.packet() < packet);
        start..events.partition_point(|event| event.packet() <= packet)
    });
    let around = (0..=limit).flat_map(|distance| [fault.checked_add(distance), fault.checked_sub(distance)]).flatten();
    let mut kept = BTreeSet::new();
    for index in own.chain([0]).chain(around).filter(|&index| index < events.len()) {
        if kept.len() == limit {
            break;
        }
        kept.insert(index);
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_story_stays_whole() {
        assert_eq!(excerpt(&[1_u64, 2, 3], &[2], 3), [0, 1, 2]);
        assert_eq!(excerpt(&[0_u64; 0], &[2], 3), [0; 0]);
    }

    #[test]
    fn a_long_one_keeps_its_beginning_the_focus_and_the_fault_s_neighbours() {
        let packets: Vec<u64> = (1..=100).collect();
        assert_eq!(excerpt(&packets, &[50, 10], 6), [0, 9, 48, 49, 50, 51]);
    }

    #[test]
    fn several_events_of_one_packet_stay_together() {
        assert_eq!(excerpt(&[1_u64, 2, 7, 7, 7, 8, 9], &[7], 4), [0, 2, 3, 4]);
    }

    #[test]
    fn a_fault_outside_of_the_story_takes_the_nearest_events() {
        let packets: Vec<u64> = (1..=100).collect();
        assert_eq!(excerpt(&packets, &[500], 3), [0, 98, 99]);
        assert_eq!(excerpt(&packets, &[], 3), [0, 1, 2]);
        assert_eq!(excerpt(&packets, &[50], 0), [0; 0]);
    }
}
