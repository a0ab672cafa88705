//! Reassembly of IP datagrams from fragments (RFC 791 section 3.2, RFC 8200 section 4.5), in bounded memory.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::decoder::Reason;
use super::ip::Ip;
use super::view::View;
use super::walk::{Layer, Outcome, walk};
use crate::timeline::Time;

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) key: Key,
    pub(super) ip: Ip,
    /// What the datagram holds: the first fragment's counts.
    pub(super) protocol: u8,
    /// Where in the datagram it belongs, in bytes.
    pub(super) offset: usize,
    /// Others come behind it.
    pub(super) more: bool,
    pub(super) at: View<'a>,
}

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Source and destination.
    pub(super) ip: (IpAddr, IpAddr),
    pub(super) id: u32,
    /// Part of the key in IPv4 only: 44 in IPv6.
    pub(super) protocol: u8,
}

/// A datagram that was put together.
#[derive(Debug, Default)]
pub(super) struct Whole {
    ip: Ip,
    protocol: u8,
    bytes: Vec<u8>,
    wire: usize,
}

impl Whole {
    /// Walks on where the fragments began.
    pub(super) fn walk(&self) -> Result<Outcome<'_>, Reason> {
        walk(Layer::Payload(self.ip, self.protocol), View::new(&self.bytes, self.wire))
    }
}

/// Datagrams of which fragments are missing, oldest first.
#[derive(Default)]
pub(super) struct Reassembler {
    open: VecDeque<Datagram>,
    /// Bytes that are kept in all of them.
    kept: usize,
}

impl Reassembler {
    /// Takes a fragment; gives the datagram that it completes. Where fragments overlap, the first seen counts.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>, time: Time) -> Option<Whole> {
        self.expire(time);
        let end = fragment.offset.saturating_add(fragment.at.wire);
        let uneven = fragment.more && !fragment.at.wire.is_multiple_of(8);
        if fragment.at.wire == 0 || end > MAX_DATAGRAM_BYTES || uneven {
            return None;
        }
        let index = self.open.iter().position(|datagram| datagram.key == fragment.key).unwrap_or_else(|| {
            let index = self.open.len();
            self.open.push_back(Datagram { key: fragment.key, first: time, head: None, end: None, pieces: Vec::new() });
            index
        });
        let datagram = self.open.get_mut(index)?;
        if datagram.pieces.len() >= MAX_FRAGMENTS {
            self.give_up(index);
            return None;
        }
        self.kept = self.kept.saturating_add(fragment.at.bytes.len());
        datagram.add(fragment, end);
        let whole = datagram.whole();
        if whole.is_some() {
            self.give_up(index);
        }
        while self.open.len() > MAX_DATAGRAMS || self.kept > MAX_KEPT_BYTES {
            self.give_up(0);
        }
        whole
    }

    fn expire(&mut self, now: Time) {
        while self.open.front().is_some_and(|oldest| now.nanos_since(oldest.first) > TIMEOUT_NS) {
            self.give_up(0);
        }
    }

    fn give_up(&mut self, index: usize) {
        if let Some(datagram) = self.open.remove(index) {
            let given_up: usize = datagram.pieces.iter().map(|piece| piece.bytes.len()).sum();
            self.kept = self.kept.saturating_sub(given_up);
        }
    }
}

struct Datagram {
    key: Key,
    /// Time of the first fragment that came.
    first: Time,
    /// IP header and protocol of the fragment at offset 0.
    head: Option<(Ip, u8)>,
    /// Length of the datagram, once its last fragment came.
    end: Option<usize>,
    /// In the order in which they came.
    pieces: Vec<Piece>,
}

/// What was captured of a fragment, and where it ends on the wire.
struct Piece {
    offset: usize,
    end: usize,
    bytes: Vec<u8>,
}

impl Datagram {
    fn add(&mut self, fragment: &Fragment<'_>, end: usize) {
        if fragment.offset == 0 {
            self.head = self.head.or(Some((fragment.ip, fragment.protocol)));
        }
        if !fragment.more {
            self.end = self.end.or(Some(end));
        }
        self.pieces.push(Piece { offset: fragment.offset, end, bytes: fragment.at.bytes.to_vec() });
    }

