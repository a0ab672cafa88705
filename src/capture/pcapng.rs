//! The pcapng format (draft-ietf-opsawg-pcapng): sections of typed blocks.

use std::io;
use std::ops::Range;

use super::buffer::Buffer;
use super::error::Damage;
use super::interface::{Interface, InterfaceDescription};
use super::link_type::LinkType;
use super::order::Order;
use super::reader::{Header, MAX_PACKET_BYTES, Record};
use crate::timeline::Time;

/// Position in a pcapng file.
pub(super) struct Pcapng {
    order: Order,
    /// Interfaces of the current section.
    interfaces: Vec<Interface>,
    /// Interfaces of the sections that are over.
    interfaces_before: u32,
    /// Interface of the last packet, in its section.
    interface: u32,
    link_types: Vec<LinkType>,
    packets: u64,
    /// Drops of the sections that are over.
    dropped: u64,
    /// Time of the last packet, for the packets that have none.
    last: Time,
}

impl Pcapng {
    pub(super) fn new() -> Self {
        Self {
            order: Order::Little,
            interfaces: Vec::new(),
            interfaces_before: 0,
            interface: 0,
            link_types: Vec::new(),
            packets: 0,
            dropped: 0,
            last: Time::default(),
        }
    }

    pub(super) fn link_types(&self) -> &[LinkType] {
        &self.link_types
    }

    /// Packets that were dropped, as the interface statistics blocks say.
    pub(super) fn dropped(&self) -> u64 {
        self.interfaces.iter().fold(self.dropped, |sum, interface| sum.saturating_add(interface.dropped))
    }

    /// The interface of the last packet, and its number among those of all sections.
    pub(super) fn last_interface(&self) -> Option<(u32, &InterfaceDescription)> {
        let interface = self.interfaces.get(self.interface as usize)?;
        Some((self.interfaces_before.saturating_add(self.interface), &interface.described))
    }

    /// The next record that is of interest.
    ///
    /// # Errors
    /// Why nothing more can be read.
    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Record, Damage> {
        loop {
            if !self.fill(buffer, HEAD)? {
                return if buffer.available() == 0 { Ok(Record::End) } else { Err(self.cut_block(buffer)) };
            }
            let Some(head) = buffer.peek() else { return Err(self.cut_block(buffer)) };
            let block = self.head(head).map_err(|reason| self.bad(buffer, reason))?;
            if !block.is_read() {
                self.skip(buffer, block)?;
                if matches!(block.kind, CUSTOM | CUSTOM_NOT_COPIED | SYSTEMD_JOURNAL) {
                    return Ok(Record::Numbered);
                }
            } else if let Some(record) = self.whole(buffer, block)? {
                return Ok(record);
            }
        }
    }

