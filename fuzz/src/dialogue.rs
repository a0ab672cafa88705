//! What two peers say to each other, as bytes: the form of the corpora of the targets above TCP.
//!
//! An operation is one byte: bit 0 is the peer (0 is the edge), bits 1 and 2 what it does (0 and 1 data, 2 a gap, 3 the
//! end of its stream), bit 3 a minute's silence before it. Data and gaps have their length in two more bytes, little
//! endian; data has its bytes behind that.

use pcap520::tcp::Application;
use pcap520::timeline::{ByPeer, Endpoint, Mark, PacketRef, Peer, Time, Timeline};

use super::bytes::Bytes;

const DATA: u8 = 0;
const GAP: u8 = 2;
const END: u8 = 3;

/// Hands a dialogue to `app`, and says what it learnt.
pub fn play(dialogue: &[u8], app: &mut dyn Application) -> Timeline {
    let mut bytes = Bytes(dialogue);
    let mut at = PacketRef { number: 1, time: Time(1_700_000_000_000_000_000) };
    let endpoint = |last: u8, port| Endpoint { address: [10, 0, 0, last].into(), port };
    let mut line = Timeline::new(0, endpoint(1, 40_000), endpoint(2, 443), at);
    let mut offset: ByPeer<u64> = ByPeer::default();
    let mut ended: ByPeer<bool> = ByPeer::default();
    while !bytes.is_empty() {
        let operation = bytes.u8();
        let from = if operation & 1 == 0 { Peer::Edge } else { Peer::Origin };
        at.number += 1;
        at.time.0 += if operation & 8 == 0 { 1_000_000 } else { 60_000_000_000 };
        line.last = at;
        let start = Mark { packet: at, offset: offset[from] };
        if ended[from] {
            continue;
        }
        match operation >> 1 & 3 {
            GAP => {
                let len = u64::from(bytes.u16());
                app.gap(&mut line, from, len, start);
                offset[from] += len;
            }
            END => {
                ended[from] = true;
                app.end_of_stream(&mut line, from, start);
            }
            _ => {
                let len = usize::from(bytes.u16());
                let data = bytes.take(len);
                if !data.is_empty() {
                    app.data(&mut line, from, data, start);
                    offset[from] += data.len() as u64;
                }
            }
        }
    }
    app.finish(&mut line);
    line
}

/// Writes down what a connection says: the way from captures to corpora.
#[derive(Default)]
pub struct Recorder {
    pub dialogue: Vec<u8>,
}

impl Recorder {
    fn operation(&mut self, from: Peer, what: u8) {
        self.dialogue.push(u8::from(from == Peer::Origin) | what << 1);
    }
}

impl Application for Recorder {
    fn data(&mut self, _: &mut Timeline, from: Peer, bytes: &[u8], _: Mark) {
        for piece in bytes.chunks(usize::from(u16::MAX)) {
            self.operation(from, DATA);
            self.dialogue.extend((piece.len() as u16).to_le_bytes());
            self.dialogue.extend(piece);
        }
    }

    fn gap(&mut self, _: &mut Timeline, from: Peer, len: u64, _: Mark) {
        self.operation(from, GAP);
        self.dialogue.extend(u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
    }

    fn end_of_stream(&mut self, _: &mut Timeline, from: Peer, _: Mark) {
        self.operation(from, END);
    }

    fn finish(&mut self, _: &mut Timeline) {}
}
