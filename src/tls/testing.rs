//! Test support: drives [`Session`] from a capture file or from a written dialogue.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

use crate::tcp::Application;
use crate::timeline::{
    ByPeer, Endpoint, Fin, Mark, PacketRef, Peer, Rst, RstLook, RstSender, Start, Time, Timeline, Tls,
};
use crate::tls::{KeyLog, Session, TrustAnchors};

/// A file of `testdata/tls`.
pub fn testdata(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The capture without the packets of these numbers.
pub fn without(capture: &[u8], numbers: &[usize]) -> Vec<u8> {
    let mut rest = capture[..24].to_vec();
    let mut at = 24;
    for (index, (_, _, bytes)) in packets(capture).iter().enumerate() {
        let end = at + 16 + bytes.len();
        if !numbers.contains(&(index + 1)) {
            rest.extend(&capture[at..end]);
        }
        at = end;
    }
    rest
}

/// A small generator of numbers that look random, and are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What became of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub line: Timeline,
    pub plain: Plain,
}

impl Seen {
    pub fn tls(&self) -> &Tls {
        self.line.tls.as_deref().expect("TLS was seen")
    }
}

/// Collects what a session hands on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plain {
    pub bytes: ByPeer<Vec<u8>>,
    pub marks: Vec<(Peer, Mark, usize)>,
    pub gaps: Vec<(Peer, u64)>,
    pub ended: Vec<Peer>,
}

impl Application for Plain {
    fn data(&mut self, _line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        self.bytes[from].extend_from_slice(bytes);
        self.marks.push((from, start, bytes.len()));
    }

    fn gap(&mut self, _line: &mut Timeline, from: Peer, len: u64, _start: Mark) {
        self.gaps.push((from, len));
    }

    fn end_of_stream(&mut self, _line: &mut Timeline, from: Peer, _at: Mark) {
        self.ended.push(from);
    }

    fn finish(&mut self, _line: &mut Timeline) {}
}

/// A record with this type and body.
pub fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// An encrypted record of TLS 1.3 with AES-GCM whose contents are `plain` bytes long.
pub fn sealed(plain: usize) -> Vec<u8> {
    record(23, &vec![0xa5; plain + 17])
}

/// An encrypted record of TLS 1.2 with AES-GCM whose contents are `plain` bytes long.
pub fn sealed_tls12(kind: u8, plain: usize) -> Vec<u8> {
    record(kind, &vec![0xa5; plain + 24])
}

/// A ClientHello for TLS 1.3 and 1.2 that takes tickets and offers `protocols`.
pub fn client_hello(protocols: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = protocols.iter().flat_map(|name| [&[name.len() as u8], name.as_bytes()].concat()).collect();
    let alpn = [&(names.len() as u16).to_be_bytes()[..], &names].concat();
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 4, 0x13, 0x01, 0xc0, 0x2f, 1, 0]].concat();
    let list: [(u16, &[u8]); 3] = [(16, &alpn), (43, &[4, 3, 4, 3, 3]), (45, &[1, 1])];
    record(22, &message(1, &[body, extensions(&list)].concat()))
}

/// A ServerHello with this version and suite.
pub fn server_hello(version: u16, cipher: u16, protocol: Option<&str>) -> Vec<u8> {
    let alpn = protocol.map(|name| {
        let len = name.len() as u8;
        [&[0, len + 1, len][..], name.as_bytes()].concat()
    });
    let version = version.to_be_bytes();
    let mut list: Vec<(u16, &[u8])> = vec![(43, &version)];
    list.extend(alpn.as_deref().map(|alpn| (16, alpn)));
    let body = [&[3, 3][..], &[8; 32], &[0], &cipher.to_be_bytes(), &[0]].concat();
    record(22, &message(2, &[body, extensions(&list)].concat()))
}