    /// block type (4), block total length (4), and of a section header the byte-order magic (4)
    fn head(&mut self, head: &[u8; HEAD]) -> Result<Block, &'static str> {
        let &[t0, t1, t2, t3, l0, l1, l2, l3, m0, m1, m2, m3] = head;
        let kind = self.order.u32([t0, t1, t2, t3]);
        if kind == SECTION_HEADER {
            self.order = match [m0, m1, m2, m3] {
                [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
                [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
                _ => return Err("is a section header without byte-order magic"),
            };
        }
        // Some writers leave the padding out of the length.
        let len = u64::from(self.order.u32([l0, l1, l2, l3])).next_multiple_of(4);
        if len < HEAD as u64 { Err("is shorter than its own header") } else { Ok(Block { kind, len }) }
    }

    fn skip(&self, buffer: &mut Buffer, block: Block) -> Result<(), Damage> {
        let offset = buffer.offset();
        match buffer.skip(block.len) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Damage::EndsInsideBlock { packets: self.packets, offset }),
            Err(error) => Err(self.unreadable(buffer, &error)),
        }
    }

    /// Reads a block into the buffer and takes it apart; none where it yields no record.
    fn whole(&mut self, buffer: &mut Buffer, block: Block) -> Result<Option<Record>, Damage> {
        if block.len > block.bound() {
            return Err(self.too_long(buffer, block));
        }
        let len = block.len as usize;
        if !self.fill(buffer, len)? {
            return Err(if block.is_packet() { self.cut(buffer) } else { self.cut_block(buffer) });
        }
        let bytes = buffer.ahead().get(..len).unwrap_or_default();
        let read = self.read(block.kind, bytes).map_err(|reason| self.bad(buffer, reason))?;
        let from = buffer.consume(len).start;
        let within = |range: Range<usize>| from.saturating_add(range.start)..from.saturating_add(range.end);
        Ok(read.map(|record| match record {
            Record::Packet(header) => Record::Packet(Header { data: within(header.data), ..header }),
            Record::Secrets(range) => Record::Secrets(within(range)),
            Record::Numbered | Record::End => record,
        }))
    }

    /// Takes one whole block apart; ranges count from its first byte.
    fn read(&mut self, kind: u32, block: &[u8]) -> Result<Option<Record>, &'static str> {
        let order = self.order;
        let (head, trailer) = block.split_last_chunk::<4>().ok_or("has no end")?;
        if !trailer_fits(order, *trailer, block.len()) {
            return Err("does not repeat its length at its end");
        }
        let body = head.get(BODY..).unwrap_or_default();
        match kind {
            SECTION_HEADER => {
                self.dropped = self.dropped();
                self.interfaces_before = self.interfaces_before.saturating_add(self.interfaces.len() as u32);
                self.interfaces.clear();
                Ok(None)
            }
            INTERFACE => self.interface(body).map(|()| None),
            INTERFACE_STATISTICS => {
                let id = order.words::<1>(body).map_or(0, |[id]| id);
                if let Some(interface) = self.interfaces.get_mut(id as usize) {
                    interface.statistics(order, body);
                }
                Ok(None)
            }
            DECRYPTION_SECRETS => Ok(key_log(order, body).map(Record::Secrets)),
            _ => self.packet(kind, body).map(|header| Some(Record::Packet(header))),
        }
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), &'static str> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err("declares one interface too many");
        }
        let interface = Interface::new(self.order, body).ok_or("is too short for an interface")?;
        let link = interface.described.link;
        if self.link_types.len() < MAX_LINK_TYPES && !self.link_types.contains(&link) {
            self.link_types.push(link);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// A packet of one of the three kinds: enhanced, simple, and the obsolete one.
    fn packet(&mut self, kind: u32, body: &[u8]) -> Result<Header, &'static str> {
        let order = self.order;
        let (id, ticks, captured, wire_len, at) = if kind == SIMPLE_PACKET {
            let [wire_len] = order.words(body).ok_or(SHORT)?;
            let snap_len = self.interfaces.first().map_or(0, |interface| interface.described.snap_len);
            let stored = u32::try_from(body.len().saturating_sub(4)).unwrap_or(u32::MAX);
            let cut = if snap_len == 0 { u32::MAX } else { snap_len };
            (0, None, wire_len.min(stored).min(cut), wire_len, 4)
        } else {
            let [id, high, low, captured, wire_len] = order.words(body).ok_or(SHORT)?;
            let id = if kind == ENHANCED_PACKET { id } else { obsolete_id(order, body) };
            (id, Some(u64::from(high) << 32 | u64::from(low)), captured, wire_len, 20)
        };
        let interface = self.interfaces.get(id as usize).ok_or("belongs to an interface that was not declared")?;
        let end = (captured as usize).saturating_add(at);
        if end > body.len() {
            return Err("holds fewer bytes than its packet claims");
        }
        self.interface = id;
        self.last = ticks.map_or(self.last, |ticks| interface.clock.time(ticks));
        self.packets = self.packets.saturating_add(1);
        let data = BODY.saturating_add(at)..BODY.saturating_add(end);
        Ok(Header { time: self.last, link: interface.described.link, wire_len: wire_len.max(captured), data })
    }

    #[inline]
    fn fill(&self, buffer: &mut Buffer, len: usize) -> Result<bool, Damage> {
        buffer.fill(len).map_err(|error| self.unreadable(buffer, &error))
    }

    fn unreadable(&self, buffer: &Buffer, error: &io::Error) -> Damage {
        let offset = buffer.offset().saturating_add(buffer.available() as u64);
        Damage::Unreadable { packets: self.packets, offset, reason: error.to_string() }
    }

    fn too_long(&self, buffer: &Buffer, block: Block) -> Damage {
        if block.is_packet() {
            Damage::TooLong { packet: self.packets.saturating_add(1), offset: buffer.offset(), len: block.len }
        } else {
            self.bad(buffer, "is longer than any such block may be")
        }
    }

    fn bad(&self, buffer: &Buffer, reason: &'static str) -> Damage {
        Damage::BadBlock { packets: self.packets, offset: buffer.offset(), reason }
    }

    fn cut(&self, buffer: &Buffer) -> Damage {
        Damage::EndsInsidePacket { packet: self.packets.saturating_add(1), offset: buffer.offset() }
    }

    fn cut_block(&self, buffer: &Buffer) -> Damage {
        Damage::EndsInsideBlock { packets: self.packets, offset: buffer.offset() }
    }
}