    /// The datagram, where no fragment is missing.
    fn whole(&self) -> Option<Whole> {
        let (end, (ip, protocol)) = (self.end?, self.head?);
        if covered(self.pieces.iter().map(|piece| (piece.offset, piece.end))) < end {
            return None;
        }
        let captured =
            covered(self.pieces.iter().map(|piece| (piece.offset, piece.offset.saturating_add(piece.bytes.len()))));
        let mut bytes = vec![0; captured.min(end)];
        for piece in self.pieces.iter().rev() {
            let target = bytes.get_mut(piece.offset..).unwrap_or_default();
            target.iter_mut().zip(&piece.bytes).for_each(|(to, from)| *to = *from);
        }
        Some(Whole { ip, protocol, bytes, wire: end })
    }
}

/// How far the ranges reach from 0 without a hole.
fn covered(ranges: impl Iterator<Item = (usize, usize)>) -> usize {
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges.into_iter().fold(0, |reach, (start, end)| if start <= reach { reach.max(end) } else { reach })
}

/// The longest datagram that IP can put together.
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// Fragments of one datagram: a path with an MTU of 576 makes 119 of the longest.
const MAX_FRAGMENTS: usize = 128;
/// Incomplete datagrams at one time; beyond it the oldest is given up.
const MAX_DATAGRAMS: usize = 256;
/// Bytes of all of them; beyond it the oldest is given up.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;
/// An incomplete datagram is given up after this time, as Linux does: 30 s.
const TIMEOUT_NS: i64 = 30_000_000_000;

#[cfg(test)]
mod tests {
    use super::super::testing::{ethernet, packet, tcp4, tcp6, udp4};
    use super::super::{Decoded, Decoder, Reason};
    use super::{MAX_DATAGRAMS, MAX_KEPT_BYTES};
    use crate::capture::{LinkType, Packet};
    use crate::timeline::Time;

    /// The part of an IPv4 packet's payload from `offset` on, `len` bytes, as a fragment with this id.
    fn part(whole: &[u8], id: u16, offset: usize, len: usize) -> Vec<u8> {
        let payload = &whole[20..];
        let end = (offset + len).min(payload.len());
        let more = if end < payload.len() { 0x2000 } else { 0 };
        let mut bytes = [&whole[..20], &payload[offset..end]].concat();
        bytes[2..4].copy_from_slice(&((20 + end - offset) as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&id.to_be_bytes());
        bytes[6..8].copy_from_slice(&(more | (offset / 8) as u16).to_be_bytes());
        bytes
    }

    /// The payload of the segment that comes out when the packet goes in.
    fn give(decoder: &mut Decoder, bytes: &[u8]) -> Result<(Vec<u8>, u32), Reason> {
        give_packet(decoder, &packet(LinkType::RAW, bytes))
    }

    fn give_packet(decoder: &mut Decoder, packet: &Packet<'_>) -> Result<(Vec<u8>, u32), Reason> {
        match decoder.decode(packet) {
            Decoded::Tcp(segment) => Ok((segment.payload.to_vec(), segment.payload_len)),
            Decoded::Icmp(error) => panic!("an ICMP error: {error:?}"),
            Decoded::Other(reason) => Err(reason),
        }
    }

    fn text() -> Vec<u8> {
        (0..100).collect()
    }

    #[test]
    fn fragments_in_any_order_make_the_datagram() {
        let whole = tcp4(&text());
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut decoder = Decoder::new();
            let mut results = order.map(|index| give(&mut decoder, &part(&whole, 9, index * 48, 48)));
            assert_eq!(results[2], Ok((text(), 100)));
            results[..2].iter_mut().for_each(|result| assert_eq!(*result, Err(Reason::Fragment)));
        }
    }

    #[test]
    fn ipv6_fragments_make_the_datagram() {
        let whole = tcp6(&text());
        let part = |offset: usize, end: usize, more: u8| {
            let mut bytes = [&whole[..40], &[6, 0, 0, offset as u8 | more, 0, 0, 0, 9], &whole[40 + offset..40 + end]];
            let len = ((8 + end - offset) as u16).to_be_bytes();
            let head = [&whole[..4], &len, &[44], &whole[7..40]].concat();
            bytes[0] = &head;
            bytes.concat()
        };
        let mut decoder = Decoder::new();
        assert_eq!(give(&mut decoder, &part(64, 120, 0)), Err(Reason::Fragment));
        assert_eq!(give(&mut decoder, &part(0, 64, 1)), Ok((text(), 100)));
    }

