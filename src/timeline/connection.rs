//! The record of one TCP connection.

use super::{
    ByPeer, Copies, Endpoint, Exchange, GoAway, H2, PacketRef, Peer, Rst, RstLook, RstSender, SegmentCounts, Tls,
    Unsolicited,
};

/// Everything that is known of one connection: the detectors' only input beside the [`super::Capture`].
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Number of the connection: Wireshark's `tcp.stream`.
    pub index: u32,
    /// The TCP client and the TCP server.
    pub endpoint: ByPeer<Endpoint>,
    /// First packet seen.
    pub first: PacketRef,
    /// Last packet seen.
    pub last: PacketRef,
    /// How the connection began, as far as the capture shows.
    pub start: Start,
    /// The segments of the three-way handshake (RFC 9293 section 3.5).
    pub connect: Connect,
    /// What each peer sent: `direction[Peer::Edge]` is from the edge to the origin.
    pub direction: ByPeer<Direction>,
    /// Least time from a segment to its acknowledgment seen, in nanoseconds: the SYN-ACK's first.
    pub rtt_ns: Option<i64>,
    /// Where the capture was taken, told from TTLs and from the handshake's timing.
    pub vantage: Vantage,
    /// Facts of the TLS layer; none on a connection in clear text.
    pub tls: Option<Box<Tls>>,
    /// Facts of HTTP/2 connections.
    pub h2: Option<Box<H2>>,
    /// Exchanges in order of their number; a clean one may have been folded into `folded`.
    pub exchanges: Vec<Exchange>,
    /// Clean exchanges that are counted and no longer kept.
    pub folded: u64,
    /// Response bytes that belong to no request.
    pub unsolicited: Vec<Unsolicited>,
    /// The application protocol that was recognised (`http/1.1`, `h2`, `websocket` ...).
    pub protocol: Option<&'static str>,
    /// ICMP errors that quote this connection.
    pub unreachable: Vec<Unreachable>,
    /// Bytes within segments that the capture's snap length cut off.
    pub cut_bytes: u64,
    /// Packets that the capture holds twice.
    pub copies: Copies,
    /// Bytes that were sent twice with different contents; the first seen were taken.
    pub conflicting_bytes: u64,
    /// Zeek's `history` letters: what came in which order, the edge's in upper case.
    pub history: String,
    /// Wireshark's `tcp.completeness`: SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32.
    pub completeness: u8,
    /// True where the table of connections had to give this one up before it ended (memory bound).
    pub given_up: bool,
}

impl Timeline {
    /// A new record of a connection whose first packet is `first`.
    #[must_use]
    pub fn new(index: u32, edge: Endpoint, origin: Endpoint, first: PacketRef) -> Self {
        Self {
            index,
            endpoint: ByPeer { edge, origin },
            first,
            last: first,
            start: Start::MidStream,
            connect: Connect::default(),
            direction: ByPeer::default(),
            rtt_ns: None,
            vantage: Vantage::Unknown,
            tls: None,
            h2: None,
            exchanges: Vec::new(),
            folded: 0,
            unsolicited: Vec::new(),
            protocol: None,
            unreachable: Vec::new(),
            cut_bytes: 0,
            copies: Copies::default(),
            conflicting_bytes: 0,
            history: String::new(),
            completeness: 0,
            given_up: false,
        }
    }

    /// Begins the record of another connection in the place of this one, whose memory it takes over.
    pub fn begin_again(&mut self, index: u32, edge: Endpoint, origin: Endpoint, first: PacketRef) {
        let Self { exchanges, connect, direction, history, .. } = self;
        let connect = Connect { syns: emptied(&mut connect.syns), syn_acks: emptied(&mut connect.syn_acks), ack: None };
        let fins = ByPeer { edge: emptied(&mut direction.edge.fins), origin: emptied(&mut direction.origin.fins) };
        let (exchanges, mut history) = (emptied(exchanges), std::mem::take(history));
        history.clear();
        *self = Self { exchanges, connect, history, ..Self::new(index, edge, origin, first) };
        self.direction.edge.fins = fins.edge;
        self.direction.origin.fins = fins.origin;
    }

