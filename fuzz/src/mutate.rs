//! Captures, bent: what is changed is a packet, a header or a length, not just a byte.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::bytes::Random;
use super::packets::{self, ETHERNET, Frame, RAW};

/// A capture file with a few things bent in it: its packets where it is a plain pcap file, then now and then its bytes.
pub fn file(original: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(mut frames) = packets::parse(original) else { return bytes(original.to_vec(), random) };
    for _ in 0..=random.below(4) {
        packets(&mut frames, random);
    }
    written(&frames, random)
}

/// Frames as a file, in one of the formats, and now and then with a few bytes broken.
pub fn written(frames: &[Frame], random: &mut Random) -> Vec<u8> {
    let mut file = if random.one_in(3) { packets::pcapng(frames) } else { packets::pcap(frames) };
    if random.one_in(8) {
        file = gzip(&file);
    }
    if random.one_in(3) { bytes(file, random) } else { file }
}

/// Bends the packets of a capture once.
pub fn packets(frames: &mut Vec<Frame>, random: &mut Random) {
    if frames.is_empty() {
        return;
    }
    let at = random.below(frames.len());
    let other = random.below(frames.len());
    match random.below(20) {
        // Dropped, repeated, reordered, a run of each, cut off.
        0 => drop(frames.remove(at)),
        1 => frames.insert(other, frames[at].clone()),
        2 => frames.swap(at, other),
        3 => drop(frames.drain(at..(at + 1 + random.below(8)).min(frames.len()))),
        4 => {
            let run: Vec<Frame> = frames[at..(at + 1 + random.below(16)).min(frames.len())].to_vec();
            frames.splice(other..other, run);
        }
        5 => frames[at.min(other)..=at.max(other)].reverse(),
        6 => frames.truncate(at + 1),
        7 => drop(frames.drain(..at)),
        // The snap length, and what the file says of the length on the wire.
        8 => {
            let len = random.below(frames[at].data.len() + 1);
            frames[at].data.truncate(len);
        }
        9 => {
            let snap = 14 + random.below(120);
            frames.iter_mut().for_each(|frame| frame.data.truncate(snap));
        }
        10 => frames[at].wire_len = random.edge_case() as u32,
        // Time: back, far on, the same everywhere.
        11 => frames[at].micros = random.edge_case() % 4_000_000_000_000_000,
        12 => {
            let jump = random.pick(&[1_000, 1_000_000, 60_000_000, 3_600_000_000]);
            frames[at..].iter_mut().for_each(|frame| frame.micros += jump);
        }
        13 => frames.iter_mut().for_each(|frame| frame.micros = 1),
        // Sequence numbers over their end.
        14 => shift_sequence(frames, random),
        // Headers.
        15 => field(&mut frames[at], random),
        16 => flags(&mut frames[at], random),
        17 => *frames = frames.iter().flat_map(|frame| fragments(frame, random)).collect(),
        18 => frames[at] = nested(&frames[at], random),
        // Payloads: spliced with another packet's, or bent byte by byte.
        _ => {
            let from = frames[other].data.clone();
            let target = &mut frames[at].data;
            if random.one_in(2) {
                *target = bytes(std::mem::take(target), random);
            } else {
                let (start, cut) = (random.below(from.len() + 1), random.below(target.len() + 1));
                target.truncate(cut);
                target.extend(&from[start..]);
                frames[at].wire_len = frames[at].data.len() as u32;
            }
        }
    }
}

/// Bends bytes of which nothing is known.
pub fn bytes(mut data: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        if data.is_empty() {
            return vec![random.next() as u8];
        }
        let at = random.below(data.len());
        match random.below(8) {
            0 => data[at] ^= 1 << random.below(8),
            1 => data[at] = random.edge_case() as u8,
            2 => data.truncate(at),
            3 => {
                let value = random.edge_case().to_be_bytes();
                let width = random.pick(&[2, 3, 4, 8]);
                let wide = &value[8 - width..];
                data.iter_mut().skip(at).zip(wide).for_each(|(to, from)| *to = *from);
            }
            4 => {
                let value = (random.edge_case() as u32).to_le_bytes();
                data.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = from);
            }
            5 => drop(data.drain(at..(at + 1 + random.below(64)).min(data.len()))),
            6 => {
                let piece = data[at..(at + 1 + random.below(64)).min(data.len())].to_vec();
                let to = random.below(data.len());
                data.splice(to..to, piece);
            }
            _ => {
                let word: &[u8] = random.pick(WORDS);
                data.splice(at..at, word.iter().copied());
            }
        }
    }
    data
}

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// Where the IPv4 header of a frame begins, and its TCP header, where they are where they mostly are.
fn headers(frame: &Frame) -> Option<(usize, usize)> {
    let ip = match frame.link {
        ETHERNET if frame.data.get(12..14)? == [8, 0] => 14,
        RAW => 0,
        _ => return None,
    };
    let first = *frame.data.get(ip)?;
    let tcp = ip + usize::from(first & 15) * 4;
    (first >> 4 == 4 && frame.data.get(ip + 9) == Some(&6) && frame.data.len() >= tcp + 20).then_some((ip, tcp))
}

