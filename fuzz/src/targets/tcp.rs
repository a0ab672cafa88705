//! Two streams put into order, by operations: what two peers and the network between them can do, and what none would.

use std::cell::Cell;
use std::rc::Rc;

use pcap520::capture::{LinkType, Packet};
use pcap520::tcp::{Application, MaxMemory, Records, Roles, Table};
use pcap520::timeline::{ByPeer, HalfOpen, Mark, PacketRef, Peer, Time, Timeline};
use pcap520::wire::{Decoded, Decoder};

use super::super::bytes::Bytes;
use super::super::packets::{ACK, EDGE, FIN, ORIGIN, RST, SYN, Tcp};

/// Runs operations on one connection. Each stream comes out in order, every byte or its absence once, and as long as no
/// peer says two things of one place, with the bytes that were sent. Where the first sequence number is odd, the capture
/// begins with the handshake.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut network = Network::new([bytes.u32(), bytes.u32()]);
    if network.honest.get() {
        network.segment(0, u32::MAX, 0, SYN, &[], &[], 0);
        network.segment(1, u32::MAX, 0, SYN | ACK, &[], &[], 0);
    }
    while !bytes.is_empty() {
        network.operation(&mut bytes);
    }
    network.finish();
}

struct Network {
    table: Table<Witness>,
    decoder: Decoder,
    first: [u32; 2],
    /// Bytes that each side has sent.
    sent: [u32; 2],
    at: PacketRef,
    last: Vec<u8>,
    /// The capture holds the handshake, and nobody has forged a segment so far: offsets and bytes are as they were sent.
    honest: Rc<Cell<bool>>,
}

impl Network {
    fn new(first: [u32; 2]) -> Self {
        Self {
            table: Table::new(Roles::default(), MaxMemory::default()),
            decoder: Decoder::new(),
            first,
            sent: [0; 2],
            at: PacketRef { number: 0, time: Time(1_700_000_000_000_000_000) },
            last: Vec::new(),
            honest: Rc::new(Cell::new(first[0] % 2 == 1)),
        }
    }

    fn operation(&mut self, bytes: &mut Bytes<'_>) {
        let operation = bytes.u8();
        let side = usize::from(operation & 1);
        let sent = self.sent[side];
        match operation >> 1 & 15 {
            0 | 1 => {
                let len = u32::from(bytes.u16() % 3000);
                self.data(side, sent, len, 0);
                self.sent[side] = sent.wrapping_add(len);
            }
            2 | 3 => {
                let back = u32::from(bytes.u16()).min(sent);
                let len = u32::from(bytes.u16() % 3000).min(back);
                self.data(side, sent - back, len, 0);
            }
            // Lost, or missed by the capture.
            4 => self.sent[side] = sent.wrapping_add(bytes.u16().into()),
            5 | 6 => {
                let back = u32::from(bytes.u8());
                let other = self.sent[1 - side];
                self.segment(side, sent, other.saturating_sub(back), ACK, &[], &[], 0);
            }
            7 => self.segment(side, sent, self.sent[1 - side], FIN | ACK, &[], &[], 0),
            8 => self.segment(side, sent, self.sent[1 - side], RST | (operation & 0x10), &[], &[], 0),
            9 => {
                let options = bytes.short(40);
                let ack = if side == 0 { 0 } else { ACK };
                self.segment(side, u32::MAX, 0, SYN | ack, options, &[], 0);
            }
            10 => {
                let cut = bytes.u8();
                let len = u32::from(bytes.u16() % 1500);
                self.data(side, sent, len, cut.into());
                self.sent[side] = sent.wrapping_add(len + u32::from(cut));
            }
            11 => self.at.time.0 = self.at.time.0.saturating_add(i64::from(bytes.u32().cast_signed()) * 100_000),
            12 => {
                let again = std::mem::take(&mut self.last);
                self.give(&again, again.len() as u32);
            }
            13 => {
                self.honest.set(false);
                let (seq, ack, flags) = (bytes.u32(), bytes.u32(), bytes.u8());
                let options = bytes.short(40);
                let payload = bytes.short(255);
                self.segment(side, seq, ack, flags, options, payload, bytes.u8().into());
            }
            14 => {
                // An ICMP error that quotes the last packet.
                let quoted = &self.last[..self.last.len().min(28)];
                let icmp = [&[3, bytes.u8() % 16, 0, 0, 0, 0, 5, bytes.u8()], quoted].concat();
                let packet = super::super::packets::ipv4(ORIGIN, EDGE, 1, 64, 0, &icmp);
                self.give(&packet, packet.len() as u32);
            }
            _ => {
                self.segment(side, sent.wrapping_sub(1), self.sent[1 - side], ACK, &[], &[], 0);
            }
        }
    }