/// A block's type, and its length with header and trailer.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    len: u64,
}

impl Block {
    /// True where the block says something that is needed.
    fn is_read(self) -> bool {
        let others = [SECTION_HEADER, INTERFACE, INTERFACE_STATISTICS, DECRYPTION_SECRETS];
        self.is_packet() || others.contains(&self.kind)
    }

    fn is_packet(self) -> bool {
        matches!(self.kind, ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET)
    }

    fn bound(self) -> u64 {
        if self.kind == DECRYPTION_SECRETS { MAX_SECRETS_BYTES } else { MAX_BLOCK_BYTES }
    }
}

/// The obsolete packet block has 16 bits of interface, and then 16 bits of drops.
fn obsolete_id(order: Order, body: &[u8]) -> u32 {
    body.first_chunk().map_or(0, |id| order.u16(*id)).into()
}

fn trailer_fits(order: Order, trailer: [u8; 4], len: usize) -> bool {
    u64::from(order.u32(trailer)).next_multiple_of(4) == len as u64
}

/// secrets type (4), secrets length (4), secrets
fn key_log(order: Order, body: &[u8]) -> Option<Range<usize>> {
    let [kind, len] = order.words(body)?;
    let start = BODY + 8;
    let end = start.saturating_add(len as usize).min(BODY.saturating_add(body.len()));
    (kind == TLS_KEY_LOG).then_some(start..end)
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const SYSTEMD_JOURNAL: u32 = 9;
const DECRYPTION_SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;

const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Bytes of the smallest block, and of the part of each that is read first.
const HEAD: usize = 12;
/// Offset of a block's body.
const BODY: usize = 8;

const SHORT: &str = "is too short for a packet";

/// Interfaces of one section.
const MAX_INTERFACES: usize = 65_536;
/// Distinct link types that are remembered.
const MAX_LINK_TYPES: usize = 64;
/// A packet with its options: comments and the like.
const MAX_BLOCK_BYTES: u64 = MAX_PACKET_BYTES as u64 + 1024 * 1024;
/// A TLS key log: some 200,000 sessions.
const MAX_SECRETS_BYTES: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::order::Order::{self, Big, Little};
    use super::super::testing::{Read, block, enhanced, interface, option, section, u32s};

    fn one_interface(order: Order) -> Vec<u8> {
        [section(order), interface(order, 1, 0, &[])].concat()
    }

    #[test]
    fn sections_of_either_byte_order_have_their_own_interfaces() {
        let file = [
            section(Big),
            interface(Big, 113, 0, &option(Big, 9, &[9])),
            interface(Big, 101, 0, &[option(Big, 9, &[6]), option(Big, 14, &100_i64.to_be_bytes())].concat()),
            enhanced(Big, 0, 1_000_000_001, b"nano"),
            enhanced(Big, 1, 2_000_000, b"offset"),
            section(Little),
            interface(Little, 1, 0, &[]),
            enhanced(Little, 0, 103_000_000, b"micro"),
        ];
        let read = Read::bytes(&file.concat()).expect("a capture");
        let seen: Vec<_> = read.packets.iter().map(|packet| (packet.number, packet.nanos, packet.link)).collect();
        assert_eq!(seen, [(1, 1_000_000_001, 113), (2, 102_000_000_000, 101), (3, 103_000_000_000, 1)]);
        assert_eq!(read.texts(), ["nano", "offset", "micro"]);
        let names: Vec<_> = read.summaries[0].link_types.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["LINUX_SLL", "RAW", "EN10MB"]);
    }

    #[test]
    fn simple_packets_follow_the_snap_length_and_have_the_time_before() {
        let file = [
            section(Little),
            interface(Little, 1, 4, &[]),
            enhanced(Little, 0, 7_000_000, b"abcd"),
            block(Little, 3, &[&u32s(Little, &[9])[..], b"efgh"].concat()),
        ];
        let read = Read::bytes(&file.concat()).expect("a capture");
        assert_eq!(read.texts(), ["abcd", "efgh"]);
        assert_eq!((read.packets[1].nanos, read.packets[1].wire_len), (7_000_000_000, 9));
        assert_eq!(read.problems(), ["1 packet cut at 4 bytes"]);
    }

    #[test]
    fn the_obsolete_packet_block_is_read() {
        let head = [&[0, 0, 5, 0][..], &u32s(Little, &[0, 3_000_000, 2, 2]), b"xy"].concat();
        let read = Read::bytes(&[one_interface(Little), block(Little, 2, &head)].concat()).expect("a capture");
        assert_eq!((read.packets[0].nanos, &read.texts()[0][..]), (3_000_000_000, "xy"));
    }

    #[test]
    fn key_log_text_comes_before_the_packets_that_follow_it() {
        let text = b"CLIENT_RANDOM 00 11\n";
        let secrets = |kind| [&u32s(Little, &[kind, text.len() as u32])[..], text].concat();
        let file = [
            one_interface(Little),
            enhanced(Little, 0, 1, b"a"),
            block(Little, 10, &secrets(0x544c_534b)),
            block(Little, 10, &secrets(0x5747_4b4c)),
            enhanced(Little, 0, 2, b"b"),
        ];
        let read = Read::bytes(&file.concat()).expect("a capture");
        assert_eq!(read.secrets, [(1, "CLIENT_RANDOM 00 11\n".to_owned())]);
        assert_eq!(read.texts(), ["a", "b"]);
    }

    #[test]
    fn other_blocks_are_passed_over_and_numbered_as_wireshark_does() {
        let mut file = one_interface(Little);
        for kind in [4, 0x7777] {
            file.extend(block(Little, kind, &vec![1; 40_000]));
        }
        for kind in [9, 0x0bad, 0x4000_0bad] {
            file.extend(block(Little, kind, b"data"));
        }
        file.extend(enhanced(Little, 0, 1, b"a"));
        assert_eq!(Read::bytes(&file).expect("a capture").packets[0].number, 4);
    }

    #[test]
    fn drops_are_told_once_though_the_counters_run_on() {
        let statistics = |dropped: u64| {
            let options = [option(Little, 5, &dropped.to_le_bytes()), option(Little, 7, &2_u64.to_le_bytes())].concat();
            block(Little, 5, &[&u32s(Little, &[0, 0, 0])[..], &options].concat())
        };
        let file = [one_interface(Little), enhanced(Little, 0, 1, b"a"), statistics(3), statistics(10)].concat();
        let read = Read::bytes(&[&file[..], &section(Little)].concat()).expect("a capture");
        assert_eq!(read.problems(), ["12 packets dropped while capturing"]);
        assert!(read.summaries[0].is_damaged());
    }

    #[test]
    fn packets_before_a_cut_are_whole_and_the_cut_is_told() {
        let start = [one_interface(Little), enhanced(Little, 0, 1, b"a")].concat();
        let whole = [&start[..], &enhanced(Little, 0, 2, b"b")].concat();
        for len in start.len() + 12..whole.len() {
            let read = Read::bytes(&whole[..len]).expect("one packet is whole");
            assert_eq!(read.texts(), ["a"]);
            assert_eq!(read.problems(), [format!("ends inside packet 2 (offset {})", start.len())]);
        }
    }

    #[test]
    fn broken_blocks_end_the_file() {
        let start = [one_interface(Little), enhanced(Little, 0, 1, b"a")].concat();
        let mut no_trailer = enhanced(Little, 0, 2, b"b");
        no_trailer.pop();
        no_trailer.push(1);
        for (broken, reason) in [
            (u32s(Little, &[6, 8, 0]), "is shorter than its own header"),
            (no_trailer, "does not repeat its length at its end"),
            (enhanced(Little, 1, 2, b"b"), "belongs to an interface that was not declared"),
            (block(Little, 6, &u32s(Little, &[0, 0, 0, 64, 64])), "holds fewer bytes than its packet claims"),
            (block(Little, 6, &[0; 16]), "is too short for a packet"),
            (block(Little, 1, &[0; 4]), "is too short for an interface"),
            (u32s(Little, &[1, 0xffff_fff0, 0]), "is longer than any such block may be"),
            (u32s(Little, &[0x0a0d_0d0a, 28, 7]), "is a section header without byte-order magic"),
        ] {
            let read = Read::bytes(&[&start[..], &broken].concat()).expect("one packet is whole");
            assert_eq!(read.texts(), ["a"]);
            let told = format!("the block after packet 1 (offset {}) {reason}: damaged from there on", start.len());
            assert_eq!(read.problems(), [told]);
        }
    }
}
