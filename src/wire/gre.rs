//! GRE (RFC 2784, RFC 2890), its use by PPTP (RFC 2637) and by Aruba's access points, and ERSPAN
//! (draft-foschiano-erspan) in it.

use super::decoder::Reason;
use super::view::View;
use super::walk::{Layer, Step};
use super::{link, wlan};

/// flags and version (2), protocol type (2), then what the flags name
///
/// # Errors
/// The payload is no IP packet and no frame, or a header is not whole.
pub(super) fn tunnel(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[flags, version, high, low], rest) = at.header()?;
    let version_1 = version & 0x07 == 1;
    let present = [
        flags & (CHECKSUM | ROUTING) != 0,
        flags & KEY != 0,
        flags & SEQUENCE != 0,
        version_1 && version & ACKNOWLEDGMENT != 0,
    ];
    let options = present.into_iter().filter(|present| *present).count();
    let payload = rest.skip(options.saturating_mul(4))?;
    match u16::from_be_bytes([high, low]) {
        PPP if version_1 => pptp(payload),
        _ if version & 0x07 != 0 || flags & ROUTING != 0 => Err(Reason::NotTcp),
        ERSPAN if flags & SEQUENCE == 0 => link::ethernet(payload),
        ERSPAN => link::ethernet(payload.skip(8)?),
        ERSPAN_3 => erspan_3(payload),
        protocol if ARUBA.contains(&protocol) => wlan::frame(payload),
        protocol => Ok(Step(Layer::Ether(protocol), payload)),
    }
}

/// PPP, whose address and control bytes may be left out; a packet that only acknowledges has no payload.
fn pptp(at: View<'_>) -> Result<Step<'_>, Reason> {
    match at.header() {
        Ok((&[0xff, 0x03], rest)) => Ok(Step(Layer::Ppp, rest)),
        _ if at.wire == 0 => Err(Reason::NotTcp),
        _ => Ok(Step(Layer::Ppp, at)),
    }
}

/// version, VLAN, class, session (4), timestamp (4), group (2), frame type, hardware id and the flag of a
/// subheader of 8 bytes (2)
fn erspan_3(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[.., kind, more], rest) = at.header::<12>()?;
    let frame = if more & 1 == 1 { rest.skip(8)? } else { rest };
    match kind >> 2 & 0x1f {
        0 => link::ethernet(frame),
        2 => Ok(Step(Layer::Ip, frame)),
        _ => Err(Reason::NotTcp),
    }
}

const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
/// In the second byte, version 1 only.
const ACKNOWLEDGMENT: u8 = 0x80;

const PPP: u16 = 0x880b;
/// ERSPAN I, and II where there is a sequence number.
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
/// 802.11 frames; the number of the tunnel is part of it.
const ARUBA: std::ops::RangeInclusive<u16> = 0x8200..=0x837f;

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{ethernet, ip4, payload, tcp4, tcp6};
    use crate::capture::LinkType;

    fn inside(header: &[u8], inner: &[u8]) -> Result<Vec<u8>, Reason> {
        payload(LinkType::RAW, &ip4(47, &[header, inner].concat()))
    }

    #[test]
    fn every_mix_of_checksum_key_and_sequence() {
        for (flags, len) in [(0x00, 0), (0x80, 4), (0x20, 4), (0x10, 4), (0x30, 8), (0xb0, 12)] {
            let options = vec![0xaa; len];
            assert_eq!(inside(&[&[flags, 0, 8, 0][..], &options].concat(), &tcp4(b"four")), Ok(b"four".to_vec()));
            assert_eq!(inside(&[&[flags, 0, 0x86, 0xdd][..], &options].concat(), &tcp6(b"six")), Ok(b"six".to_vec()));
        }
    }

    #[test]
    fn frames_of_transparent_bridging_and_of_all_erspan_versions() {
        let frame = ethernet(0x8100, &[&[0, 1, 8, 0][..], &tcp4(b"four")].concat());
        let erspan_3 = |last: [u8; 2], more: usize| {
            [&[0x10, 0, 0x22, 0xeb][..], &[0; 4], &[0x20; 10], &last, &vec![0; more]].concat()
        };
        for header in [
            [0, 0, 0x65, 0x58].to_vec(),
            [0, 0, 0x88, 0xbe].to_vec(),
            [&[0x10, 0, 0x88, 0xbe][..], &[0; 4], &[0x10; 8]].concat(),
            erspan_3([0x80, 0], 0),
            erspan_3([0x80, 1], 8),
        ] {
            assert_eq!(inside(&header, &frame), Ok(b"four".to_vec()), "{header:x?}");
        }
        assert_eq!(inside(&erspan_3([0x08, 0], 0), &tcp4(b"four")), Ok(b"four".to_vec()));
    }

    #[test]
    fn ppp_of_version_1_with_and_without_acknowledgment() {
        for inner in [&[0xff, 0x03, 0x00, 0x21][..], &[0x21]] {
            let bytes = [inner, &tcp4(b"four")].concat();
            assert_eq!(inside(&[0x30, 0x01, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1], &bytes), Ok(b"four".to_vec()));
            let acknowledged = [0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
            assert_eq!(inside(&acknowledged, &bytes), Ok(b"four".to_vec()));
        }
        assert_eq!(inside(&[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 1], &[]), Err(Reason::NotTcp));
    }

    #[test]
    fn other_versions_and_cut_headers_are_told() {
        assert_eq!(inside(&[0, 2, 8, 0], &tcp4(b"four")), Err(Reason::NotTcp));
        assert_eq!(inside(&[0xb0, 0, 8, 0], &[0; 11]), Err(Reason::Malformed));
    }
}