    /// Sends the bytes that belong at `offset`.
    fn data(&mut self, side: usize, offset: u32, len: u32, cut: u32) {
        let payload: Vec<u8> = (0..len).map(|at| byte(side, u64::from(offset) + u64::from(at))).collect();
        self.segment(side, offset, self.sent[1 - side], ACK, &[], &payload, cut);
    }

    #[allow(clippy::too_many_arguments)]
    fn segment(&mut self, side: usize, seq: u32, ack: u32, flags: u8, options: &[u8], payload: &[u8], cut: u32) {
        let (edge, origin) = ((EDGE, 40_000), (ORIGIN, 80));
        let (from, to) = if side == 0 { (edge, origin) } else { (origin, edge) };
        let packet = Tcp {
            from,
            to,
            seq: self.first[side].wrapping_add(1).wrapping_add(seq),
            ack: self.first[1 - side].wrapping_add(1).wrapping_add(ack),
            flags,
            window: if flags & 0x20 == 0 { 1000 } else { 0 },
            ttl: 60 + side as u8,
            id: self.at.number as u16,
            options,
            payload,
        };
        let mut packet = packet.packet();
        if cut > 0 && packet.len() + (cut as usize) < 65_536 {
            let len = (packet.len() as u16 + cut as u16).to_be_bytes();
            packet[2..4].copy_from_slice(&len);
        }
        self.give(&packet, packet.len() as u32 + cut);
        self.last = packet;
    }

    fn give(&mut self, data: &[u8], wire_len: u32) {
        self.at.number += 1;
        self.at.time.0 = self.at.time.0.saturating_add(100_000);
        let packet = Packet { number: self.at.number, time: self.at.time, link: LinkType::RAW, wire_len, data };
        let honest = &self.honest;
        match self.decoder.decode(&packet) {
            Decoded::Tcp(segment) => {
                self.table.segment(self.at, &segment, || Witness::new(Rc::clone(honest)), &mut Checker)
            }
            Decoded::Icmp(error) => self.table.icmp(self.at, &error, || Witness::new(Rc::clone(honest))),
            Decoded::Other(_) => {}
        }
    }

    fn finish(mut self) {
        let honest = self.honest;
        self.table.finish(|| Witness::new(Rc::clone(&honest)), &mut Checker);
    }
}

fn byte(side: usize, offset: u64) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8) ^ (side as u64) << 7) as u8
}

/// Looks at the record of every connection.
struct Checker;

impl Records for Checker {
    fn ended(&mut self, line: &mut Timeline) {
        check(line);
    }

    fn given_up(&mut self, _: &HalfOpen) -> bool {
        false
    }
}

fn check(line: &Timeline) {
    for peer in [Peer::Edge, Peer::Origin] {
        let direction = &line.direction[peer];
        assert!(direction.fins.len() <= 64 && direction.rsts.len() <= 64);
        assert!(direction.lost <= direction.packets);
    }
    assert!(line.connect.syns.len() <= 64 && line.connect.syn_acks.len() <= 64 && line.unreachable.len() <= 64);
}

/// The layers above: they take what TCP promises at its word.
struct Witness {
    expected: ByPeer<u64>,
    ended: ByPeer<bool>,
    honest: Rc<Cell<bool>>,
}

impl Witness {
    fn new(honest: Rc<Cell<bool>>) -> Self {
        Self { expected: ByPeer::default(), ended: ByPeer::default(), honest }
    }
}

impl Application for Witness {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        assert_eq!(start.offset, self.expected[from], "in order, each byte once");
        assert!(!bytes.is_empty(), "nothing is no data");
        if self.honest.get() && line.index == 0 {
            let side = usize::from(from == Peer::Origin);
            let sent = |at: usize| byte(side, start.offset + at as u64);
            assert!(bytes.iter().enumerate().all(|(at, given)| *given == sent(at)), "the bytes that were sent");
        }
        self.expected[from] += bytes.len() as u64;
    }

    fn gap(&mut self, _: &mut Timeline, from: Peer, len: u64, start: Mark) {
        assert_eq!(start.offset, self.expected[from], "a gap stands where the bytes would");
        // A gap of length 0 says that the capture began later.
        let first = self.expected[from] == 0 && !self.ended[from];
        assert!(len > 0 || first, "nothing is missing after something came");
        self.expected[from] += len;
    }

    fn end_of_stream(&mut self, _: &mut Timeline, from: Peer, at: Mark) {
        assert_eq!(at.offset, self.expected[from], "the end stands behind the bytes before it");
        assert!(!self.ended[from], "a stream ends once");
        self.ended[from] = true;
    }

    fn finish(&mut self, _: &mut Timeline) {}
}
