//! Data frames of IEEE 802.11, as wireless access points put them into GRE.

use super::decoder::Reason;
use super::link;
use super::view::View;
use super::walk::Step;

/// frame control (2), duration (2), three addresses (18), sequence control (2); then a fourth address (6) between
/// access points, QoS control (2) and HT control (4), as the frame control says
///
/// # Errors
/// It is no data frame, it is encrypted, or a header is not whole.
pub(super) fn frame(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[kind, flags, ..], rest) = at.header::<24>()?;
    let data = kind & VERSION_AND_TYPE == DATA && kind & WITHOUT_DATA == 0;
    if !data || flags & PROTECTED != 0 {
        return Err(Reason::NotIp);
    }
    let rest = if flags & BETWEEN_ACCESS_POINTS == BETWEEN_ACCESS_POINTS { rest.skip(6)? } else { rest };
    if kind & QOS == 0 {
        return link::snap(rest);
    }
    let (&[control, _], rest) = rest.header()?;
    let rest = if flags & ORDER != 0 { rest.skip(4)? } else { rest };
    if control & AGGREGATED == 0 { link::snap(rest) } else { subframe(rest) }
}

/// The first of several frames in one: destination (6), source (6), length (2).
fn subframe(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[.., high, low], at) = at.header::<14>()?;
    link::snap(at.limit(u16::from_be_bytes([high, low]).into()))
}

const VERSION_AND_TYPE: u8 = 0x0f;
const DATA: u8 = 0x08;
const WITHOUT_DATA: u8 = 0x40;
const QOS: u8 = 0x80;
const BETWEEN_ACCESS_POINTS: u8 = 0x03;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const AGGREGATED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{ip4, payload, tcp4};
    use crate::capture::LinkType;

    const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

    /// A frame in GRE; `more` stands between its first 24 bytes and its payload.
    fn framed(kind: u8, flags: u8, more: &[u8], inner: &[u8]) -> Result<Vec<u8>, Reason> {
        let frame = [&[0, 0, 0x82, 0x00, kind, flags][..], &[0; 22], more, inner].concat();
        payload(LinkType::RAW, &ip4(47, &frame))
    }

    #[test]
    fn data_frames_with_every_mix_of_optional_fields() {
        let inner = [&SNAP[..], &tcp4(b"four")].concat();
        for (kind, flags, more) in
            [(0x08, 0x01, 0), (0x88, 0x02, 2), (0x08, 0x03, 6), (0x88, 0x83, 12), (0x88, 0x80, 6), (0x08, 0x80, 0)]
        {
            assert_eq!(framed(kind, flags, &vec![0; more], &inner), Ok(b"four".to_vec()), "{kind:x} {flags:x}");
        }
    }

    #[test]
    fn of_aggregated_frames_the_first() {
        let first = [&SNAP[..], &tcp4(b"one")].concat();
        let head = [&[0; 12][..], &(first.len() as u16).to_be_bytes()].concat();
        let inner = [head.clone(), first.clone(), vec![0; 3], head, first].concat();
        assert_eq!(framed(0x88, 0x01, &[0x80, 0], &inner), Ok(b"one".to_vec()));
    }

    #[test]
    fn what_holds_no_packet_is_told() {
        let inner = [&SNAP[..], &tcp4(b"four")].concat();
        for (kind, flags) in [(0x80, 0), (0x48, 0), (0x08, 0x40), (0x09, 0)] {
            assert_eq!(framed(kind, flags, &[], &inner), Err(Reason::NotIp), "{kind:x} {flags:x}");
        }
        assert_eq!(framed(0x88, 0, &[0], &[]), Err(Reason::Malformed));
        assert_eq!(framed(0x88, 0, &[0x80, 0], &[0; 13]), Err(Reason::Malformed));
    }
}
