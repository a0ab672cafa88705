//! The classic pcap format (draft-ietf-opsawg-pcap): a file header, then packets.

use super::buffer::Buffer;
use super::error::Damage;
use super::interface::InterfaceDescription;
use super::link_type::LinkType;
use super::order::Order;
use super::reader::{HEADER_BYTES, Header, MAX_PACKET_BYTES, Record};
use crate::timeline::Time;

/// Position in a pcap file.
pub(super) struct Pcap {
    layout: Layout,
    interface: InterfaceDescription,
    /// File headers before the one that holds, where files were joined with `cat`.
    joined: u32,
    /// Link types of the file: more than one only where files were joined with `cat`.
    link_types: Vec<LinkType>,
    packets: u64,
}

/// What the file header says of the records.
#[derive(Clone, Copy)]
struct Layout {
    order: Order,
    /// Nanoseconds that the second number of a time counts.
    tick: i64,
    /// Length of a packet's header.
    header_len: usize,
    snap_len: u32,
    link: LinkType,
}

impl Pcap {
    /// Reads the file header.
    ///
    /// # Errors
    /// The capture ends inside it.
    pub(super) fn open(buffer: &mut Buffer) -> Result<Self, Damage> {
        let layout = buffer.peek().and_then(Layout::new);
        let layout = layout.ok_or(Damage::EndsInsideHeader { len: buffer.available() as u64 })?;
        buffer.consume(HEADER_BYTES);
        Ok(Self { layout, interface: layout.interface(), joined: 0, link_types: vec![layout.link], packets: 0 })
    }

    /// The interface of the last packet: one for each file header.
    pub(super) fn last_interface(&self) -> (u32, &InterfaceDescription) {
        (self.joined, &self.interface)
    }

    pub(super) fn link_types(&self) -> &[LinkType] {
        &self.link_types
    }

    /// The next packet.
    ///
    /// # Errors
    /// Why nothing more can be read.
    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Record, Damage> {
        loop {
            let header_len = self.layout.header_len;
            if !self.fill(buffer, header_len)? {
                return if buffer.available() == 0 { Ok(Record::End) } else { Err(self.cut(buffer)) };
            }
            let Some(header) = buffer.peek().and_then(|header| self.layout.packet(header)) else {
                self.join(buffer)?;
                continue;
            };
            let len = header.data.len();
            if len > MAX_PACKET_BYTES {
                return Err(Damage::TooLong {
                    packet: self.packets.saturating_add(1),
                    offset: buffer.offset(),
                    len: len as u64,
                });
            }
            if !self.fill(buffer, header_len.saturating_add(len))? {
                return Err(self.cut(buffer));
            }
            if let Some(header) = self.take(buffer) {
                return Ok(Record::Packet(header));
            }
        }
    }

    /// The next packet, where the block holds all of it.
    #[inline]
    pub(super) fn take(&mut self, buffer: &mut Buffer) -> Option<Header> {
        let header = self.layout.packet(buffer.peek()?)?;
        let (header_len, len) = (self.layout.header_len, header.data.len());
        if len > MAX_PACKET_BYTES || header_len.saturating_add(len) > buffer.available() {
            return None;
        }
        self.packets = self.packets.saturating_add(1);
        buffer.consume(header_len);
        Some(Header { data: buffer.consume(len), ..header })
    }

    /// Adds the packets that come next to `headers`, as far as the block holds all of them, until there are `limit`.
    pub(super) fn take_many(&mut self, buffer: &mut Buffer, headers: &mut Vec<Header>, limit: usize) {
        match self.layout.order {
            Order::Little => self.take_many_in(u32::from_le_bytes, buffer, headers, limit),
            Order::Big => self.take_many_in(u32::from_be_bytes, buffer, headers, limit),
        }
    }

