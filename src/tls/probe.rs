//! Is this a TLS connection?

use super::record::{HEADER_LEN, Header};
use crate::timeline::Peer;

/// What the first bytes of a stream say about its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is TLS.
    Certain,
    /// Too few bytes to tell.
    Unsure,
    /// It is something else.
    NotForUs,
}

/// Whether the stream of `from` that begins with `first_bytes` is TLS: a record's header, or the hello of SSL 2.0.
///
/// A stream that the capture joins in the middle may go on inside a record: there each of the next pieces may be
/// asked about as well, for records mostly begin with a segment.
#[must_use]
pub fn probe(from: Peer, first_bytes: &[u8]) -> Probe {
    let Some(&header) = first_bytes.first_chunk::<HEADER_LEN>() else {
        let possible = Header::may_begin(first_bytes) || Header::may_begin_ssl2(from, first_bytes);
        return if possible { Probe::Unsure } else { Probe::NotForUs };
    };
    let ssl2 = Header::parse_ssl2(header).is_some() && Header::may_begin_ssl2(from, first_bytes);
    if Header::parse(header).is_some_and(|header| header.len > 0) || ssl2 { Probe::Certain } else { Probe::NotForUs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_other_protocols() {
        let cases: [(Peer, &[u8], Probe); 14] = [
            (Peer::Edge, &[], Probe::Unsure),
            (Peer::Edge, &[22], Probe::Unsure),
            (Peer::Edge, &[22, 3, 1, 2], Probe::Unsure),
            (Peer::Edge, &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc], Probe::Certain),
            (Peer::Edge, &[23, 3, 3, 1, 0], Probe::Certain),
            (Peer::Edge, &[22, 3, 5, 2, 0], Probe::NotForUs),
            (Peer::Edge, &[22, 3, 1, 0xff, 0], Probe::NotForUs),
            (Peer::Edge, &[22, 4], Probe::NotForUs),
            (Peer::Edge, b"GET / HTTP/1.1", Probe::NotForUs),
            (Peer::Edge, b"G", Probe::NotForUs),
            (Peer::Edge, &[0x80, 0x2e, 1, 3, 1], Probe::Certain),
            (Peer::Edge, &[0x80, 0x2e, 1], Probe::Unsure),
            (Peer::Origin, &[0x80, 0x2e, 1, 3, 1], Probe::NotForUs),
            (Peer::Origin, &[21, 3, 1, 0, 2], Probe::Certain),
        ];
        for (from, bytes, expected) in cases {
            assert_eq!(probe(from, bytes), expected, "{from} {}", bytes.escape_ascii());
        }
    }
}
