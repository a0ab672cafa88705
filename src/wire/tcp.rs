//! TCP segments (RFC 9293 section 3.1).

use std::fmt;

use super::decoder::Reason;
use super::ip::Ip;
use super::seq::SeqNumber;
use super::view::View;

/// One TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The IP header that it came with.
    pub ip: Ip,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of the first byte, or of the SYN.
    pub seq: SeqNumber,
    /// Acknowledgment number: it counts where the ACK flag is set.
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: Flags,
    /// Window as it stands in the header, not scaled.
    pub window: u16,
    /// Urgent pointer: it counts where the URG flag is set.
    pub urgent: u16,
    /// Options, as far as they were captured.
    pub options: TcpOptions<'a>,
    /// Payload that was captured.
    pub payload: &'a [u8],
    /// Length of the payload on the wire: more than `payload` holds where the snap length cut it.
    pub payload_len: u32,
}

impl Segment<'_> {
    /// What the segment takes of the sequence space: payload, SYN and FIN (RFC 9293 section 3.4).
    #[must_use]
    #[inline]
    pub fn sequence_len(&self) -> u32 {
        self.payload_len.wrapping_add(self.flags.syn().into()).wrapping_add(self.flags.fin().into())
    }
}

/// Reads the segment that fills `at`.
///
/// # Errors
/// Its header is not whole, or says what cannot be.
#[inline(always)]
pub(super) fn segment(ip: Ip, at: View<'_>) -> Result<Segment<'_>, Reason> {
    let (header, rest) = at.header::<20>()?;
    let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1] = header;
    let options_len = (usize::from(offset >> 4) * 4).checked_sub(20).ok_or(Reason::Malformed)?;
    let payload = rest.skip(options_len)?;
    Ok(Segment {
        ip,
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
        ack: SeqNumber(u32::from_be_bytes([a0, a1, a2, a3])),
        flags: Flags(flags),
        window: u16::from_be_bytes([w0, w1]),
        urgent: u16::from_be_bytes([u0, u1]),
        options: TcpOptions(rest.bytes.get(..options_len).unwrap_or(rest.bytes)),
        payload: payload.bytes,
        payload_len: u32::try_from(payload.wire).unwrap_or(u32::MAX),
    })
}

/// The control bits of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    #[must_use]
    #[inline]
    pub fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Synchronize sequence numbers.
    #[must_use]
    #[inline]
    pub fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// Reset the connection.
    #[must_use]
    #[inline]
    pub fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Push.
    #[must_use]
    #[inline]
    pub fn psh(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// The acknowledgment number counts.
    #[must_use]
    #[inline]
    pub fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The urgent pointer counts.
    #[must_use]
    #[inline]
    pub fn urg(self) -> bool {
        self.0 & 0x20 != 0
    }
}

impl fmt::Display for Flags {
    /// The names of the bits that are set, as `SYN, ACK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, name) in FLAG_NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// The options of a segment, read when asked for. Where the snap length cut them, or a length cannot be, they end
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions<'a>(&'a [u8]);

impl<'a> TcpOptions<'a> {
    /// Options as they stand in a header.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes, padding included.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Kind and value of each option but end-of-list and no-operation.
    pub fn iter(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            while let [NO_OPERATION, tail @ ..] = rest {
                rest = tail;
            }
            let &[kind, len, ref tail @ ..] = rest else { return None };
            if kind == END_OF_LIST {
                return None;
            }
            let (value, tail) = tail.split_at_checked(usize::from(len).checked_sub(2)?)?;
            rest = tail;
            Some((kind, value))
        })
    }

    /// Maximum segment size (RFC 9293 section 3.7.1).
    #[must_use]
    pub fn mss(self) -> Option<u16> {
        self.value(MAXIMUM_SEGMENT_SIZE).map(u16::from_be_bytes)
    }

    /// The shift of the window scale option (RFC 7323 section 2); more than 14 means 14.
    #[must_use]
    pub fn window_scale(self) -> Option<u8> {
        self.value(WINDOW_SCALE).map(|[shift]| shift.min(14))
    }

    /// True where selective acknowledgments are permitted (RFC 2018 section 2).
    #[must_use]
    pub fn sack_permitted(self) -> bool {
        self.value::<0>(SACK_PERMITTED).is_some()
    }

    /// Timestamps (RFC 7323 section 3).
    #[must_use]
    #[inline]
    pub fn timestamps(self) -> Option<Timestamps> {
        // As nearly every segment has them (RFC 7323 appendix A).
        let value = match self.0.split_first_chunk() {
            Some((&PADDED_TIMESTAMPS, rest)) => rest.first_chunk().copied(),
            _ => self.value(TIMESTAMPS),
        };
        value.map(|[v0, v1, v2, v3, e0, e1, e2, e3]| Timestamps {
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            echo: u32::from_be_bytes([e0, e1, e2, e3]),
        })
    }

    /// Bytes that arrived beyond a hole (RFC 2018 section 3).
    pub fn sack_blocks(self) -> impl Iterator<Item = SackBlock> {
        let blocks = self.iter().find(|(kind, _)| *kind == SACK).map_or(&[][..], |(_, value)| value);
        blocks.as_chunks::<8>().0.iter().map(|&[l0, l1, l2, l3, r0, r1, r2, r3]| SackBlock {
            left: SeqNumber(u32::from_be_bytes([l0, l1, l2, l3])),
            right: SeqNumber(u32::from_be_bytes([r0, r1, r2, r3])),
        })
    }

    #[inline(never)]
    fn value<const N: usize>(self, wanted: u8) -> Option<[u8; N]> {
        self.iter().find_map(|(kind, value)| if kind == wanted { value.try_into().ok() } else { None })
    }
}