    /// The order of the numbers is settled before the loop, not in it.
    #[inline]
    fn take_many_in(
        &mut self,
        number: impl Fn([u8; 4]) -> u32,
        buffer: &mut Buffer,
        headers: &mut Vec<Header>,
        limit: usize,
    ) {
        let (layout, before) = (self.layout, headers.len());
        let (mut rest, mut taken) = (buffer.ahead(), 0_usize);
        while headers.len() < limit {
            let Some(header) = rest.first_chunk().and_then(|header| layout.packet_in(&number, header)) else { break };
            let len = header.data.len();
            let Some(whole) = layout.header_len.checked_add(len).filter(|_| len <= MAX_PACKET_BYTES) else { break };
            let Some(behind) = rest.get(whole..) else { break };
            let from = taken.wrapping_add(layout.header_len);
            rest = behind;
            taken = taken.wrapping_add(whole);
            headers.push(Header { data: from..taken, ..header });
        }
        self.packets = self.packets.saturating_add(headers.len().saturating_sub(before) as u64);
        let start = buffer.consume(taken).start;
        for header in headers.iter_mut().skip(before) {
            header.data.start = header.data.start.wrapping_add(start);
            header.data.end = header.data.end.wrapping_add(start);
        }
    }

    /// Reads a second file header where a packet was due: files were joined with `cat`.
    #[cold]
    fn join(&mut self, buffer: &mut Buffer) -> Result<(), Damage> {
        if !self.fill(buffer, HEADER_BYTES)? {
            return Err(self.cut(buffer));
        }
        self.layout = buffer.peek().and_then(Layout::new).ok_or_else(|| self.cut(buffer))?;
        buffer.consume(HEADER_BYTES);
        self.interface = self.layout.interface();
        self.joined = self.joined.saturating_add(1);
        if self.link_types.len() < MAX_JOINED && !self.link_types.contains(&self.layout.link) {
            self.link_types.push(self.layout.link);
        }
        Ok(())
    }

    #[inline]
    fn fill(&self, buffer: &mut Buffer, len: usize) -> Result<bool, Damage> {
        buffer.fill(len).map_err(|error| Damage::Unreadable {
            packets: self.packets,
            offset: buffer.offset().saturating_add(buffer.available() as u64),
            reason: error.to_string(),
        })
    }

    fn cut(&self, buffer: &Buffer) -> Damage {
        Damage::EndsInsidePacket { packet: self.packets.saturating_add(1), offset: buffer.offset() }
    }
}

impl Layout {
    /// magic (4), version (2 + 2), reserved (4 + 4), snap length (4), link type with FCS length (4)
    fn new(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let &[m0, m1, m2, m3, .., s0, s1, s2, s3, l0, l1, l2, l3] = header;
        let order = order_of([m0, m1, m2, m3])?;
        let magic = order.u32([m0, m1, m2, m3]);
        // The upper half says how long the frame check sequence is: IP's own length takes care of it.
        let [.., high, low] = order.u32([l0, l1, l2, l3]).to_be_bytes();
        Some(Self {
            order,
            tick: if magic == NANOSECONDS { 1 } else { 1_000 },
            header_len: if magic == MODIFIED { 24 } else { 16 },
            snap_len: order.u32([s0, s1, s2, s3]),
            link: LinkType(u16::from_be_bytes([high, low])),
        })
    }

    /// What the header of a packet says, its bytes counted from the header's end; none for a second file header: no
    /// packet is meant, the time of one that began with a magic number would be in the year 2055.
    #[inline]
    fn packet(&self, header: &[u8; 16]) -> Option<Header> {
        self.packet_in(|bytes| self.order.u32(bytes), header)
    }

    #[inline(always)]
    fn packet_in(&self, number: impl Fn([u8; 4]) -> u32, header: &[u8; 16]) -> Option<Header> {
        let &[t0, t1, t2, t3, f0, f1, f2, f3, c0, c1, c2, c3, w0, w1, w2, w3] = header;
        let seconds = number([t0, t1, t2, t3]);
        if matches!(seconds, MICROSECONDS | NANOSECONDS | MODIFIED) {
            return None;
        }
        let fraction = i64::from(number([f0, f1, f2, f3]));
        let captured = number([c0, c1, c2, c3]);
        Some(Header {
            time: Time(
                i64::from(seconds).saturating_mul(1_000_000_000).saturating_add(fraction.saturating_mul(self.tick)),
            ),
            link: self.link,
            wire_len: number([w0, w1, w2, w3]).max(captured),
            data: 0..captured as usize,
        })
    }

    fn interface(&self) -> InterfaceDescription {
        InterfaceDescription { link: self.link, snap_len: self.snap_len, name: None, description: None }
    }
}

/// True where a file that begins with these bytes is a pcap.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    order_of(magic).is_some()
}

fn order_of(magic: [u8; 4]) -> Option<Order> {
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| matches!(order.u32(magic), MICROSECONDS | NANOSECONDS | MODIFIED))
}

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Kuznetzov's variant of the format: 8 more bytes in each packet's header (interface, protocol, direction).
const MODIFIED: u32 = 0xa1b2_cd34;

