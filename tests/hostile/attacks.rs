//! Captures that attack one bound each; all of them grow with one number.

use std::io::Write as _;

use super::fuzz::bytes::Random;
use super::fuzz::mutate;
use super::fuzz::packets::{
    ACK, Conversation, EDGE, ETHERNET, FIN, Frame, ORIGIN, PSH, RAW, RST, SYN, Tcp, block, ethernet, ipv4, pcap,
    pcapng, udp,
};
use super::fuzz::seeds::frame;

/// A capture that grows with the number that it is made from.
pub struct Attack {
    pub name: &'static str,
    pub make: fn(usize) -> Vec<u8>,
}

pub const ALL: &[Attack] = &[
    Attack { name: "a SYN flood", make: syn_flood },
    Attack { name: "open connections", make: open_connections },
    Attack { name: "refused connections", make: refused },
    Attack { name: "ports used again and again", make: reused_port },
    Attack { name: "requests in segments of one byte", make: one_byte_segments },
    Attack { name: "segments in reverse", make: |n| segments(n, |index, n| n - 1 - index) },
    Attack { name: "every second segment missing", make: |n| segments(n, |index, _| index * 2) },
    Attack { name: "segments in any order", make: shuffled },
    Attack { name: "the same segment again", make: |n| segments(n, |_, _| 1) },
    Attack { name: "acknowledged holes", make: acknowledged_holes },
    Attack { name: "a stream over the end of sequence numbers", make: wrapped },
    Attack { name: "pipelined requests without an answer", make: pipelined },
    Attack { name: "time that runs backwards", make: backwards },
    Attack { name: "resets", make: |n| flood_of(n, RST) },
    Attack { name: "FINs", make: |n| flood_of(n, FIN | ACK) },
    Attack { name: "ICMP errors", make: icmp },
    Attack { name: "datagrams in fragments that overlap", make: overlapping_fragments },
    Attack { name: "first fragments of many datagrams", make: lonely_fragments },
    Attack { name: "tunnels in tunnels", make: nested_tunnels },
    Attack { name: "gigantic options", make: options },
    Attack {
        name: "responses to nothing",
        make: |n| http(b"", &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".repeat(n)),
    },
    Attack {
        name: "interim responses",
        make: |n| http(GET, &b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(n)),
    },
    Attack {
        name: "field lines",
        make: |n| http(GET, &[&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(n)].concat()),
    },
    Attack {
        name: "a field without end",
        make: |n| http(GET, &[&b"HTTP/1.1 200 OK\r\nX: "[..], &b"aaaa".repeat(n)].concat()),
    },
    Attack {
        name: "broken field lines",
        make: |n| http(GET, &[&b"HTTP/1.1 200 OK\r\n"[..], &b"\0 : \x01\n".repeat(n)].concat()),
    },
    Attack { name: "chunks of one byte", make: |n| http(GET, &chunked(&b"1\r\na\r\n".repeat(n))) },
    Attack { name: "chunk extensions", make: |n| http(GET, &chunked(&[&b"1"[..], &b";a=b".repeat(n)].concat())) },
    Attack { name: "chunk sizes at their limit", make: |n| http(GET, &chunked(&b"ffffffffffffffff\r\n".repeat(n))) },
    Attack { name: "trailers", make: |n| http(GET, &chunked(&[&b"0\r\n"[..], &b"X: y\r\n".repeat(n)].concat())) },
    Attack { name: "a gzip bomb in a body", make: |n| http(GET, &gzip_body(n)) },
    Attack { name: "text that is no HTTP", make: |n| http(&b"EHLO a\r\n".repeat(n), &b"250 a\r\n".repeat(n)) },
    Attack { name: "HTTP/2 streams", make: |n| h2(n, |s| frame(1, 5, s, GET_BLOCK)) },
    Attack {
        name: "HTTP/2 streams that are reset",
        make: |n| h2(n, |s| [frame(1, 5, s, GET_BLOCK), frame(3, 0, s, &[0, 0, 0, 8])].concat()),
    },
    Attack { name: "HTTP/2 settings", make: |n| h2(n, |s| frame(4, 0, 0, &s.to_be_bytes().repeat(6)[..24])) },
    Attack { name: "HTTP/2 pings", make: |n| h2(n, |_| frame(6, 0, 0, &[7; 8])) },
    Attack { name: "HTTP/2 priorities", make: |n| h2(n, |s| frame(2, 0, s, &[0, 0, 0, 0, 1])) },
    Attack { name: "HTTP/2 continuations without end", make: continuations },
    Attack { name: "an HPACK bomb", make: hpack_bomb },
    Attack {
        name: "HPACK table sizes",
        make: |n| h2(n, |s| frame(1, 5, s, &[0x3f, 0xe1, 0x1f, 0x20, 0x82, 0x87, 0x84])),
    },
    Attack { name: "frames of unknown types", make: |n| h2(n, |s| frame(0xbb, 0xff, s, b"")) },
    Attack { name: "TLS records of one byte", make: |n| tls(&[0x16, 3, 3, 0, 1, 1].repeat(n), b"") },
    Attack {
        name: "TLS records without bytes",
        make: |n| tls(&[0x16, 3, 1, 0, 0].repeat(n), &[0x17, 3, 3, 0, 0].repeat(n)),
    },
    Attack { name: "TLS alerts", make: |n| tls(CLIENT_HELLO, &[0x15, 3, 3, 0, 2, 1, 90].repeat(n)) },
    Attack { name: "TLS handshake messages", make: |n| tls(CLIENT_HELLO, &[0x16, 3, 3, 0, 4, 0, 0, 0, 0].repeat(n)) },
    Attack {
        name: "a TLS message of 16 MiB",
        make: |n| {
            tls(
                CLIENT_HELLO,
                &[&[0x16, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff][..], &[0; 16_380][..], &[0x16, 3, 3, 0x40, 0]]
                    .concat()
                    .repeat(n / 64 + 1),
            )
        },
    },
    Attack { name: "absurd certificates", make: certificates },
    Attack { name: "interfaces", make: interfaces },
    Attack { name: "key logs in the capture", make: secrets },
    Attack { name: "a packed capture", make: |n| mutate::gzip(&pcap(&zeros(n * 16))) },
];

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn endpoint(index: usize) -> (std::net::Ipv4Addr, u16) {
    (std::net::Ipv4Addr::from(u32::from(EDGE) + (index / 60_000) as u32), 1_024 + (index % 60_000) as u16)
}

fn segment(from: (std::net::Ipv4Addr, u16), to: (std::net::Ipv4Addr, u16), flags: u8, payload: &[u8]) -> Vec<u8> {
    let (seq, ack) = (1_000, if flags & ACK == 0 { 0 } else { 1_001 });
    Tcp { from, to, seq, ack, flags, window: 1_000, ttl: 60, id: 1, options: &[], payload }.packet()
}

fn raw(packets: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let frames: Vec<Frame> = (1_000_000..).zip(packets).map(|(micros, data)| Frame::new(micros, RAW, data)).collect();
    pcap(&frames)
}

fn syn_flood(n: usize) -> Vec<u8> {
    raw((0..n).map(|index| segment(endpoint(index), (ORIGIN, 80), SYN, &[])))
}

fn open_connections(n: usize) -> Vec<u8> {
    raw((0..n).flat_map(|index| {
        let (edge, origin) = (endpoint(index), (ORIGIN, 80));
        [segment(edge, origin, SYN, &[]), segment(origin, edge, SYN | ACK, &[]), segment(edge, origin, ACK, GET)]
    }))
}

fn refused(n: usize) -> Vec<u8> {
    raw((0..n).flat_map(|index| {
        let (edge, origin) = (endpoint(index), (ORIGIN, 80));
        [segment(edge, origin, SYN, &[]), segment(origin, edge, RST | ACK, &[])]
    }))
}

fn reused_port(n: usize) -> Vec<u8> {
    raw((0..n).map(|index| {
        let (from, to, seq) = (endpoint(0), (ORIGIN, 80), index as u32 * 7_919);
        Tcp { from, to, seq, ack: 0, flags: SYN, window: 1_000, ttl: 60, id: 1, options: &[], payload: &[] }.packet()
    }))
}

fn one_byte_segments(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for byte in GET.repeat(n / GET.len() + 1).iter().take(n) {
        conversation.segment(0, PSH | ACK, &[], &[*byte]);
    }
    pcap(&conversation.frames)
}

/// Segments of 100 bytes behind a hole, at the places that `place` says.
fn segments(n: usize, place: impl Fn(usize, usize) -> usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for index in 0..n {
        let at = 8 + 100 * (1 + place(index, n)) as u32;
        conversation.segment_at(0, at, PSH | ACK, &[], &[b'a'; 100]);
    }
    pcap(&conversation.frames)
}

fn shuffled(n: usize) -> Vec<u8> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut random = Random::new(3);
    (1..n).rev().for_each(|index| order.swap(index, random.below(index + 1)));
    segments(n, |index, _| order[index])
}

