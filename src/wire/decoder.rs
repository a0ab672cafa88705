//! The room's front: a packet in, a segment out.

use std::fmt;

use super::fast;
use super::fragment::{Fragment, Reassembler, Whole};
use super::icmp::IcmpError;
use super::tcp::Segment;
use super::view::View;
use super::walk::{Layer, Outcome, walk};
use crate::capture::Packet;
use crate::timeline::Time;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A TCP segment, possibly within tunnels.
    Tcp(Segment<'a>),
    /// An ICMP error that quotes a TCP segment.
    Icmp(IcmpError),
    /// Neither.
    Other(Reason),
}

/// Why a packet gives no TCP segment and no ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The link type is not known, or cannot hold IP: radiotap, USB ...
    UnknownLink,
    /// No IP packet: ARP, LLDP, spanning tree ...
    NotIp,
    /// IP, and neither TCP nor an ICMP error about TCP.
    NotTcp,
    /// A fragment whose datagram is not complete.
    Fragment,
    /// The snap length cut the packet before the end of the headers.
    Cut,
    /// A length or a version that cannot be.
    Malformed,
    /// More headers around each other than are walked through.
    TooDeep,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownLink => "unknown link type",
            Self::NotIp => "not IP",
            Self::NotTcp => "not TCP",
            Self::Fragment => "fragment of an incomplete datagram",
            Self::Cut => "cut before the end of its headers",
            Self::Malformed => "malformed",
            Self::TooDeep => "too many headers",
        })
    }
}

/// Decodes packets one after the other; keeps the fragments of datagrams that are not complete.
#[derive(Default)]
pub struct Decoder {
    fragments: Reassembler,
    /// The last datagram that was put together.
    whole: Whole,
}

impl Decoder {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `packet` holds, seen from the link layer inwards. Of a datagram in fragments, the packet that
    /// completes it counts.
    #[inline(always)]
    pub fn decode<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        match fast::segment(packet.link, packet.data) {
            Some(segment) => Decoded::Tcp(segment),
            None => self.decode_any(packet),
        }
    }

    #[inline(never)]
    fn decode_any<'a>(&'a mut self, packet: &Packet<'a>) -> Decoded<'a> {
        let at = View::new(packet.data, packet.wire_len as usize);
        match walk(Layer::Link(packet.link), at) {
            Ok(Outcome::Fragment(fragment)) => self.decode_fragment(&fragment, packet.time),
            other => decoded(other),
        }
    }

    fn decode_fragment(&mut self, fragment: &Fragment<'_>, time: Time) -> Decoded<'_> {
        let Some(mut whole) = self.fragments.add(fragment, time) else { return Decoded::Other(Reason::Fragment) };
        // What a tunnel carries may be a fragment again.
        for _ in 0..MAX_NESTED_FRAGMENTS {
            let Ok(Outcome::Fragment(inner)) = whole.walk() else { break };
            match self.fragments.add(&inner, time) {
                Some(next) => whole = next,
                None => return Decoded::Other(Reason::Fragment),
            }
        }
        self.whole = whole;
        decoded(self.whole.walk())
    }
}

