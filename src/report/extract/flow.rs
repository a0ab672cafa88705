//! One connection of which packets are chosen: all of a short one; of a long one its beginning, and what surrounds
//! the packets that matter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::clear::{Clear, Place, Visible};
use crate::timeline::{Endpoint, Peer, Timeline};
use crate::wire::Segment;

/// A connection while its packets go by.
pub(super) struct Flow {
    first: u64,
    last: u64,
    /// Packets from its beginning on that are taken.
    opening: u64,
    focus: BTreeSet<u64>,
    seen: u64,
    /// Packets that are still taken because of the one in focus before them.
    after: usize,
    /// The latest packets that were not taken.
    recent: VecDeque<(u64, Option<Place>)>,
    edge: Endpoint,
    /// What may be seen of payloads; none where that is nothing.
    clear: Option<Clear>,
    /// Where the payloads of those packets belong that were taken.
    places: BTreeMap<u64, Place>,
}

impl Flow {
    /// The connection of `line`, where the packets of `focus` matter.
    pub(super) fn new(line: &Timeline, focus: &[u64]) -> Self {
        let packets = line.direction[Peer::Edge].packets.saturating_add(line.direction[Peer::Origin].packets);
        Self {
            first: line.first.number,
            last: line.last.number,
            opening: if packets <= WHOLE { u64::MAX } else { OPENING },
            focus: focus.iter().copied().collect(),
            seen: 0,
            after: 0,
            recent: VecDeque::new(),
            edge: line.endpoint[Peer::Edge],
            clear: shows_payload(line).then(Clear::new),
            places: BTreeMap::new(),
        }
    }

    /// True for a packet within the life of the connection: its addresses and ports may be used again.
    pub(super) fn holds(&self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// True for its last packet.
    pub(super) fn ends_with(&self, number: u64) -> bool {
        number == self.last
    }

    /// More packets that matter.
    pub(super) fn add(&mut self, focus: &[u64]) {
        self.focus.extend(focus);
    }

    /// The next packet of the connection; `taken` gets it, and those before it that belong to it.
    pub(super) fn packet(&mut self, number: u64, segment: &Segment<'_>, taken: &mut BTreeSet<u64>) {
        let is_edge = self.edge == Endpoint { address: segment.ip.source, port: segment.source_port };
        let from = if is_edge { Peer::Edge } else { Peer::Origin };
        let place = self.clear.as_mut().and_then(|clear| clear.packet(number, from, segment));
        self.seen = self.seen.saturating_add(1);
        if self.focus.contains(&number) {
            for (number, place) in self.recent.drain(..) {
                taken.insert(number);
                self.places.extend(place.map(|place| (number, place)));
            }
            self.after = AROUND + 1;
        }
        if self.seen <= self.opening || self.after > 0 {
            self.after = self.after.saturating_sub(1);
            taken.insert(number);
            self.places.extend(place.map(|place| (number, place)));
            return;
        }
        if self.recent.len() == AROUND {
            self.recent.pop_front();
        }
        self.recent.push_back((number, place));
    }

    /// Once its packets went by: what may be seen of the payloads of those that were taken.
    pub(super) fn finish(self) -> impl Iterator<Item = (u64, Visible)> {
        self.clear.map(|clear| clear.finish(self.places)).into_iter().flatten()
    }
}

/// False where secrets could not be told from the rest: HTTP/2 in clear text, of which the beginning may be missing,
/// and TLS that does not encrypt.
fn shows_payload(line: &Timeline) -> bool {
    match &line.tls {
        None => line.h2.is_none(),
        Some(tls) => tls.server_hello.as_ref().is_none_or(|hello| !NOT_ENCRYPTED.contains(&hello.cipher)),
    }
}

/// Cipher suites without encryption (IANA's registry of TLS cipher suites).
const NOT_ENCRYPTED: &[u16] = &[
    0x0000, 0x0001, 0x0002, 0x002c, 0x002d, 0x002e, 0x003b, 0x00b0, 0x00b1, 0x00b4, 0x00b5, 0x00b8, 0x00b9, 0xc001,
    0xc006, 0xc00b, 0xc010, 0xc015, 0xc039, 0xc03a, 0xc03b, 0xc0b4, 0xc0b5,
];

/// A connection of so many packets is taken as a whole.
const WHOLE: u64 = 1_000;

/// First packets of a longer one: both handshakes.
const OPENING: u64 = 30;

/// Packets of a longer one on either side of one that matters.
const AROUND: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::clear;
    use super::*;
    use crate::report::sample;

    /// The packets taken of a connection that has every second packet of the capture, from packet 2 on.
    fn taken(packets: u64, focus: &[u64]) -> BTreeSet<u64> {
        let incident = sample::keepalive_race();
        let mut line = (*incident.timeline).clone();
        line.first.number = 2;
        line.last.number = 2 * packets;
        line.direction.edge.packets = packets / 2;
        line.direction.origin.packets = packets - packets / 2;
        let mut flow = Flow::new(&line, focus);
        let segment = clear::tests::segment(1, 16, b"");
        let mut taken = BTreeSet::new();
        for number in (1..=packets).map(|nth| 2 * nth) {
            flow.packet(number, &segment, &mut taken);
        }
        taken
    }

    #[test]
    fn a_short_connection_is_taken_as_a_whole() {
        assert_eq!(taken(WHOLE, &[4]).len() as u64, WHOLE);
    }

    #[test]
    fn of_a_long_one_its_beginning_and_the_neighbours_of_what_matters_are_taken() {
        let taken = taken(100_000, &[2, 50_000]);
        let beginning = 2..=2 * (AROUND as u64 + 1);
        let fault = 50_000 - 2 * AROUND as u64..=50_000 + 2 * AROUND as u64;
        let wanted: BTreeSet<u64> = beginning.chain(fault).filter(|number| number.is_multiple_of(2)).collect();
        assert_eq!(taken, wanted);
    }

    #[test]
    fn neighbours_that_overlap_are_taken_once() {
        let near = 50_000 + 2 * AROUND as u64;
        assert_eq!(taken(100_000, &[50_000, near]).len() as u64, OPENING + 3 * AROUND as u64 + 1);
    }

    #[test]
    fn another_connection_with_the_same_ports_is_not_taken() {
        let flow = Flow::new(&sample::keepalive_race().timeline, &[]);
        assert!(flow.holds(114) && flow.holds(123));
        assert!(!flow.holds(113) && !flow.holds(124));
    }
}
