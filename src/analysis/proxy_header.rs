//! The header of the PROXY protocol: a load balancer or an edge sends it before anything else, and tells in it whom it
//! speaks for (haproxy, doc/proxy-protocol.txt).

use crate::timeline::{Mark, PacketRef};

/// Every header of version 1 begins so.
const VERSION_1: &[u8] = b"PROXY ";

/// The longest header of version 1, with its line end.
const VERSION_1_LIMIT: usize = 107;

/// Every header of version 2 begins so.
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header of version 2 up to its length field, and with it.
const VERSION_2_FIXED: usize = 16;

/// The beginning of the edge's stream, as long as it may be a header.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    bytes: Vec<u8>,
    first: Option<PacketRef>,
}

/// What the beginning of the edge's stream turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Too little to tell.
    Nothing,
    /// What is no header, or stands behind it.
    Data(Vec<u8>, Mark),
    /// The piece that came last, whole: no header, and nothing was kept of it.
    Piece,
}

impl Beginning {
    /// Takes the next piece of the stream.
    pub(super) fn take(&mut self, piece: &[u8], start: Mark) -> Found {
        if self.bytes.is_empty() && (start.offset > 0 || Header::of(piece) == Header::Absent) {
            return Found::Piece;
        }
        self.bytes.extend_from_slice(piece);
        let first = *self.first.get_or_insert(start.packet);
        match Header::of(&self.bytes) {
            Header::Begun => Found::Nothing,
            Header::Absent => Found::Data(std::mem::take(&mut self.bytes), Mark { packet: first, offset: 0 }),
            Header::Whole(len) => {
                let behind = self.bytes.split_off(len.min(self.bytes.len()));
                Found::Data(behind, Mark { packet: start.packet, offset: len as u64 })
            }
        }
    }

    /// What is held where no more will come.
    pub(super) fn rest(self) -> Option<(Vec<u8>, Mark)> {
        let first = self.first?;
        Some((self.bytes, Mark { packet: first, offset: 0 }))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Whether bytes begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Absent,
    Begun,
    Whole(usize),
}

impl Header {
    fn of(bytes: &[u8]) -> Self {
        if begins(bytes, VERSION_1) {
            let line = bytes.get(..bytes.len().min(VERSION_1_LIMIT)).unwrap_or_default();
            match memchr::memchr(b'\n', line) {
                Some(end) => Self::Whole(end.saturating_add(1)),
                None if bytes.len() < VERSION_1_LIMIT => Self::Begun,
                None => Self::Absent,
            }
        } else if begins(bytes, VERSION_2) {
            let Some(&[high, low]) = bytes.get(VERSION_2_FIXED - 2..VERSION_2_FIXED).and_then(|len| len.first_chunk())
            else {
                return Self::Begun;
            };
            let len = VERSION_2_FIXED.saturating_add(u16::from_be_bytes([high, low]).into());
            if bytes.len() < len { Self::Begun } else { Self::Whole(len) }
        } else {
            Self::Absent
        }
    }
}

/// True where `bytes` begin with `prefix`, as far as they go.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    let len = bytes.len().min(prefix.len());
    len > 0 && bytes.get(..len) == prefix.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Time;

    fn at(offset: u64) -> Mark {
        Mark { packet: PacketRef { number: 7, time: Time(0) }, offset }
    }

    /// What is handed on of these pieces, from which byte on.
    fn handed_on(pieces: &[&[u8]]) -> Option<(Vec<u8>, u64)> {
        let mut beginning = Beginning::default();
        let mut offset = 0;
        for piece in pieces {
            match beginning.take(piece, at(offset)) {
                Found::Nothing => offset += piece.len() as u64,
                Found::Data(bytes, mark) => return Some((bytes, mark.offset)),
                Found::Piece => return Some((piece.to_vec(), offset)),
            }
        }
        None
    }

    #[test]
    fn headers_of_both_versions_are_taken_off() {
        let line = b"PROXY TCP4 203.0.113.9 10.0.0.2 56324 80\r\n";
        assert_eq!(handed_on(&[&[&line[..], b"GET /"].concat()]), Some((b"GET /".to_vec(), line.len() as u64)));
        assert_eq!(handed_on(&[&line[..9], &line[9..], b"GET"]), Some((Vec::new(), line.len() as u64)));
        let binary = [VERSION_2, &[0x21, 0x11, 0, 12], &[9; 12]].concat();
        assert_eq!(handed_on(&[&[&binary[..], b"\x16\x03"].concat()]), Some((b"\x16\x03".to_vec(), 28)));
        assert_eq!(handed_on(&[&binary[..14], &binary[14..20], &binary[20..]]), Some((Vec::new(), 28)));
    }

    #[test]
    fn what_is_none_is_handed_on_whole() {
        for bytes in [&b"POST / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n", b"PROPFIND / HTTP/1.1\r\n", b"\x16\x03\x01"] {
            assert_eq!(handed_on(&[bytes]), Some((bytes.to_vec(), 0)));
        }
        assert_eq!(handed_on(&[b"PR", b"I * HTTP/2.0"]), Some((b"PRI * HTTP/2.0".to_vec(), 0)));
        let endless = [b"PROXY ", &[b'x'; 200][..]].concat();
        assert_eq!(handed_on(&[&endless]), Some((endless.clone(), 0)));
        assert_eq!(handed_on(&[b"PROX"]), None);
    }

    #[test]
    fn only_the_beginning_of_a_stream_is_looked_at() {
        assert_eq!(Beginning::default().take(b"PROXY TCP4 \r\n", at(9)), Found::Piece);
    }
}
