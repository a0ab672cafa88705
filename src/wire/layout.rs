//! Where in a packet its headers end, for whoever copies the packet without its payload.

use super::decoder::Reason;
use super::tcp::Segment;
use super::view::View;
use super::walk::{Layer, Outcome, walk};
use crate::capture::Packet;

/// The parts of a captured packet, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The TCP header, where the packet is a whole segment.
    pub tcp: Option<usize>,
    /// What follows the headers: the payload of the segment, of the segment that an ICMP error quotes, or of the
    /// fragment. As far as the packet was captured.
    pub payload: usize,
    /// Length of the payload, as far as it was captured.
    pub payload_len: usize,
}

impl Layout {
    /// The layout of `packet`, taken alone.
    ///
    /// # Errors
    /// It is about something else than TCP, or its headers are not whole.
    pub fn of(packet: &Packet<'_>) -> Result<Self, Reason> {
        let at = View::new(packet.data, packet.wire_len as usize);
        let outcome = walk(Layer::Link(packet.link), at)?;
        let (tcp, payload) = match &outcome {
            Outcome::Tcp(segment) => (Some(header_len(segment)), segment.payload),
            Outcome::Icmp(_, quoted) => (None, *quoted),
            Outcome::Fragment(fragment) => (None, fragment.at.bytes),
        };
        let start = offset_of(payload, packet.data).unwrap_or(packet.data.len());
        Ok(Self {
            tcp: tcp.and_then(|len| start.checked_sub(len)).filter(|_| !payload.is_empty()),
            payload: start,
            payload_len: payload.len(),
        })
    }
}

fn header_len(segment: &Segment<'_>) -> usize {
    segment.options.bytes().len().saturating_add(FIXED_HEADER)
}

/// Where `part` begins in `whole`; none where it is empty or no part of it.
fn offset_of(part: &[u8], whole: &[u8]) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = at.checked_add(part.len())?;
    (!part.is_empty() && end <= whole.len()).then_some(at)
}

/// Bytes of a TCP header without options (RFC 9293 section 3.1).
const FIXED_HEADER: usize = 20;

#[cfg(test)]
mod tests {
    use super::super::testing::{ip4, packet, tcp4};
    use super::*;
    use crate::capture::LinkType;

    fn layout(bytes: &[u8]) -> Result<Layout, Reason> {
        Layout::of(&packet(LinkType::RAW, bytes))
    }

    #[test]
    fn a_segment_has_its_headers_and_its_payload() {
        let segment = tcp4(b"payload");
        let at = segment.len() - 7;
        assert_eq!(layout(&segment), Ok(Layout { tcp: Some(at - 20), payload: at, payload_len: 7 }));
    }

    #[test]
    fn padding_is_no_payload() {
        let padded = [tcp4(b"ab"), vec![0; 9]].concat();
        assert_eq!(layout(&padded).map(|it| (it.payload, it.payload_len)), Ok((padded.len() - 11, 2)));
    }

    #[test]
    fn without_payload_all_is_headers() {
        let segment = tcp4(b"");
        assert_eq!(layout(&segment), Ok(Layout { tcp: None, payload: segment.len(), payload_len: 0 }));
    }

    #[test]
    fn what_an_icmp_error_quotes_behind_the_tcp_header_is_payload() {
        let quoted = tcp4(b"secret");
        let error = ip4(1, &[&[3, 1, 0, 0, 0, 0, 0, 0], &quoted[..]].concat());
        assert_eq!(layout(&error), Ok(Layout { tcp: None, payload: error.len() - 6, payload_len: 6 }));
        let short = ip4(1, &[&[3, 1, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat());
        assert_eq!(layout(&short).map(|it| it.payload), Ok(short.len()));
    }

    #[test]
    fn all_of_a_fragment_is_payload() {
        let mut fragment = tcp4(b"first part");
        fragment[6] |= 0x20;
        assert_eq!(layout(&fragment).map(|it| (it.tcp, it.payload)), Ok((None, 20)));
    }

    #[test]
    fn what_is_not_tcp_has_none() {
        assert_eq!(layout(&[]), Err(Reason::Malformed));
        assert_eq!(layout(&ip4(17, &[0; 8])), Err(Reason::NotTcp));
    }
}