    #[test]
    fn the_first_seen_wins_where_fragments_overlap() {
        let whole = tcp4(&text());
        let forged = tcp4(&[0xff; 100]);
        let mut decoder = Decoder::new();
        let _ = give(&mut decoder, &part(&whole, 9, 0, 64));
        let _ = give(&mut decoder, &part(&forged, 9, 24, 64));
        let (payload, _) = give(&mut decoder, &part(&whole, 9, 80, 48)).expect("nothing is missing");
        // Bytes 44 to 68 of the payload came in the forged fragment alone, or in it first.
        let expected = [&text()[..44], &[0xff; 24], &text()[68..]].concat();
        assert_eq!(payload, expected);
    }

    #[test]
    fn what_the_snap_length_cut_of_a_fragment_ends_the_payload() {
        let whole = tcp4(&text());
        let mut decoder = Decoder::new();
        let first = part(&whole, 9, 0, 64);
        let cut = Packet { wire_len: first.len() as u32, ..packet(LinkType::RAW, &first[..60]) };
        let _ = give_packet(&mut decoder, &cut);
        assert_eq!(give(&mut decoder, &part(&whole, 9, 64, 64)), Ok((text()[..20].to_vec(), 100)));
    }

    #[test]
    fn different_ids_and_old_fragments_do_not_mix() {
        let whole = tcp4(&text());
        let mut decoder = Decoder::new();
        let _ = give(&mut decoder, &part(&whole, 9, 0, 64));
        assert_eq!(give(&mut decoder, &part(&whole, 10, 64, 64)), Err(Reason::Fragment));
        let second = part(&whole, 9, 64, 64);
        let late = Packet { time: Time(30_000_000_001), ..packet(LinkType::RAW, &second) };
        assert_eq!(give_packet(&mut decoder, &late), Err(Reason::Fragment));
    }

    #[test]
    fn a_tunnel_in_fragments_may_carry_fragments() {
        let inner = tcp4(&text());
        let tunnel = |bytes: Vec<u8>| udp4(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &ethernet(0x0800, &bytes)].concat());
        let outer = [tunnel(part(&inner, 1, 0, 64)), tunnel(part(&inner, 1, 64, 64))];
        let mut decoder = Decoder::new();
        for (id, packet) in (20..).zip(&outer) {
            assert_eq!(give(&mut decoder, &part(packet, id, 0, 64)), Err(Reason::Fragment));
        }
        assert_eq!(give(&mut decoder, &part(&outer[0], 20, 64, 200)), Err(Reason::Fragment));
        assert_eq!(give(&mut decoder, &part(&outer[1], 21, 64, 200)), Ok((text(), 100)));
    }

    #[test]
    fn impossible_fragments_are_not_kept() {
        let mut decoder = Decoder::new();
        let whole = tcp4(&text());
        let mut beyond = part(&whole, 9, 0, 64);
        beyond[6..8].copy_from_slice(&0x3fff_u16.to_be_bytes());
        let mut uneven = part(&whole, 9, 0, 60);
        uneven[6] = 0x20;
        for bytes in [beyond, uneven] {
            assert_eq!(give(&mut decoder, &bytes), Err(Reason::Fragment));
        }
        assert!(decoder.fragments().open.is_empty());
    }

    #[test]
    fn a_flood_of_fragments_stays_within_its_bounds() {
        let mut decoder = Decoder::new();
        let large = tcp4(&vec![7; 60_000]);
        for id in 0..1_000 {
            let _ = give(&mut decoder, &part(&large, id, 0, 40_000));
            let (open, kept) = (decoder.fragments().open.len(), decoder.fragments().kept);
            assert!(open <= MAX_DATAGRAMS && kept <= MAX_KEPT_BYTES, "{open} datagrams, {kept} bytes");
        }
        for _ in 0..1_000 {
            let _ = give(&mut decoder, &part(&large, 7, 0, 8));
        }
        let small = tcp4(&text());
        let _ = give(&mut decoder, &part(&small, 2_000, 0, 64));
        assert_eq!(give(&mut decoder, &part(&small, 2_000, 64, 64)), Ok((text(), 100)));
    }
}
