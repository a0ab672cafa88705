//! Counts of one direction's segments, as a reader of Wireshark knows them.

use super::{PacketRef, Peer};

/// What the segments of one direction were, by sequence numbers and time: the packets that Wireshark marks with
/// `tcp.analysis.*`. Packets that the capture holds twice are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCounts {
    /// Segments sent again, for whatever reason (`retransmission`).
    pub retransmitted: u64,
    /// Those of them that repeated acknowledgments asked for (`fast_retransmission`; RFC 5681 section 3.2).
    pub fast_retransmitted: u64,
    /// Those of them that had been acknowledged already (`spurious_retransmission`).
    pub spurious: u64,
    /// Segments that were overtaken on their way (`out_of_order`).
    pub out_of_order: u64,
    /// Segments beyond the highest byte seen: what is before them comes later, or is not in the capture
    /// (`lost_segment`).
    pub after_hole: u64,
    /// Acknowledgments of bytes that were not seen (`ack_lost_segment`).
    pub acked_unseen: u64,
    /// Segments that announced a window of 0 (`zero_window`).
    pub zero_windows: u64,
    /// Single bytes sent into a window of 0 (`zero_window_probe`).
    pub window_probes: u64,
    /// Keep-alive probes (`keep_alive`; RFC 9293 section 3.8.4).
    pub keep_alive_probes: u64,
}

/// Packets that the capture holds twice: of a mirror port, of several interfaces of one host, of a path that doubles
/// packets. They are counted here and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Packets.
    pub packets: u64,
    /// What they would have been by sequence numbers and time.
    pub segments: SegmentCounts,
    /// Those of them that are SYNs and SYN-ACKs, with their senders.
    pub syns: Vec<(Peer, PacketRef)>,
    /// Those of them that are RSTs; and RSTs of an earlier connection with the same ports.
    pub rsts: Vec<(Peer, PacketRef)>,
}

/// SYNs and RSTs that are kept.
const KEPT: usize = 64;

impl Copies {
    /// Keeps a SYN or SYN-ACK of one peer.
    pub fn keep_syn(&mut self, from: Peer, packet: PacketRef) {
        if self.syns.len() < KEPT {
            self.syns.push((from, packet));
        }
    }

    /// Keeps a RST of one peer.
    pub fn keep_rst(&mut self, from: Peer, packet: PacketRef) {
        if self.rsts.len() < KEPT {
            self.rsts.push((from, packet));
        }
    }

    /// The two sides change places: the roles were told wrong.
    pub fn swap(&mut self) {
        for (from, _) in self.syns.iter_mut().chain(&mut self.rsts) {
            *from = from.other();
        }
    }

    /// Numbers of the RSTs of one peer.
    pub fn rsts_of(&self, peer: Peer) -> impl Iterator<Item = u64> {
        self.rsts.iter().filter(move |(from, _)| *from == peer).map(|(_, packet)| packet.number)
    }
}