    /// Hands the record out, and leaves one that tells nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let empty = Self::new(self.index, self.endpoint.edge, self.endpoint.origin, self.first);
        std::mem::replace(self, empty)
    }

    /// How the connection ended, as far as the capture shows.
    #[must_use]
    pub fn end(&self) -> End {
        match self.start {
            Start::Refused => return End::Refused,
            Start::Unanswered => return End::Unanswered,
            Start::Handshake | Start::MidStream => {}
        }
        match self.closes().next() {
            None => End::Open,
            Some(Close::Fin { from: Peer::Origin, .. }) => End::ClosedByOrigin,
            Some(Close::Fin { from: Peer::Edge, .. }) => End::ClosedByEdge,
            Some(Close::Rst { from: Peer::Origin, .. }) => End::ResetByOrigin,
            Some(Close::Rst { from: Peer::Edge, .. }) => End::ResetByEdge,
        }
    }

    /// Every FIN and RST of both peers in the order of the packets.
    pub fn closes(&self) -> impl Iterator<Item = Close<'_>> {
        let fins = |from: Peer| self.direction[from].fins.iter().map(move |fin| Close::Fin { from, fin });
        let rsts = |from: Peer| self.direction[from].rsts.iter().map(move |rst| Close::Rst { from, rst });
        let edge = in_order(fins(Peer::Edge), rsts(Peer::Edge));
        in_order(edge, in_order(fins(Peer::Origin), rsts(Peer::Origin)))
    }

    /// The first FIN or RST that `from` sent.
    #[must_use]
    pub fn first_close(&self, from: Peer) -> Option<Close<'_>> {
        self.closes().find(|close| close.from() == from)
    }

    /// True where `from` sent a FIN before `packet`.
    #[must_use]
    pub fn closed_before(&self, from: Peer, packet: PacketRef) -> bool {
        self.direction[from].fins.iter().any(|fin| fin.packet.number < packet.number)
    }

    /// True where both SYNs are in the capture and nothing acknowledges the origin's: what looks like a request
    /// belongs to an earlier connection.
    #[must_use]
    pub fn never_established(&self) -> bool {
        !self.connect.syns.is_empty() && !self.connect.syn_acks.is_empty() && self.connect.ack.is_none()
    }

    /// True where the connection never came to be: a request that its SYN brought (RFC 7413) is none that the origin took.
    #[must_use]
    pub fn never_opened(&self) -> bool {
        self.never_established() || matches!(self.start, Start::Refused | Start::Unanswered)
    }

    /// The exchange with this number.
    #[must_use]
    pub fn exchange(&self, number: u32) -> Option<&Exchange> {
        let nearest = self.exchanges.partition_point(|exchange| exchange.number < number);
        self.exchanges.get(nearest).filter(|exchange| exchange.number == number)
    }

    /// The first GOAWAY of `from`.
    #[must_use]
    pub fn goaway(&self, from: Peer) -> Option<&GoAway> {
        self.h2.as_ref()?.goaways.iter().find(|goaway| goaway.from == from)
    }

    /// The exchange after which the connection carries no other one, by the word of its request or response
    /// (RFC 9112 section 9.6).
    #[must_use]
    pub fn announced_last(&self) -> Option<u32> {
        let last = |exchange: &&Exchange| {
            exchange.request.close || exchange.response.as_ref().is_some_and(|response| response.close)
        };
        self.exchanges.iter().find(last).map(|exchange| exchange.number)
    }

    /// True where the capture misses bytes of the connection, or the snap length cut some off: what is absent from the
    /// rest may have been in them.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        let (edge, origin) = (&self.direction.edge, &self.direction.origin);
        let missed = [edge.missed_by_capture, origin.missed_by_capture, self.cut_bytes] != [0; 3];
        missed || edge.fins.iter().chain(&origin.fins).any(|fin| fin.unseen)
    }

    /// True where every byte that `from` sent up to `offset` was acknowledged by the other peer.
    #[must_use]
    pub fn delivered(&self, from: Peer, offset: u64) -> bool {
        self.direction[from].acked >= offset
    }
}

/// The memory of a list without what stood in it, where it is not much.
fn emptied<T>(list: &mut Vec<T>) -> Vec<T> {
    let mut list = std::mem::take(list);
    list.clear();
    list.shrink_to(FEW);
    list
}

/// What most connections have no more than of anything.
const FEW: usize = 8;