/// The timestamps option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock (TSval).
    pub value: u32,
    /// The other peer's clock, sent back (TSecr).
    pub echo: u32,
}

/// One block of a selective acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// Its first byte.
    pub left: SeqNumber,
    /// The byte behind its last.
    pub right: SeqNumber,
}

const FLAG_NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
/// What stands before the values of timestamps that are aligned to four bytes.
const PADDED_TIMESTAMPS: [u8; 4] = [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10];

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{CLIENT, SERVER, packet, payload, segment, tcp4, written};
    use super::{Flags, SackBlock, SeqNumber, TcpOptions, Timestamps};
    use crate::capture::LinkType;
    use etherparse::PacketBuilder;

    #[test]
    fn every_field_of_the_header() {
        let builder = PacketBuilder::ipv4(CLIENT, SERVER, 61).tcp(40_000, 443, 0xfedc_ba98, 512).syn().ack(77).urg(3);
        segment(&packet(LinkType::RAW, &written(builder.fin(), b"abc")), |segment| {
            assert_eq!((segment.source_port, segment.destination_port), (40_000, 443));
            assert_eq!((segment.seq, segment.ack), (SeqNumber(0xfedc_ba98), SeqNumber(77)));
            assert_eq!((segment.window, segment.urgent), (512, 3));
            assert_eq!(segment.flags.to_string(), "FIN, SYN, ACK, URG");
            assert!(!segment.flags.rst() && !segment.flags.psh());
            assert_eq!((segment.payload, segment.payload_len, segment.sequence_len()), (&b"abc"[..], 3, 5));
        })
        .expect("TCP");
        assert_eq!(Flags(0).to_string(), "");
    }

    #[test]
    fn options_in_any_order_with_padding() {
        let bytes = [
            &[1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6, 2, 4, 5, 0xb4, 3, 3, 15, 4, 2, 1][..],
            &[5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 2, 4, 1, 1],
        ]
        .concat();
        let options = TcpOptions(&bytes);
        assert_eq!(options.mss(), Some(1460));
        assert_eq!(options.window_scale(), Some(14));
        assert!(options.sack_permitted());
        assert_eq!(options.timestamps(), Some(Timestamps { value: 5, echo: 6 }));
        let block = |left, right| SackBlock { left: SeqNumber(left), right: SeqNumber(right) };
        assert_eq!(options.sack_blocks().collect::<Vec<_>>(), [block(1, 2), block(3, 4)]);
        assert_eq!(options.iter().count(), 5);
    }

    #[test]
    fn options_with_impossible_lengths_end_the_list() {
        for bytes in [&[2, 0, 5, 0xb4][..], &[2, 1], &[2, 5, 1], &[2], &[4, 2, 2, 40, 1]] {
            assert_eq!(TcpOptions(bytes).mss(), None);
            assert!(TcpOptions(bytes).iter().count() <= 1);
        }
        assert_eq!(TcpOptions(&[2, 3, 5]).mss(), None, "an option of the wrong length has no value");
    }

    #[test]
    fn a_header_length_that_cannot_be_is_malformed() {
        for offset in [0x40, 0xf0] {
            let mut bytes = tcp4(b"abc");
            bytes[32] = offset;
            assert_eq!(payload(LinkType::RAW, &bytes), Err(Reason::Malformed));
        }
    }
}