/// One lie in a header of the packet.
fn field(frame: &mut Frame, random: &mut Random) {
    let Some((ip, tcp)) = headers(frame) else { return };
    // IPv4: version and length, total length, id, fragment offset, TTL, protocol. TCP: ports, numbers, offset, window.
    let (at, width) = random.pick(&[
        (ip, 1),
        (ip + 2, 2),
        (ip + 4, 2),
        (ip + 6, 2),
        (ip + 8, 1),
        (ip + 9, 1),
        (tcp, 2),
        (tcp + 2, 2),
        (tcp + 4, 4),
        (tcp + 8, 4),
        (tcp + 12, 1),
        (tcp + 14, 2),
    ]);
    let value = random.edge_case().to_be_bytes();
    frame.data[at..at + width].copy_from_slice(&value[8 - width..]);
}

fn flags(frame: &mut Frame, random: &mut Random) {
    if let Some((_, tcp)) = headers(frame) {
        frame.data[tcp + 13] ^= 1 << random.below(6);
    }
}

/// Moves the sequence numbers of both sides so that they run over 2^32.
fn shift_sequence(frames: &mut [Frame], random: &mut Random) {
    let by = random.edge_case() as u32;
    for frame in frames {
        let Some((_, tcp)) = headers(frame) else { continue };
        for at in [tcp + 4, tcp + 8] {
            let number = u32::from_be_bytes([0, 1, 2, 3].map(|byte| frame.data[at + byte])).wrapping_add(by);
            frame.data[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
    }
}

/// The packet in fragments that may overlap, repeat, or come in any order; now and then as it was.
fn fragments(frame: &Frame, random: &mut Random) -> Vec<Frame> {
    let Some((ip, _)) = headers(frame).filter(|_| !random.one_in(3)) else { return vec![frame.clone()] };
    let header = ip + usize::from(frame.data[ip] & 15) * 4;
    let payload = &frame.data[header..];
    let mut pieces = Vec::new();
    let step = 8 * (1 + random.below(16));
    let overlap = if random.one_in(2) { 8 } else { 0 };
    let mut offset = 0;
    while offset < payload.len() {
        let end = (offset + step + overlap).min(payload.len());
        let mut data = frame.data[..header].to_vec();
        let more = u16::from(end < payload.len()) << 13;
        data[ip + 2..ip + 4].copy_from_slice(&((header - ip + end - offset) as u16).to_be_bytes());
        data[ip + 6..ip + 8].copy_from_slice(&(more | (offset / 8) as u16).to_be_bytes());
        data.extend(&payload[offset..end]);
        pieces.push(Frame::new(frame.micros, frame.link, data));
        offset += step;
    }
    if random.one_in(2) && pieces.len() > 1 {
        let (a, b) = (random.below(pieces.len()), random.below(pieces.len()));
        pieces.swap(a, b);
    }
    pieces
}

/// The packet within tunnels within tunnels.
pub fn nested(frame: &Frame, random: &mut Random) -> Frame {
    let mut data = frame.data.clone();
    let mut is_ethernet = frame.link == ETHERNET;
    for _ in 0..=random.below(40) {
        if is_ethernet && random.one_in(2) {
            // A VLAN tag: what was the EtherType stands behind it.
            let tag = [0x81, 0, 0, random.next() as u8];
            data.splice(12.min(data.len())..12.min(data.len()), tag);
        } else if is_ethernet {
            let vxlan = [&[8, 0, 0, 0, 0, 0, 1, 0], &data[..]].concat();
            data = packets::ipv4(packets::EDGE, packets::ORIGIN, 17, 64, 0, &packets::udp(4789, 4789, &vxlan));
            is_ethernet = false;
        } else if random.one_in(2) {
            data = packets::ethernet(0x0800, &data);
            is_ethernet = true;
        } else {
            let (protocol, inner) =
                if random.one_in(2) { (4, data) } else { (47, [&[0, 0, 8, 0], &data[..]].concat()) };
            data = packets::ipv4(packets::EDGE, packets::ORIGIN, protocol, 64, 0, &inner);
        }
    }
    Frame::new(frame.micros, if is_ethernet { ETHERNET } else { RAW }, data)
}

/// What parsers wait for.
const WORDS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 \r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"HEAD * HTTP/1.0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"\x16\x03\x03\xff\xff",
    b"\x15\x03\x03\0\x02\x02\x28",
    b"\x17\x03\x03\x40\x01",
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"<script>alert(1)</script>",
    b"=cmd|' /C calc'!A0",
    b"\0",
    b"\xff\xff\xff\xff",
];
