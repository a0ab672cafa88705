//! A conversation of two hosts, written as it would be told, for tests.

use std::net::{IpAddr, Ipv4Addr};

use super::{Answered, Application, Asked, MaxMemory, Records, Roles, Table};
use crate::timeline::{HalfOpen, Mark, PacketRef, Peer, Time, Timeline};
use crate::wire::{Flags, Ip, Segment, SeqNumber, TcpOptions};

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const FIN: u8 = 0x01;

/// Writes down what it is handed: `E(...)` and `O(...)` for bytes, `E<n>` for gaps, `E.` for ends.
#[derive(Default)]
pub(super) struct Scribe(pub(super) std::rc::Rc<std::cell::RefCell<String>>);

impl Scribe {
    fn write(&self, from: Peer, text: &str) {
        let name = if from == Peer::Edge { 'E' } else { 'O' };
        self.0.borrow_mut().push_str(&format!("{name}{text} "));
    }
}

impl Application for Scribe {
    fn likely_sender(bytes: &[u8]) -> Option<Peer> {
        bytes.starts_with(b"E:").then_some(Peer::Edge)
    }

    /// Ordinary is what asks with `?`, and an answer that begins with its length.
    fn glance_at_request(bytes: &[u8]) -> Option<Asked> {
        bytes.ends_with(b"?").then(Asked::default)
    }

    fn glance_at_response(_: &Asked, bytes: &[u8]) -> Option<Answered> {
        let digit = bytes.first().filter(|digit| digit.is_ascii_digit())?;
        Some(Answered { len: u64::from(digit - b'0'), ..Answered::default() })
    }

    fn data(&mut self, _: &mut Timeline, from: Peer, bytes: &[u8], _: Mark) {
        self.write(from, &format!("({})", String::from_utf8_lossy(bytes)));
    }

    fn gap(&mut self, _: &mut Timeline, from: Peer, len: u64, _: Mark) {
        self.write(from, &format!("<{len}>"));
    }

    fn end_of_stream(&mut self, _: &mut Timeline, from: Peer, _: Mark) {
        self.write(from, ".");
    }

    fn finish(&mut self, _: &mut Timeline) {}
}

impl Records for Vec<Timeline> {
    fn ended(&mut self, line: &mut Timeline) {
        self.push(line.take());
    }

    fn given_up(&mut self, _: &HalfOpen) -> bool {
        false
    }
}

/// Keeps what statistics are made of, and how many records it was made of.
#[derive(Default)]
pub(super) struct Statistics {
    pub(super) told: Vec<Timeline>,
    pub(super) records: usize,
}

impl Records for Statistics {
    fn ended(&mut self, line: &mut Timeline) {
        self.told.push(line.take());
        self.records += 1;
    }

    fn wants_all(&self) -> bool {
        false
    }

    fn ordinary(&mut self, line: &Timeline) {
        self.told.push(line.clone());
    }

    fn given_up(&mut self, _: &HalfOpen) -> bool {
        false
    }
}

/// A generator of pseudo-random numbers (xorshift), so that a failure can be repeated.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// One segment, with the fields that tests change.
#[derive(Clone, Copy)]
pub(super) struct Told {
    from: Peer,
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) ttl: u8,
    pub(super) id: u16,
    pub(super) window: u16,
    pub(super) payload: &'static [u8],
    pub(super) after_ms: i64,
}