/// Merges closes that stand in the order of their packets.
fn in_order<'a>(
    one: impl Iterator<Item = Close<'a>>,
    other: impl Iterator<Item = Close<'a>>,
) -> impl Iterator<Item = Close<'a>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let first = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) => a.packet().number <= b.packet().number,
            (a, _) => a.is_some(),
        };
        if first { one.next() } else { other.next() }
    })
}

/// A FIN or a RST with its sender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Close<'a> {
    /// An orderly close.
    Fin {
        /// The peer that sent it.
        from: Peer,
        /// The segment.
        fin: &'a Fin,
    },
    /// An abortive close.
    Rst {
        /// The peer that its source address names.
        from: Peer,
        /// The segment.
        rst: &'a Rst,
    },
}

impl Close<'_> {
    /// The packet.
    #[must_use]
    pub fn packet(&self) -> PacketRef {
        match self {
            Self::Fin { fin, .. } => fin.packet,
            Self::Rst { rst, .. } => rst.packet,
        }
    }

    /// The peer that the source address names.
    #[must_use]
    pub fn from(&self) -> Peer {
        match self {
            Self::Fin { from, .. } | Self::Rst { from, .. } => *from,
        }
    }
}

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// SYN and SYN-ACK, or one of them and data after it.
    Handshake,
    /// The SYN was answered by a RST.
    Refused,
    /// No answer to the SYN, or no answer to the SYN-ACK.
    Unanswered,
    /// The capture began after the connection.
    MidStream,
}

impl Start {
    /// The stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::MidStream => "mid-stream",
        }
    }
}

/// How a connection ended: what its first FIN or RST says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No FIN and no RST until the capture ended.
    Open,
    /// The origin's FIN came first.
    ClosedByOrigin,
    /// The edge's FIN came first.
    ClosedByEdge,
    /// A RST with the origin's address came first.
    ResetByOrigin,
    /// A RST with the edge's address came first.
    ResetByEdge,
    /// Never established: the SYN was refused.
    Refused,
    /// Never established: no answer.
    Unanswered,
}

impl End {
    /// The stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ClosedByOrigin => "closed-by-origin",
            Self::ClosedByEdge => "closed-by-edge",
            Self::ResetByOrigin => "reset-by-origin",
            Self::ResetByEdge => "reset-by-edge",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The segments of the three-way handshake.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect {
    /// Every SYN of the edge: the first and its repetitions.
    pub syns: Vec<PacketRef>,
    /// Every SYN-ACK of the origin.
    pub syn_acks: Vec<PacketRef>,
    /// The edge's first segment that acknowledges the SYN-ACK.
    pub ack: Option<PacketRef>,
}

impl Direction {
    /// Highest offset of the stream that any segment of this peer counts from: data, a FIN, a bare acknowledgment or its
    /// own RST, whose number is the sender's next one or taken from what the other peer had received (RFC 9293 sections
    /// 3.5.2 and 3.10.7.1).
    #[must_use]
    pub fn counted(&self) -> u64 {
        let own = |rst: &&Rst| rst.sender == RstSender::Claimed && rst.look != RstLook::Refusal;
        let reset_at = self.rsts.iter().filter(own).filter_map(|rst| u64::try_from(rst.offset).ok()).max();
        // A FIN counts as one byte.
        let reached = self.reached.max(reset_at.unwrap_or(0)).saturating_sub(1);
        self.sent.max(reached)
    }

    /// Bytes that this peer sent before the last one known, and that the capture neither holds nor knows to have arrived:
    /// a later segment counts them.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.counted().saturating_sub(self.bytes).saturating_sub(self.missed_by_capture)
    }
}

impl Connect {
    /// True once the edge has acknowledged the SYN-ACK.
    #[must_use]
    pub fn established(&self) -> bool {
        self.ack.is_some()
    }
}