/// Distinct link types that are remembered of files that were joined.
const MAX_JOINED: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::order::Order;
    use super::super::testing::{Read, pcap, pcap_header, pcap_packet, u32s};

    #[test]
    fn both_byte_orders_and_both_resolutions() {
        for (order, magic, nanos) in [
            (Order::Little, 0xa1b2_c3d4, 5_000_000_007_000),
            (Order::Big, 0xa1b2_c3d4, 5_000_000_007_000),
            (Order::Little, 0xa1b2_3c4d, 5_000_000_000_007),
            (Order::Big, 0xa1b2_3c4d, 5_000_000_000_007),
        ] {
            let file = [pcap_header(order, magic, 276), pcap_packet(order, 5_000, 7, b"abc")].concat();
            let read = Read::bytes(&file).expect("a capture");
            let packet = &read.packets[0];
            assert_eq!((packet.number, packet.nanos, packet.link, &packet.data[..]), (1, nanos, 276, &b"abc"[..]));
            assert!(read.problems().is_empty());
        }
    }

    #[test]
    fn the_modified_format_has_a_longer_packet_header() {
        let mut file = pcap_header(Order::Little, 0xa1b2_cd34, 1);
        file.extend(u32s(Order::Little, &[1, 0, 3, 3, 99, 99]));
        file.extend(b"abc");
        assert_eq!(Read::bytes(&file).expect("a capture").texts(), ["abc"]);
    }

    #[test]
    fn the_length_of_the_frame_check_sequence_is_no_part_of_the_link_type() {
        let file = [pcap_header(Order::Little, 0xa1b2_c3d4, 0x2400_0001), pcap_packet(Order::Little, 1, 0, b"a")];
        assert_eq!(Read::bytes(&file.concat()).expect("a capture").packets[0].link, 1);
    }

    #[test]
    fn a_header_alone_is_a_capture_without_packets() {
        let read = Read::bytes(&pcap(&[])).expect("a capture");
        assert!(read.packets.is_empty() && read.problems().is_empty());
        assert_eq!(read.summaries[0].link_types.len(), 1);
    }

    #[test]
    fn packets_before_a_cut_are_whole_and_the_cut_is_told() {
        let whole = pcap(&[(1, b"first"), (2, b"second")]);
        for len in 24 + 21 + 1..whole.len() {
            let read = Read::bytes(&whole[..len]).expect("one packet is whole");
            assert_eq!(read.texts(), ["first"]);
            assert_eq!(read.problems(), ["ends inside packet 2 (offset 45)"]);
        }
    }

    #[test]
    fn a_cut_before_the_first_packets_end_is_an_error() {
        let whole = pcap(&[(1, b"first")]);
        for len in 4..whole.len() {
            let read = Read::bytes(&whole[..len]);
            assert_eq!(read.is_err(), len != 24, "{len} bytes");
        }
    }

    #[test]
    fn an_impossible_length_ends_the_file_without_an_allocation_of_that_size() {
        let mut file = pcap(&[(1, b"first")]);
        file.extend(u32s(Order::Little, &[2, 0, 0xffff_fff0, 64]));
        let read = Read::bytes(&file).expect("one packet is whole");
        assert_eq!(read.texts(), ["first"]);
        assert!(
            read.problems()[0].starts_with("packet 2 (offset 45) claims 4294967280 bytes"),
            "{:?}",
            read.problems()
        );
    }

    #[test]
    fn packets_larger_than_the_block_are_read() {
        let large = vec![7; 3_000_000];
        let read = Read::bytes(&pcap(&[(1, b"a"), (2, &large), (3, b"b")])).expect("a capture");
        assert_eq!(read.packets[1].data, large);
        assert_eq!(read.packets[2].data, b"b");
    }

    #[test]
    fn files_joined_with_cat_are_read_on() {
        let second = [pcap_header(Order::Little, 0xa1b2_3c4d, 101), pcap_packet(Order::Little, 2, 5, b"b")].concat();
        let read = Read::bytes(&[pcap(&[(1, b"a")]), second].concat()).expect("a capture");
        assert_eq!(read.texts(), ["a", "b"]);
        assert_eq!((read.packets[1].nanos, read.packets[1].link), (2_000_000_005, 101));
    }
}