/// Two hosts that count their own sequence numbers.
#[derive(Clone)]
pub(super) struct Conversation {
    next: [u32; 2],
    ids: [u16; 2],
    told: Vec<Told>,
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self { next: [1_000, u32::MAX - 2], ids: [100, 7_000], told: Vec::new() }
    }

    /// SYN, SYN-ACK, ACK.
    pub(super) fn handshake(self) -> Self {
        self.syn(Peer::Edge).syn(Peer::Origin).ack(Peer::Edge)
    }

    pub(super) fn syn(self, from: Peer) -> Self {
        let flags = if from == Peer::Edge { SYN } else { SYN | ACK };
        self.tell(from, flags, b"")
    }

    /// A SYN of the edge with data (RFC 7413).
    pub(super) fn syn_says(self, payload: &'static [u8]) -> Self {
        self.tell(Peer::Edge, SYN, payload)
    }

    pub(super) fn ack(self, from: Peer) -> Self {
        self.tell(from, ACK, b"")
    }

    pub(super) fn says(self, from: Peer, payload: &'static [u8]) -> Self {
        self.tell(from, ACK, payload)
    }

    pub(super) fn fin(self, from: Peer) -> Self {
        self.tell(from, FIN | ACK, b"")
    }

    pub(super) fn rst(self, from: Peer) -> Self {
        self.tell(from, RST | ACK, b"")
    }

    /// Changes the segment that was told last.
    pub(super) fn but(mut self, change: impl FnOnce(&mut Told)) -> Self {
        change(self.told.last_mut().expect("something was told"));
        self
    }

    /// Changes every segment.
    pub(super) fn each(mut self, change: impl FnMut(&mut Told)) -> Self {
        self.told.iter_mut().for_each(change);
        self
    }

    /// The capture does not hold the segment that was told last.
    pub(super) fn unseen(mut self) -> Self {
        self.told.pop();
        self
    }

    /// The capture holds the last two segments the other way round.
    pub(super) fn swapped(mut self) -> Self {
        let last = self.told.len() - 1;
        self.told.swap(last - 1, last);
        self
    }

    /// The capture holds the segment at place `from` at place `to`, and all from there on at one time.
    pub(super) fn moved(mut self, from: usize, to: usize) -> Self {
        let told = self.told.remove(from);
        self.told.insert(to, told);
        self.told.iter_mut().skip(to).for_each(|told| told.after_ms = 0);
        self
    }

    /// The first `count` segments, and the others.
    pub(super) fn split(mut self, count: usize) -> (Self, Self) {
        let others = self.told.split_off(count);
        (self.clone(), Self { told: others, ..self })
    }

    /// The capture does not hold the first `count` segments.
    pub(super) fn skip(self, count: usize) -> Self {
        self.split(count).1
    }

    /// The segments of another conversation come after these.
    pub(super) fn followed_by(mut self, other: Self) -> Self {
        self.told.extend(other.told);
        self
    }

    /// The last segment is told once more.
    pub(super) fn again(mut self) -> Self {
        let last = *self.told.last().expect("something was told");
        self.told.push(last);
        self
    }

    fn tell(mut self, from: Peer, flags: u8, payload: &'static [u8]) -> Self {
        let (own, other) = (from as usize, from.other() as usize);
        self.ids[own] += 1;
        self.told.push(Told {
            from,
            flags,
            seq: self.next[own],
            ack: self.next[other],
            ttl: if from == Peer::Edge { 57 } else { 64 },
            id: self.ids[own],
            window: 500,
            payload,
            after_ms: 10,
        });
        let len = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[own] = self.next[own].wrapping_add(len);
        self
    }

    /// Every record that came of it, in order of their index, and what the application heard.
    pub(super) fn hear(self) -> (Vec<Timeline>, String) {
        let mut lines = Vec::new();
        let heard = self.hear_into(&mut lines);
        (lines, heard)
    }

    /// What the application heard; the records go to `records`.
    pub(super) fn hear_into(self, records: &mut impl Records) -> String {
        let heard = std::rc::Rc::default();
        let mut table: Table<Scribe> = Table::new(Roles::default(), MaxMemory::default());
        let mut time = 0;
        for (nth, told) in self.told.iter().enumerate() {
            time += told.after_ms * 1_000_000;
            let packet = PacketRef { number: nth as u64 + 1, time: Time(time) };
            table.segment(packet, &told.segment(), || Scribe(std::rc::Rc::clone(&heard)), records);
        }
        table.finish(|| Scribe(std::rc::Rc::clone(&heard)), records);
        let heard: &std::cell::RefCell<String> = &heard;
        heard.borrow().trim_end().to_owned()
    }

    /// The only record that came of it.
    pub(super) fn line(self) -> Timeline {
        let (mut lines, _) = self.hear();
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }
}

impl Told {
    fn segment(&self) -> Segment<'static> {
        let address = |peer| match peer {
            Peer::Edge => (IpAddr::V4(Ipv4Addr::new(172, 68, 0, 1)), 40_001),
            Peer::Origin => (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80),
        };
        let ((source, source_port), (destination, destination_port)) = (address(self.from), address(self.from.other()));
        Segment {
            ip: Ip { source, destination, ttl: self.ttl, id: Some(self.id), dont_fragment: true },
            source_port,
            destination_port,
            seq: SeqNumber(self.seq),
            ack: SeqNumber(self.ack),
            flags: Flags(self.flags),
            window: self.window,
            urgent: 0,
            options: TcpOptions::default(),
            payload: self.payload,
            payload_len: self.payload.len() as u32,
        }
    }
}
