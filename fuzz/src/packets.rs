//! Packets and capture files, built by hand: the fuzzer may say in them what no library would.

use std::net::Ipv4Addr;

pub const EDGE: Ipv4Addr = Ipv4Addr::new(172, 68, 0, 1);
pub const ORIGIN: Ipv4Addr = Ipv4Addr::new(10, 52, 0, 2);

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

pub const ETHERNET: u32 = 1;
pub const RAW: u32 = 101;

/// One packet of a capture file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Microseconds since 1970.
    pub micros: u64,
    pub link: u32,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

impl Frame {
    pub fn new(micros: u64, link: u32, data: Vec<u8>) -> Self {
        Self { micros, link, wire_len: data.len() as u32, data }
    }
}

/// A TCP segment over IPv4, without a link header.
#[derive(Clone, Debug)]
pub struct Tcp<'a> {
    pub from: (Ipv4Addr, u16),
    pub to: (Ipv4Addr, u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub ttl: u8,
    pub id: u16,
    pub options: &'a [u8],
    pub payload: &'a [u8],
}

impl Tcp<'_> {
    pub fn packet(&self) -> Vec<u8> {
        let header = 20 + self.options.len().min(40).next_multiple_of(4);
        let mut tcp = Vec::with_capacity(header + self.payload.len());
        tcp.extend(self.from.1.to_be_bytes());
        tcp.extend(self.to.1.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([(header as u8 / 4) << 4, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(&self.options[..self.options.len().min(40)]);
        tcp.resize(header, 0);
        tcp.extend(self.payload);
        ipv4(self.from.0, self.to.0, 6, self.ttl, self.id, &tcp)
    }
}

/// An IPv4 packet; a payload that its length field cannot say is said as far as it can.
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, ttl: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(len.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend([0x40, 0, ttl, protocol, 0, 0]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut packet = Vec::from(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// An Ethernet frame of this EtherType.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole connection, packet by packet: handshake first, every segment acknowledged.
pub struct Conversation {
    pub frames: Vec<Frame>,
    pub micros: u64,
    client: (Ipv4Addr, u16),
    server: (Ipv4Addr, u16),
    /// The next sequence numbers of client and server.
    seq: [u32; 2],
}

impl Conversation {
    /// Opens a connection whose streams begin at these sequence numbers.
    pub fn open(client_port: u16, server_port: u16, micros: u64, seq: [u32; 2]) -> Self {
        let (client, server) = ((EDGE, client_port), (ORIGIN, server_port));
        let mut conversation = Self { frames: Vec::new(), micros, client, server, seq };
        conversation.segment(0, SYN, &[2, 4, 5, 0xb4], &[]);
        conversation.segment(1, SYN | ACK, &[2, 4, 5, 0xb4], &[]);
        conversation.segment(0, ACK, &[], &[]);
        conversation
    }

    pub fn client(&mut self, bytes: &[u8]) {
        self.say(0, bytes);
    }

    pub fn server(&mut self, bytes: &[u8]) {
        self.say(1, bytes);
    }

    fn say(&mut self, side: usize, bytes: &[u8]) {
        for piece in bytes.chunks(1460) {
            self.segment(side, PSH | ACK, &[], piece);
        }
        self.segment(1 - side, ACK, &[], &[]);
    }

    pub fn close(&mut self, first: usize) {
        self.segment(first, FIN | ACK, &[], &[]);
        self.segment(1 - first, FIN | ACK, &[], &[]);
        self.segment(first, ACK, &[], &[]);
    }

    /// Sends a segment that counts in its stream.
    pub fn segment(&mut self, side: usize, flags: u8, options: &[u8], payload: &[u8]) {
        self.segment_at(side, self.seq[side], flags, options, payload);
        let takes = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.seq[side] = self.seq[side].wrapping_add(takes);
    }

    /// Sends a segment with any sequence number.
    pub fn segment_at(&mut self, side: usize, seq: u32, flags: u8, options: &[u8], payload: &[u8]) {
        let (from, to) = if side == 0 { (self.client, self.server) } else { (self.server, self.client) };
        let (ack, window) = (if flags & ACK == 0 { 0 } else { self.seq[1 - side] }, 0xffff);
        let id = self.frames.len() as u16;
        let tcp = Tcp { from, to, seq, ack, flags, window, ttl: 60 + 4 * side as u8, id, options, payload };
        self.micros += 100;
        self.frames.push(Frame::new(self.micros, ETHERNET, ethernet(0x0800, &tcp.packet())));
    }

    /// The next sequence number of a side.
    pub fn seq(&self, side: usize) -> u32 {
        self.seq[side]
    }

    /// The bytes of the stream that the capture does not hold.
    pub fn skip(&mut self, side: usize, len: u32) {
        self.seq[side] = self.seq[side].wrapping_add(len);
    }
}

/// A pcap file (little endian, microseconds) of frames that have one link type: the first one's.
pub fn pcap(frames: &[Frame]) -> Vec<u8> {
    let link = frames.first().map_or(ETHERNET, |frame| frame.link);
    let mut file = Vec::from(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    file.extend([0; 8]);
    file.extend(0x0004_0000_u32.to_le_bytes());
    file.extend(link.to_le_bytes());
    for frame in frames {
        file.extend(((frame.micros / 1_000_000) as u32).to_le_bytes());
        file.extend(((frame.micros % 1_000_000) as u32).to_le_bytes());
        file.extend((frame.data.len() as u32).to_le_bytes());
        file.extend(frame.wire_len.to_le_bytes());
        file.extend(&frame.data);
    }
    file
}

/// A pcapng file (little endian, microseconds): one interface for each link type.
pub fn pcapng(frames: &[Frame]) -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    let mut links: Vec<u32> = Vec::new();
    for frame in frames {
        let interface = links.iter().position(|link| *link == frame.link).unwrap_or_else(|| {
            block(&mut file, 1, &[&frame.link.to_le_bytes()[..], &[0; 4]].concat());
            links.push(frame.link);
            links.len() - 1
        });
        let words = [
            interface as u32,
            (frame.micros >> 32) as u32,
            frame.micros as u32,
            frame.data.len() as u32,
            frame.wire_len,
        ];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend(&frame.data);
        block(&mut file, 6, &body);
    }
    file
}

/// One pcapng block.
pub fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let len = (padded as u32 + 12).to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(len);
    file.extend(body);
    file.resize(file.len() + padded - body.len(), 0);
    file.extend(len);
}

/// The frames of a capture file, as far as the reader of pcap520 understands it.
pub fn read(path: &std::path::Path) -> Vec<Frame> {
    use pcap520::capture::{Input, Item};
    let mut frames = Vec::new();
    let Ok(mut input) = Input::open(&[path.to_owned()]) else { return frames };
    while let Ok(Some(item)) = input.next_item() {
        if let Item::Packet(packet) = item {
            frames.push(Frame {
                micros: u64::try_from(packet.time.0 / 1_000).unwrap_or(0),
                link: u32::from(packet.link.0),
                wire_len: packet.wire_len,
                data: packet.data.to_vec(),
            });
        }
    }
    frames
}

/// The frames of a pcap file that [`pcap`] could have written; none where it is another format or damaged.
pub fn parse(file: &[u8]) -> Option<Vec<Frame>> {
    let (header, mut rest) = file.split_first_chunk::<24>()?;
    if header[..4] != 0xa1b2_c3d4_u32.to_le_bytes() {
        return None;
    }
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let link = word(header, 20) & 0xffff;
    let mut frames = Vec::new();
    while let Some((record, behind)) = rest.split_first_chunk::<16>() {
        let data = behind.get(..word(record, 8) as usize)?;
        let micros = u64::from(word(record, 0)) * 1_000_000 + u64::from(word(record, 4));
        frames.push(Frame { micros, link, wire_len: word(record, 12), data: data.to_vec() });
        rest = &behind[data.len()..];
    }
    Some(frames)
}
