//! Two peers, written frame by frame, so that a test reads as a dialogue.

use super::super::Http2;
use super::super::frame::{FrameHeader, Kind, PREFACE};
use crate::tcp::Application;
use crate::timeline::{Endpoint, Mark, PacketRef, Peer, Time, Timeline};

pub(super) const END_STREAM: u8 = FrameHeader::END_STREAM;
pub(super) const END_HEADERS: u8 = FrameHeader::END_HEADERS;
pub(super) const WHOLE: u8 = END_STREAM | END_HEADERS;

pub(super) const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "https"), (":path", "/cart"), (":authority", "shop.example")];
pub(super) const HEAD: &[(&str, &str)] =
    &[(":method", "HEAD"), (":scheme", "https"), (":path", "/cart"), (":authority", "shop.example")];
pub(super) const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "https"), (":path", "/order"), (":authority", "shop.example")];
pub(super) const OK: &[(&str, &str)] = &[(":status", "200"), ("server", "unit")];

/// What was said: each turn is one packet.
#[derive(Clone)]
pub(super) struct Dialogue {
    turns: Vec<Turn>,
    upgraded: Option<Timeline>,
}

#[derive(Clone)]
enum Turn {
    Bytes(Peer, Vec<u8>),
    Gap(Peer, u64),
    End(Peer),
}

impl Dialogue {
    /// Nothing was said yet.
    pub(super) fn silent() -> Self {
        Self { turns: Vec::new(), upgraded: None }
    }

    /// The connection after both have exchanged and acknowledged their settings, in packets 1 to 3.
    pub(super) fn new() -> Self {
        Self::silent().edge().preface().settings(&[]).origin().settings(&[(3, 100)]).ack().edge().ack()
    }

    /// As [`Self::new`], and the edge has asked for `/cart` on stream 1 in packet 4.
    pub(super) fn asked() -> Self {
        Self::new().edge().headers(1, WHOLE, GET)
    }

    /// After `101 Switching Protocols` to the last exchange of `line`.
    pub(super) fn upgraded(line: Timeline) -> Self {
        Self { upgraded: Some(line), ..Self::silent() }
    }

    /// The edge speaks from here on, in a new packet.
    pub(super) fn edge(self) -> Self {
        self.turn(Turn::Bytes(Peer::Edge, Vec::new()))
    }

    /// The origin speaks from here on, in a new packet.
    pub(super) fn origin(self) -> Self {
        self.turn(Turn::Bytes(Peer::Origin, Vec::new()))
    }

    /// The capture misses this many bytes of `from`.
    pub(super) fn gap(self, from: Peer, len: u64) -> Self {
        self.turn(Turn::Gap(from, len))
    }

    /// The FIN of `from`.
    pub(super) fn end(self, from: Peer) -> Self {
        self.turn(Turn::End(from))
    }

    fn turn(mut self, turn: Turn) -> Self {
        self.turns.push(turn);
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        match self.turns.last_mut() {
            Some(Turn::Bytes(_, said)) => said.extend_from_slice(bytes),
            _ => panic!("nobody speaks"),
        }
        self
    }

    pub(super) fn preface(self) -> Self {
        self.raw(PREFACE)
    }