/// A handshake message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn extensions(list: &[(u16, &[u8])]) -> Vec<u8> {
    let one = |(kind, content): &(u16, &[u8])| {
        [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
    };
    let bytes: Vec<u8> = list.iter().flat_map(one).collect();
    [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()
}

/// A session without keys.
pub fn keyless() -> Session {
    Session::new(KeyLog::new(), TrustAnchors::bundled())
}

/// One connection that is being driven.
pub struct Driver {
    pub session: Session,
    pub line: Timeline,
    pub plain: Plain,
    streams: ByPeer<Stream>,
    packet: u64,
}

#[derive(Default)]
struct Stream {
    offset: u64,
    next: Option<u32>,
    waiting: BTreeMap<u64, Vec<u8>>,
    fin: Option<u64>,
}

impl Driver {
    pub fn new(session: Session) -> Self {
        let endpoint = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let mut line = Timeline::new(0, endpoint(40_000), endpoint(443), PacketRef::default());
        line.start = Start::Handshake;
        let streams = ByPeer { edge: Stream::default(), origin: Stream::default() };
        Self { session, line, plain: Plain::default(), streams, packet: 0 }
    }

    /// A new packet, `seconds` after the first.
    pub fn packet(&mut self, seconds: f64) -> PacketRef {
        self.packet += 1;
        let packet = PacketRef { number: self.packet, time: Time((seconds * 1e9) as i64) };
        self.line.last = packet;
        packet
    }

    /// `from` sends `bytes` in one packet; it has received everything before.
    pub fn send(&mut self, from: Peer, bytes: &[u8], seconds: f64) -> &mut Self {
        let packet = self.packet(seconds);
        let received = self.streams[from.other()].offset;
        self.acknowledge(from, received, packet);
        self.deliver(from, bytes, packet);
        self
    }

    /// A handshake of TLS 1.3 without keys, up to the edge's Finished.
    pub fn established(protocols: &[&str]) -> Self {
        let mut driver = Self::new(keyless());
        driver.handshake_up_to_origin(protocols);
        driver.edge(&[CHANGE_CIPHER_SPEC, &sealed(FINISHED)].concat(), 0.2);
        driver
    }

    /// The same, up to the origin's Finished.
    pub fn handshake_up_to_origin(&mut self, protocols: &[&str]) {
        self.edge(&client_hello(protocols), 0.0);
        let flight = [server_hello(0x0304, 0x1301, None), CHANGE_CIPHER_SPEC.to_vec(), sealed(23), sealed(600)];
        self.origin(&[flight.concat(), sealed(79), sealed(FINISHED)].concat(), 0.1);
    }

    pub fn edge(&mut self, bytes: &[u8], seconds: f64) -> &mut Self {
        self.send(Peer::Edge, bytes, seconds)
    }

    pub fn origin(&mut self, bytes: &[u8], seconds: f64) -> &mut Self {
        self.send(Peer::Origin, bytes, seconds)
    }

    /// As [`Self::send`], by a peer that has received nothing new.
    pub fn send_unaware(&mut self, from: Peer, bytes: &[u8], seconds: f64) -> &mut Self {
        let packet = self.packet(seconds);
        self.deliver(from, bytes, packet);
        self
    }

    pub fn lose(&mut self, from: Peer, len: u64, seconds: f64) -> &mut Self {
        let packet = self.packet(seconds);
        let offset = self.streams[from].offset;
        self.session.gap(&mut self.line, from, len, Mark { packet, offset }, &mut self.plain);
        self.streams[from].offset += len;
        self
    }

    pub fn fin(&mut self, from: Peer, seconds: f64) -> &mut Self {
        let packet = self.packet(seconds);
        let offset = self.streams[from].offset;
        let acked = self.streams[from.other()].offset;
        self.line.direction[from].fins.push(Fin { packet, offset, acked, unseen: false });
        self.session.end_of_stream(&mut self.line, from, Mark { packet, offset }, &mut self.plain);
        self
    }

    pub fn rst(&mut self, from: Peer, seconds: f64) -> &mut Self {
        let packet = self.packet(seconds);
        self.reset(from, packet);
        self
    }

    pub fn finish(mut self) -> Seen {
        self.session.finish(&mut self.line, &mut self.plain);
        Seen { line: self.line, plain: self.plain }
    }

    fn acknowledge(&mut self, from: Peer, offset: u64, packet: PacketRef) {
        let direction = &mut self.line.direction[from.other()];
        if offset > direction.acked {
            direction.acked = offset;
            direction.acked_at = Some(packet);
        }
    }

    fn deliver(&mut self, from: Peer, bytes: &[u8], packet: PacketRef) {
        let offset = self.streams[from].offset;
        self.session.data(&mut self.line, from, bytes, Mark { packet, offset }, &mut self.plain);
        self.streams[from].offset += bytes.len() as u64;
        self.line.direction[from].sent = self.streams[from].offset;
        self.line.direction[from].bytes += bytes.len() as u64;
    }

    fn reset(&mut self, from: Peer, packet: PacketRef) {
        self.line.direction[from].rsts.push(Rst {
            packet,
            offset: 0,
            acked: None,
            sender: RstSender::Claimed,
            ttl: 64,
            look: RstLook::Other,
            signs: Vec::new(),
            text: None,
        });
    }
}

/// ChangeCipherSpec.
pub const CHANGE_CIPHER_SPEC: &[u8] = &[20, 3, 3, 0, 1, 1];
/// Bytes of a Finished message with SHA-256.
pub const FINISHED: usize = 36;

/// Every TCP connection of a classic capture file, in the order of their first packets. Whatever lies behind a
/// hole at the end is given after a gap.
pub fn connections(capture: &[u8], session: &dyn Fn() -> Session) -> Vec<Seen> {
    connections_split(capture, session, &mut |len| vec![len])
}

/// As [`connections`], with each segment given in pieces whose lengths `split` says.
pub fn connections_split(
    capture: &[u8],
    session: &dyn Fn() -> Session,
    split: &mut dyn FnMut(usize) -> Vec<usize>,
) -> Vec<Seen> {
    let mut drivers: Vec<(Flow, Driver)> = Vec::new();
    for (number, (link, time, frame)) in packets(capture).into_iter().enumerate() {
        let packet = PacketRef { number: number as u64 + 1, time };
        let Some((source, target, tcp)) = tcp_of(link, frame) else { continue };
        let known = drivers.iter().rposition(|(flow, _)| flow.is(source, target));
        let renewed = known.is_some_and(|index| {
            tcp.syn()
                && !tcp.ack()
                && drivers[index].1.streams.edge.next.is_some_and(|next| next != tcp.sequence_number().wrapping_add(1))
        });
        let index = known.filter(|_| !renewed).unwrap_or_else(|| {
            let from_edge = if tcp.syn() { !tcp.ack() } else { source.port > target.port };
            let (edge, origin) = if from_edge { (source, target) } else { (target, source) };
            let mut driver = Driver::new(session());
            driver.line.index = drivers.len() as u32;
            driver.line.first = packet;
            driver.line.endpoint = ByPeer { edge, origin };
            drivers.push((Flow { edge, origin }, driver));
            drivers.len() - 1
        });
        let (flow, driver) = &mut drivers[index];
        let from = if source == flow.edge { Peer::Edge } else { Peer::Origin };
        driver.segment(from, &tcp, packet, split);
    }
    drivers.into_iter().map(|(_, driver)| driver.finish_with_holes()).collect()
}

struct Flow {
    edge: Endpoint,
    origin: Endpoint,
}

impl Flow {
    fn is(&self, a: Endpoint, b: Endpoint) -> bool {
        (self.edge, self.origin) == (a, b) || (self.edge, self.origin) == (b, a)
    }
}

impl Driver {
    fn segment(
        &mut self,
        from: Peer,
        tcp: &TcpSlice<'_>,
        packet: PacketRef,
        split: &mut dyn FnMut(usize) -> Vec<usize>,
    ) {
        self.line.last = packet;
        let mut seq = tcp.sequence_number();
        if tcp.syn() {
            seq = seq.wrapping_add(1);
        } else if self.streams[from].next.is_none() {
            self.line.start = Start::MidStream;
            self.session.gap(&mut self.line, from, 0, Mark { packet, offset: 0 }, &mut self.plain);
        }
        if tcp.ack()
            && let Some(next) = self.streams[from.other()].next
        {
            let ahead = tcp.acknowledgment_number().wrapping_sub(next) as i32;
            let offset = self.streams[from.other()].offset.saturating_add_signed(i64::from(ahead));
            self.acknowledge(from, offset, packet);
        }
        if tcp.rst() {
            return self.reset(from, packet);
        }
        let stream = &mut self.streams[from];
        let next = *stream.next.get_or_insert(seq);
        let at = stream.offset.saturating_add_signed(i64::from(seq.wrapping_sub(next) as i32));
        let payload = tcp.payload();
        if !payload.is_empty() {
            stream.waiting.entry(at).or_insert_with(|| payload.to_vec());
        }
        if tcp.fin() {
            stream.fin = Some(at + payload.len() as u64);
        }
        self.deliver_waiting(from, packet, split);
    }

    fn deliver_waiting(&mut self, from: Peer, packet: PacketRef, split: &mut dyn FnMut(usize) -> Vec<usize>) {
        while let Some((at, bytes)) = self.streams[from].waiting.pop_first() {
            let offset = self.streams[from].offset;
            if at > offset {
                self.streams[from].waiting.insert(at, bytes);
                break;
            }
            let mut fresh = bytes.get((offset - at) as usize..).unwrap_or_default();
            for len in split(fresh.len()) {
                let (piece, rest) = fresh.split_at(len.min(fresh.len()));
                fresh = rest;
                self.deliver(from, piece, packet);
                let stream = &mut self.streams[from];
                stream.next = stream.next.map(|next| next.wrapping_add(piece.len() as u32));
            }
        }
        let acked = self.streams[from.other()].offset;
        let stream = &mut self.streams[from];
        if stream.fin.is_some_and(|fin| fin == stream.offset) && self.line.direction[from].fins.is_empty() {
            let offset = stream.offset;
            self.line.direction[from].fins.push(Fin { packet, offset, acked, unseen: false });
            self.session.end_of_stream(&mut self.line, from, Mark { packet, offset }, &mut self.plain);
        }
    }

    fn finish_with_holes(mut self) -> Seen {
        let packet = self.line.last;
        for from in [Peer::Edge, Peer::Origin] {
            while let Some((at, _)) = self.streams[from].waiting.first_key_value() {
                let offset = self.streams[from].offset;
                let len = at - offset;
                self.session.gap(&mut self.line, from, len, Mark { packet, offset }, &mut self.plain);
                self.streams[from].offset += len;
                self.deliver_waiting(from, packet, &mut |len| vec![len]);
            }
        }
        self.finish()
    }
}

/// Link type, time and bytes of each packet.
fn packets(capture: &[u8]) -> Vec<(u32, Time, &[u8])> {
    let little = matches!(capture[..4], [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]);
    let nanos = matches!(capture[..4], [0x4d, 0x3c, ..] | [0xa1, 0xb2, 0x3c, 0x4d]);
    let word = |at: usize| {
        let bytes = capture[at..at + 4].try_into().expect("four bytes");
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while at + 16 <= capture.len() {
        let fraction = i64::from(word(at + 4)) * if nanos { 1 } else { 1_000 };
        let time = Time(i64::from(word(at)) * 1_000_000_000 + fraction);
        let len = word(at + 8) as usize;
        let Some(bytes) = capture.get(at + 16..at + 16 + len) else { break };
        packets.push((word(20), time, bytes));
        at += 16 + len;
    }
    packets
}

fn tcp_of(link: u32, frame: &[u8]) -> Option<(Endpoint, Endpoint, TcpSlice<'_>)> {
    let packet = match link {
        1 => LaxSlicedPacket::from_ethernet(frame).ok()?,
        113 => LaxSlicedPacket::from_ip(frame.get(16..)?).ok()?,
        0 => LaxSlicedPacket::from_ip(frame.get(4..)?).ok()?,
        _ => LaxSlicedPacket::from_ip(frame).ok()?,
    };
    let (source, target): (IpAddr, IpAddr) = match packet.net? {
        LaxNetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        LaxNetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        LaxNetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = packet.transport? else { return None };
    let source = Endpoint { address: source, port: tcp.source_port() };
    let target = Endpoint { address: target, port: tcp.destination_port() };
    Some((source, target, tcp))
}