fn acknowledged_holes(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    conversation.client(GET);
    for _ in 0..n {
        conversation.skip(1, 100);
        conversation.server(b"x");
        conversation.micros += 3_000;
    }
    pcap(&conversation.frames)
}

fn wrapped(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [u32::MAX - 20, u32::MAX - 50 * n as u32]);
    conversation.client(GET);
    conversation
        .server(&[&b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n"[..], &vec![0; n * 100]].concat());
    pcap(&conversation.frames)
}

/// Every request fails, and each report tells of each.
fn pipelined(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for _ in 0..n {
        conversation.client(GET);
    }
    conversation.close(1);
    pcap(&conversation.frames)
}

fn backwards(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for _ in 0..n {
        conversation.client(GET);
    }
    let last = conversation.micros;
    conversation.frames.iter_mut().for_each(|frame| frame.micros = last - frame.micros);
    pcap(&conversation.frames)
}

fn flood_of(n: usize, flags: u8) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for _ in 0..n {
        conversation.segment(1, flags, &[], &[]);
    }
    pcap(&conversation.frames)
}

fn icmp(n: usize) -> Vec<u8> {
    let syn = segment(endpoint(0), (ORIGIN, 80), SYN, &[]);
    let error = [&[3, 4, 0, 0, 0, 0, 5, 0xdc], &syn[..28]].concat();
    raw(std::iter::once(syn.clone()).chain((0..n).map(|_| ipv4(ORIGIN, EDGE, 1, 64, 0, &error))))
}