fn decoded(outcome: Result<Outcome<'_>, Reason>) -> Decoded<'_> {
    match outcome {
        Ok(Outcome::Tcp(segment)) => Decoded::Tcp(segment),
        Ok(Outcome::Icmp(error, _)) => Decoded::Icmp(error),
        Ok(Outcome::Fragment(_)) => Decoded::Other(Reason::TooDeep),
        Err(reason) => Decoded::Other(reason),
    }
}

/// Fragmented datagrams within each other.
const MAX_NESTED_FRAGMENTS: usize = 4;

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::super::fast;
    use super::super::testing::{Noise, ethernet, file, files, packet, tcp4, tcp6, udp4};
    use super::super::view::View;
    use super::super::walk::{Layer, Outcome, walk};
    use super::{Decoded, Decoder, Reassembler};
    use crate::capture::{Input, Item, LinkType, Packet};

    impl Decoder {
        pub(in super::super) fn fragments(&self) -> &Reassembler {
            &self.fragments
        }
    }

    /// Shows every packet of a capture to `look`.
    fn each_packet(path: std::path::PathBuf, mut look: impl FnMut(&Packet<'_>)) {
        let mut input = Input::open(&[path]).expect("a capture");
        while let Some(item) = input.next_item().expect("whole") {
            if let Item::Packet(packet) = item {
                look(&packet);
            }
        }
    }

    #[test]
    fn captures_hold_as_many_segments_as_tshark_counts() {
        let expected = [
            ("4in6.pcap", 1),
            ("ayiya3.pcap", 21),
            ("fragmented-4.pcap", 3),
            ("geneve-many-options.pcap", 10),
            ("gre-aruba-amsdu.pcap", 1),
            ("gre-over-udp-4754.pcap", 10),
            ("gre-sample.pcap", 22),
            ("ip6-hoa-tcp-good-chksum.pcap", 1),
            ("ipv6-http-atomic-frag.pcap", 36),
            ("irc-353.pcap", 12),
            ("mpls-in-vlan.pcap", 3),
            ("nflog-http.pcap", 13),
            ("snap-tcp.pcap", 8),
            ("truncated-header.pcap", 24),
            ("vlan-qinqinq.pcap", 14),
            ("vxlan-encapsulated-http.pcap", 12),
        ];
        assert_eq!(files().len(), expected.len(), "each capture has its line");
        for (name, segments) in expected {
            let (mut decoder, mut seen) = (Decoder::new(), 0);
            each_packet(file(name), |packet| seen += u32::from(matches!(decoder.decode(packet), Decoded::Tcp(_))));
            assert_eq!(seen, segments, "{name}");
        }
    }

    #[test]
    fn packets_cut_at_any_length_never_panic() {
        for path in files() {
            let mut decoder = Decoder::new();
            each_packet(path, |packet| {
                for len in 0..packet.data.len() {
                    let data = &packet.data[..len];
                    let _ = decoder.decode(&Packet { data, ..*packet });
                    let _ = decoder.decode(&Packet { data, wire_len: len as u32, ..*packet });
                }
            });
        }
    }

    #[test]
    fn damaged_packets_never_panic_and_keep_their_lengths_in_order() {
        let mut noise = Noise(0x5eed);
        for path in files() {
            let mut decoder = Decoder::new();
            each_packet(path, |packet| {
                for _ in 0..40 {
                    let mut data = packet.data.to_vec();
                    for _ in 0..=noise.below(4) {
                        let at = noise.below(data.len().min(120));
                        data[at] = noise.next() as u8;
                    }
                    if let Decoded::Tcp(segment) = decoder.decode(&Packet { data: &data, ..*packet }) {
                        assert!(segment.payload.len() <= segment.payload_len as usize);
                    }
                }
            });
        }
    }

    #[test]
    fn noise_of_every_link_type_never_panics() {
        let mut noise = Noise(0xcafe);
        let mut decoder = Decoder::new();
        for link in [0, 1, 9, 12, 50, 51, 101, 104, 105, 108, 113, 127, 228, 229, 239, 276, 65_535].map(LinkType) {
            for _ in 0..3_000 {
                let len = noise.below(120);
                let data = noise.bytes(len);
                let _ = decoder.decode(&packet(link, &data));
            }
        }
    }

    #[test]
    fn the_short_way_and_the_long_way_see_the_same() {
        let mut noise = Noise(0xfeed);
        let mut short = 0;
        for round in 0..40_000 {
            let len = noise.below(60);
            let content = noise.bytes(len);
            let (kind, ip) = if round % 2 == 0 { (0x0800, tcp4(&content)) } else { (0x86dd, tcp6(&content)) };
            let kind = u16::to_be_bytes(kind);
            let (link, header) = match round % 3 {
                0 => (LinkType::EN10MB, [&[0; 12][..], &kind].concat()),
                1 => (LinkType::LINUX_SLL, [&[0; 14][..], &kind].concat()),
                _ => (LinkType::LINUX_SLL2, [&kind[..], &[0; 18]].concat()),
            };
            let mut frame = [header, ip].concat();
            let at = noise.below(frame.len());
            frame[at] = noise.next() as u8;
            let Some(segment) = fast::segment(link, &frame) else { continue };
            short += 1;
            match walk(Layer::Link(link), View::new(&frame, frame.len())) {
                Ok(Outcome::Tcp(other)) => assert_eq!(segment, other),
                other => panic!("{other:?}"),
            }
        }
        assert!(short > 20_000, "only {short} frames took the short way");
    }

    #[test]
    fn etherparse_sees_the_same_segments() {
        let mut noise = Noise(0xbead);
        let mut compared = 0;
        for round in 0..30_000 {
            let len = noise.below(40);
            let content = noise.bytes(len);
            let mut frame = match round % 4 {
                0 => ethernet(0x0800, &tcp4(&content)),
                1 => ethernet(0x86dd, &tcp6(&content)),
                2 => ethernet(0x8100, &[&[0, 5, 8, 0][..], &tcp4(&content)].concat()),
                _ => ethernet(0x0800, &udp4(53, &content)),
            };
            // Damage behind the link layer: etherparse knows fewer of those.
            let at = 18 + noise.below(frame.len() - 18);
            frame[at] = noise.next() as u8;
            let Ok(theirs) = SlicedPacket::from_ethernet(&frame) else { continue };
            let Some(TransportSlice::Tcp(theirs)) = theirs.transport else { continue };
            let mut decoder = Decoder::new();
            match decoder.decode(&packet(LinkType::EN10MB, &frame)) {
                Decoded::Tcp(ours) => {
                    assert_eq!(
                        (ours.source_port, ours.destination_port),
                        (theirs.source_port(), theirs.destination_port())
                    );
                    assert_eq!((ours.seq.0, ours.ack.0), (theirs.sequence_number(), theirs.acknowledgment_number()));
                    assert_eq!((ours.flags.syn(), ours.flags.rst()), (theirs.syn(), theirs.rst()));
                    assert_eq!((ours.payload, ours.options.bytes()), (theirs.payload(), theirs.options()));
                }
                other => panic!("{other:?} for {frame:x?}"),
            }
            compared += 1;
        }
        assert!(compared > 10_000, "only {compared} segments compared");
    }
}