/// What one peer sent to the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direction {
    /// Segments, retransmissions among them.
    pub packets: u64,
    /// Bytes of the stream that were seen, each counted once.
    pub bytes: u64,
    /// What the segments were by sequence numbers and time.
    pub segments: SegmentCounts,
    /// Segments that the network lost: sent again by the sender and never acknowledged before.
    pub lost: u64,
    /// Bytes that the other peer acknowledged though the capture does not hold them.
    pub missed_by_capture: u64,
    /// Highest offset of the stream sent so far.
    pub sent: u64,
    /// Highest offset that any segment stood at, one without payload among them: what the peer has sent as far
    /// as it says, whether it arrived here or not.
    pub reached: u64,
    /// Highest offset of the stream that the other peer acknowledged.
    pub acked: u64,
    /// The packet that raised `acked` last.
    pub acked_at: Option<PacketRef>,
    /// First segment with payload.
    pub first_data: Option<PacketRef>,
    /// Last segment with payload that was new.
    pub last_data: Option<PacketRef>,
    /// Last segment of any kind.
    pub last: Option<PacketRef>,
    /// The last segments with payload.
    pub recent: RecentSegments,
    /// FIN segments, repetitions included.
    pub fins: Vec<Fin>,
    /// The packet in which the other peer acknowledged the FIN.
    pub fin_acked: Option<PacketRef>,
    /// RST segments whose source address is this peer's.
    pub rsts: Vec<Rst>,
    /// TTL or hop limit of this peer's packets, most frequent first seen.
    pub ttl: Option<u8>,
    /// Maximum segment size that this peer announced in its SYN (RFC 9293 section 3.7.1).
    pub mss: Option<u16>,
    /// Largest payload of one segment that was acknowledged.
    pub largest_acked: u32,
    /// The oldest bytes that wait for an acknowledgment, where they were sent more than once.
    pub stuck: Option<Stuck>,
    /// The first segment that announced a window of 0.
    pub first_zero_window: Option<PacketRef>,
    /// Longest time from a window of 0 to the segment that opened it again, in nanoseconds.
    pub longest_zero_window_ns: i64,
    /// Segments with the urgent bit and a place of urgent data (RFC 9293 section 3.8.5): their bytes stay in the
    /// stream.
    pub urgent_segments: u32,
    /// The window scale that this peer announced in its SYN (RFC 7323 section 2).
    pub window_scale: Option<u8>,
}

/// The last segments with payload of one peer, each with what it acknowledges of the other's stream: what their
/// sender had received when it sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentSegments {
    segments: [(u64, u64); Self::KEPT],
    next: usize,
}

impl RecentSegments {
    const KEPT: usize = 4;

    /// A segment in packet `number` that acknowledges the other stream up to `acked`.
    pub fn push(&mut self, number: u64, acked: u64) {
        if let Some(place) = self.segments.get_mut(self.next) {
            *place = (number, acked);
        }
        self.next = self.next.saturating_add(1) % Self::KEPT;
    }

    /// What the segment in this packet acknowledges, where it is one of the last.
    #[must_use]
    pub fn acked_by(&self, packet: PacketRef) -> Option<u64> {
        self.segments.iter().find(|(number, _)| *number == packet.number).map(|(_, acked)| *acked)
    }
}

/// Bytes that were repeated and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Offset of the first byte.
    pub offset: u64,
    /// Length of the segment in bytes.
    pub len: u32,
    /// Times that it was sent, the first included.
    pub sends: u32,
    /// First time sent.
    pub first: PacketRef,
    /// Last time sent.
    pub last: PacketRef,
}

/// One FIN segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fin {
    /// The packet; where the capture misses it, the one that acknowledges it.
    pub packet: PacketRef,
    /// Offset of the end of its sender's stream: the bytes sent before it.
    pub offset: u64,
    /// Offset of the other peer's stream that this segment acknowledges: bytes beyond it were not yet
    /// received when it was sent.
    pub acked: u64,
    /// True where the capture misses the segment, and an acknowledgment of one more than all bytes tells of it.
    pub unseen: bool,
}

impl Fin {
    /// What a report calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.unseen { "unseen FIN" } else { "FIN" }
    }
}

/// Where the capture was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vantage {
    /// On the origin's host.
    Origin,
    /// On the edge's host.
    Edge,
    /// On neither.
    Between,
    /// Cannot be told.
    #[default]
    Unknown,
}

impl Vantage {
    /// The stable name for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Edge => "edge",
            Self::Between => "between",
            Self::Unknown => "unknown",
        }
    }
}

/// An ICMP or ICMPv6 error that quotes a segment of the connection (RFC 792, RFC 4443).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The packet.
    pub packet: PacketRef,
    /// Who sent the message.
    pub from: std::net::IpAddr,
    /// The peer whose segment is quoted.
    pub about: Peer,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// True for ICMPv6.
    pub v6: bool,
    /// Next-hop MTU of a "fragmentation needed" or "packet too big" message.
    pub mtu: Option<u32>,
}
