//! A packet without the secrets in it: overwritten where their place is known, cut off where it is not.

use std::ops::Range;

use crate::report::redact::FILLER;
use crate::wire::Layout;

/// The packet with these bytes of its payload overwritten. Its length stays, and its TCP checksum is as right or
/// wrong as it was (RFC 1624): a tunnel around it that has a checksum of its own needs no change, then.
pub(super) fn hidden(data: &[u8], layout: Layout, secret: &[Range<u32>]) -> Vec<u8> {
    let mut hidden = data.to_vec();
    let Some(payload) =
        layout.payload.checked_add(layout.payload_len).and_then(|end| hidden.get_mut(layout.payload..end))
    else {
        return headers(data, layout).to_vec();
    };
    let before = sum(payload);
    for range in secret {
        if let Some(bytes) = payload.get_mut(range.start as usize..range.end as usize) {
            bytes.fill(FILLER as u8);
        }
    }
    let after = sum(payload);
    let checksum = layout.tcp.and_then(|tcp| hidden.get_mut(tcp.checked_add(CHECKSUM)?..)?.first_chunk_mut());
    if let Some(checksum) = checksum.filter(|_| before != after) {
        let carried = [!u16::from_be_bytes(*checksum), !before, after].into_iter().map(u64::from).sum();
        *checksum = (!folded(carried)).to_be_bytes();
    }
    hidden
}

/// The headers alone.
pub(super) fn headers(data: &[u8], layout: Layout) -> &[u8] {
    data.get(..layout.payload).unwrap_or(data)
}

/// The sum of 16-bit words in ones' complement, an odd last byte as if a zero followed (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u64::from(u16::from_be_bytes([high, low])),
        [high] => u64::from(high) << 8,
        _ => 0,
    });
    folded(words.sum())
}

fn folded(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff).saturating_add(sum >> 16);
    }
    sum as u16
}

/// Where in the TCP header the checksum is (RFC 9293 section 3.1).
const CHECKSUM: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A header without options, its checksum right over itself and the payload (the pseudo header left out).
    fn segment(payload: &[u8]) -> Vec<u8> {
        let mut segment = [&[0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0x50, 16, 1, 0, 0, 0, 0, 0], payload].concat();
        let checksum = (!sum(&segment)).to_be_bytes();
        segment[16..18].copy_from_slice(&checksum);
        segment
    }

    #[test]
    fn the_checksum_stays_right() {
        for payload in [&b"secret"[..], b"odd", b"\xff\xff\xff", b"x"] {
            let data = segment(payload);
            let layout = Layout { tcp: Some(0), payload: 20, payload_len: payload.len() };
            assert_eq!(sum(&data), 0xffff);
            let without = hidden(&data, layout, &[0..1, payload.len() as u32 - 1..payload.len() as u32]);
            assert_eq!((sum(&without), without.len(), without[20]), (0xffff, data.len(), b'x'));
            assert_eq!(without.last(), Some(&b'x'));
        }
    }

    #[test]
    fn a_wrong_checksum_stays_wrong() {
        let mut data = segment(b"secret");
        data[16] ^= 0x40;
        let layout = Layout { tcp: Some(0), payload: 20, payload_len: 6 };
        assert_eq!(sum(&hidden(&data, layout, std::slice::from_ref(&(0..6)))), sum(&data));
        assert_eq!(hidden(&data, layout, &[]), data);
    }
}