    pub(super) fn frame(self, kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Self {
        let head = frame_header(payload.len(), kind, flags, stream);
        self.raw(&head).raw(payload)
    }

    pub(super) fn settings(self, parameters: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> =
            parameters.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        self.frame(Kind::SETTINGS, 0, 0, &payload)
    }

    pub(super) fn ack(self) -> Self {
        self.frame(Kind::SETTINGS, FrameHeader::ACK, 0, &[])
    }

    pub(super) fn headers(self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> Self {
        self.frame(Kind::HEADERS, flags, stream, &block(fields))
    }

    pub(super) fn continuation(self, stream: u32, flags: u8, block: &[u8]) -> Self {
        self.frame(Kind::CONTINUATION, flags, stream, block)
    }

    pub(super) fn push(self, stream: u32, promised: u32, fields: &[(&str, &str)]) -> Self {
        let payload = [&promised.to_be_bytes()[..], &block(fields)].concat();
        self.frame(Kind::PUSH_PROMISE, END_HEADERS, stream, &payload)
    }

    pub(super) fn data(self, stream: u32, flags: u8, data: &[u8]) -> Self {
        self.frame(Kind::DATA, flags, stream, data)
    }

    pub(super) fn reset(self, stream: u32, error: u32) -> Self {
        self.frame(Kind::RST_STREAM, 0, stream, &error.to_be_bytes())
    }

    pub(super) fn window(self, stream: u32, increment: u32) -> Self {
        self.frame(Kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
    }

    pub(super) fn ping(self) -> Self {
        self.frame(Kind::PING, 0, 0, b"12345678")
    }

    pub(super) fn goaway(self, last: u32, error: u32, debug: &str) -> Self {
        let payload = [&last.to_be_bytes()[..], &error.to_be_bytes(), debug.as_bytes()].concat();
        self.frame(Kind::GOAWAY, 0, 0, &payload)
    }

    /// The first `len` bytes of what was said last are all that comes.
    pub(super) fn cut(mut self, len: usize) -> Self {
        if let Some(Turn::Bytes(_, said)) = self.turns.last_mut() {
            said.truncate(len);
        }
        self
    }

    /// Every byte that was said, to be changed.
    pub(super) fn bytes_mut(&mut self) -> impl Iterator<Item = &mut u8> {
        self.turns.iter_mut().flat_map(|turn| match turn {
            Turn::Bytes(_, said) => said.as_mut_slice(),
            Turn::Gap(..) | Turn::End(_) => &mut [],
        })
    }

    /// What [`Http2`] makes of it.
    pub(super) fn told(&self) -> Timeline {
        self.told_in_pieces(usize::MAX)
    }

    /// The same, where bytes come in pieces of this size.
    pub(super) fn told_in_pieces(&self, size: usize) -> Timeline {
        let mut http2 = if self.upgraded.is_some() { Http2::after_upgrade() } else { Http2::new() };
        let mut line = self.upgraded.clone().unwrap_or_else(empty_line);
        let mut offsets = [0, 0];
        for (packet, turn) in (1..).zip(&self.turns) {
            match turn {
                Turn::Bytes(from, bytes) => {
                    for piece in bytes.chunks(size) {
                        let offset = &mut offsets[*from as usize];
                        http2.data(&mut line, *from, piece, mark(packet, *offset));
                        *offset += piece.len() as u64;
                    }
                }
                Turn::Gap(from, len) => {
                    let offset = &mut offsets[*from as usize];
                    http2.gap(&mut line, *from, *len, mark(packet, *offset));
                    *offset += len;
                }
                Turn::End(from) => http2.end_of_stream(&mut line, *from, mark(packet, offsets[*from as usize])),
            }
        }
        http2.finish(&mut line);
        line
    }
}

pub(super) fn frame_header(length: usize, kind: Kind, flags: u8, stream: u32) -> [u8; 9] {
    let [_, l0, l1, l2] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [l0, l1, l2, kind.0, flags, s0, s1, s2, s3]
}

/// Fields as literals that are not indexed (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                len @ 0..127 => block.push(len as u8),
                len => {
                    block.push(127);
                    let mut rest = len - 127;
                    while rest >= 128 {
                        block.push(rest as u8 | 0x80);
                        rest >>= 7;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The packet with this number, a millisecond after the one before.
pub(super) fn packet(number: u64) -> PacketRef {
    PacketRef { number, time: Time(number as i64 * 1_000_000) }
}

pub(super) fn mark(number: u64, offset: u64) -> Mark {
    Mark { packet: packet(number), offset }
}

pub(super) fn empty_line() -> Timeline {
    let end = |port| Endpoint { address: [10, 0, 0, 1].into(), port };
    Timeline::new(0, end(40_000), end(80), packet(1))
}