/// A fragment of a UDP datagram.
fn fragment(id: u16, offset: usize, more: bool, len: usize) -> Vec<u8> {
    let mut packet = ipv4(EDGE, ORIGIN, 6, 64, id, &vec![b'f'; len]);
    packet[6..8].copy_from_slice(&(u16::from(more) << 13 | (offset / 8) as u16).to_be_bytes());
    packet
}

fn overlapping_fragments(n: usize) -> Vec<u8> {
    raw((0..n).map(|index| fragment((index / 100) as u16, 8 * (index % 100), true, 800)))
}

fn lonely_fragments(n: usize) -> Vec<u8> {
    raw((0..n).map(|index| fragment(index as u16, 0, true, 1_400)))
}

fn nested_tunnels(n: usize) -> Vec<u8> {
    let mut data = segment(endpoint(0), (ORIGIN, 80), SYN, &[]);
    for layer in 0..500 {
        data = match layer % 3 {
            0 => ipv4(EDGE, ORIGIN, 4, 64, 0, &data),
            1 => ipv4(EDGE, ORIGIN, 47, 64, 0, &[&[0, 0, 8, 0], &data[..]].concat()),
            _ => ipv4(
                EDGE,
                ORIGIN,
                17,
                64,
                0,
                &udp(1, 4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &data)[..]].concat()),
            ),
        };
    }
    let tags = [&[0; 12][..], &[0x81, 0, 0, 1].repeat(5_000)].concat();
    pcap(
        &(0..n as u64 / 8 + 1)
            .flat_map(|at| {
                [Frame::new(at, RAW, data.clone()), Frame::new(at, ETHERNET, tags.clone())]
                    .map(|f| Frame { link: RAW, ..f })
            })
            .collect::<Vec<_>>(),
    )
}

fn options(n: usize) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1, [7, 9]);
    for index in 0..n {
        let options: Vec<u8> =
            (0..40).map(|at| [5, 34, 2, 4, 8, 10, 0, 255, index as u8][(at * 7 + index) % 9]).collect();
        conversation.segment(0, ACK, &options, &[]);
        conversation.segment(0, ACK, &[1; 40], &[]);
    }
    pcap(&conversation.frames)
}

