//! A conversation of an edge and an origin, told as packets, and what the analysis makes of it.

use etherparse::PacketBuilder;
use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{LinkType, Packet};
use pcap520::timeline::{Peer, Time};
use pcap520::verdict::Verdict;

const EDGE: ([u8; 4], u16) = ([172, 68, 0, 1], 40_001);
const ORIGIN: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// Nanoseconds between two packets.
const STEP: i64 = 1_000_000;

/// Packets of one connection, in the order of their capture.
pub struct Conversation {
    next: [u32; 2],
    now: i64,
    packets: Vec<(i64, Vec<u8>)>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    fin: bool,
    rst: bool,
}

impl Conversation {
    /// A connection that is established.
    pub fn connected() -> Self {
        let mut told = Self { next: [1_000, 90_000], now: 0, packets: Vec::new() };
        told.segment(Peer::Edge, Flags { syn: true, ..Flags::default() }, b"");
        told.segment(Peer::Origin, Flags { syn: true, ..Flags::default() }, b"");
        told.segment(Peer::Edge, Flags::default(), b"");
        told
    }

    /// `from` sends `bytes` in one segment, and the other acknowledges it.
    pub fn says(mut self, from: Peer, bytes: &[u8]) -> Self {
        for piece in bytes.chunks(16_000) {
            self.segment(from, Flags::default(), piece);
            self.segment(from.other(), Flags::default(), b"");
        }
        self
    }

    /// `from` ends its stream.
    pub fn closes(mut self, from: Peer) -> Self {
        self.segment(from, Flags { fin: true, ..Flags::default() }, b"");
        self
    }

    /// `from` resets the connection.
    pub fn resets(mut self, from: Peer) -> Self {
        self.segment(from, Flags { rst: true, ..Flags::default() }, b"");
        self
    }

    /// What an analysis with these options says.
    pub fn judged(&self, options: Options) -> Verdict {
        let mut analysis = Analysis::new(Options { records: Records::OfAll, ..options });
        for (nth, (time, data)) in self.packets.iter().enumerate() {
            let (number, wire_len) = (nth as u64 + 1, data.len() as u32);
            analysis.packet(&Packet { number, time: Time(*time), link: LinkType::EN10MB, wire_len, data });
        }
        analysis.finish()
    }

    fn segment(&mut self, from: Peer, flags: Flags, payload: &[u8]) {
        let (own, other) = (from as usize, from.other() as usize);
        let ((source, port), (destination, to_port)) = match from {
            Peer::Edge => (EDGE, ORIGIN),
            Peer::Origin => (ORIGIN, EDGE),
        };
        let ttl = if from == Peer::Edge { 57 } else { 64 };
        let mut tcp = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, destination, ttl).tcp(
            port,
            to_port,
            self.next[own],
            60_000,
        );
        if !(flags.syn && from == Peer::Edge) {
            tcp = tcp.ack(self.next[other]);
        }
        tcp = if flags.syn { tcp.syn() } else { tcp };
        tcp = if flags.fin { tcp.fin() } else { tcp };
        tcp = if flags.rst { tcp.rst() } else { tcp };
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).unwrap();
        self.packets.push((self.now, packet));
        self.now += STEP;
        let len = payload.len() as u32 + u32::from(flags.syn || flags.fin);
        self.next[own] = self.next[own].wrapping_add(len);
    }
}