fn http(request: &[u8], response: &[u8]) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 80, 1_000_000, [7, 9]);
    conversation.client(request);
    conversation.server(response);
    conversation.close(1);
    pcap(&conversation.frames)
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat()
}

/// Zeros that take a thousandth when they are packed.
fn gzip_body(n: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..n).for_each(|_| encoder.write_all(&[0; 16_384]).expect("a vector takes all"));
    let body = encoder.finish().expect("a vector takes all");
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), &body].concat()
}

/// GET / of example.org, without Huffman codes (RFC 7541 appendix A).
const GET_BLOCK: &[u8] = &[0x82, 0x87, 0x84, 0x01, 1, b'a'];

fn h2(n: usize, each: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let start = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
    let frames: Vec<u8> = (0..n as u32).flat_map(|index| each(2 * index + 1)).collect();
    let answers: Vec<u8> = (0..n as u32).flat_map(|index| frame(1, 5, 2 * index + 1, &[0x88])).collect();
    http(&[start, frames].concat(), &[frame(4, 0, 0, &[]), answers].concat())
}

fn continuations(n: usize) -> Vec<u8> {
    h2(1, |stream| {
        let more: Vec<u8> = (0..n).flat_map(|_| frame(9, 0, stream, &[0, 1, b'a', 1, b'b'])).collect();
        [frame(1, 1, stream, GET_BLOCK), more].concat()
    })
}

/// One large entry in the dynamic table, named by one byte again and again.
fn hpack_bomb(n: usize) -> Vec<u8> {
    let large = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e], &[b'v'; 4_000][..]].concat();
    h2(n / 64 + 1, |stream| {
        let block = [GET_BLOCK, &large, &[0xbe; 12_000]].concat();
        frame(1, 5, stream, &block)
    })
}

const CLIENT_HELLO: &[u8] = &[
    0x16, 3, 1, 0, 0x2f, 1, 0, 0, 0x2b, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 4, 0x13, 1, 0xc0, 0x2f, 1, 0,
];

fn tls(edge: &[u8], origin: &[u8]) -> Vec<u8> {
    let mut conversation = Conversation::open(40_000, 443, 1_000_000, [7, 9]);
    conversation.client(edge);
    conversation.server(origin);
    conversation.close(1);
    pcap(&conversation.frames)
}

/// A certificate message whose certificates nest DER sequences and repeat names.
fn certificates(n: usize) -> Vec<u8> {
    let mut der = vec![0x0c, 2, b'a', b'b'];
    for _ in 0..n.min(3_000) {
        let len = (der.len() as u32).to_be_bytes();
        der = [&[0x30, 0x83], &len[1..], &der].concat();
    }
    let entry = [&(der.len() as u32).to_be_bytes()[1..], &der].concat();
    let list = entry.repeat((n / 200).clamp(1, 8));
    let list = [&(list.len() as u32).to_be_bytes()[1..], &list].concat();
    let message = [&[11], &(list.len() as u32).to_be_bytes()[1..], &list].concat();
    let hello = [&[2, 0, 0, 38, 3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat();
    let records: Vec<u8> = [hello, message]
        .concat()
        .chunks(16_000)
        .flat_map(|piece| [&[0x16, 3, 3], &(piece.len() as u16).to_be_bytes()[..], piece].concat())
        .collect();
    tls(CLIENT_HELLO, &records)
}

fn interfaces(n: usize) -> Vec<u8> {
    let mut file = pcapng(&[]);
    for _ in 0..n {
        block(&mut file, 1, &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0, b'e', b't', b'h', b'0']);
    }
    file
}

fn secrets(n: usize) -> Vec<u8> {
    let mut file = pcapng(&[]);
    let line = |index: usize| format!("CLIENT_RANDOM {index:064x} {}\n", "00".repeat(48));
    let text: String = (0..n).map(line).collect();
    block(
        &mut file,
        10,
        &[&0x544c_534b_u32.to_le_bytes()[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat(),
    );
    file
}

fn zeros(n: usize) -> Vec<Frame> {
    (0..n as u64).map(|at| Frame::new(at, RAW, vec![0; 1_500])).collect()
}
