//! Tunnels in UDP: VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 8086), GTP-U (3GPP TS 29.281), Teredo (RFC 4380) and
//! AYIYA (draft-massar-v6ops-ayiya).

use super::decoder::Reason;
use super::link::TRANSPARENT_ETHERNET;
use super::view::View;
use super::walk::{Layer, Step};
use super::{gre, ip, link};

/// source port (2), destination port (2), length (2), checksum (2)
///
/// # Errors
/// The datagram holds no tunnel.
pub(super) fn tunnel(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[s0, s1, p0, p1, l0, l1, _, _], payload) = at.header()?;
    // 0 is the length of a jumbogram.
    let payload = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => payload,
        len => payload.limit(len.checked_sub(8).ok_or(Reason::Malformed)?),
    };
    // What a server of the last two sends back comes from its port.
    match (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([s0, s1])) {
        (TEREDO, _) | (_, TEREDO) => return teredo(payload),
        (AYIYA, _) | (_, AYIYA) => return ayiya(payload),
        _ => {}
    }
    match u16::from_be_bytes([p0, p1]) {
        VXLAN | VXLAN_LINUX => vxlan(payload),
        GENEVE => geneve(payload),
        GRE_IN_UDP => gre::tunnel(payload),
        GTP_U => gtp_u(payload),
        _ => Err(Reason::NotTcp),
    }
}

/// flags (1), reserved (3), network identifier (3), reserved (1)
fn vxlan(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[flags, ..], frame) = at.header::<8>()?;
    if flags & 0x08 == 0 {
        return Err(Reason::NotTcp);
    }
    link::ethernet(frame)
}

/// version and length of the options (1), flags (1), protocol type (2), network identifier (3), reserved (1)
fn geneve(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[version, _, high, low, ..], rest) = at.header::<8>()?;
    if version >> 6 != 0 {
        return Err(Reason::NotTcp);
    }
    let payload = rest.skip(usize::from(version & 0x3f) * 4)?;
    match u16::from_be_bytes([high, low]) {
        protocol @ (link::IPV4 | link::IPV6 | TRANSPARENT_ETHERNET) => Ok(Step(Layer::Ether(protocol), payload)),
        _ => Err(Reason::NotTcp),
    }
}

/// flags (1), message type (1), length (2), tunnel (4); then sequence number (2), N-PDU number (1) and the type of the
/// first extension header (1), where a flag names one of them
fn gtp_u(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[flags, kind, high, low, _, _, _, _], rest) = at.header()?;
    if flags >> 4 != GTP_VERSION_1 || kind != GTP_USER_DATA {
        return Err(Reason::NotTcp);
    }
    let mut rest = rest.limit(u16::from_be_bytes([high, low]).into());
    if flags & GTP_OPTIONAL == 0 {
        return Ok(Step(Layer::Ip, rest));
    }
    let (&[_, _, _, mut extension], behind) = rest.header()?;
    rest = behind;
    for _ in 0..MAX_GTP_EXTENSIONS {
        if flags & GTP_EXTENSION == 0 || extension == 0 {
            return Ok(Step(Layer::Ip, rest));
        }
        // length in 4 bytes (1), content, type of the next one (1)
        let (&[len], _) = rest.header()?;
        let last = (usize::from(len) * 4).checked_sub(1).ok_or(Reason::Malformed)?;
        let (&[next], behind) = rest.skip(last)?.header()?;
        (extension, rest) = (next, behind);
    }
    Err(Reason::TooDeep)
}

/// IPv6, behind an authentication (client and key with their lengths, nonce (8), confirmation (1)) and the origin of
/// the packet (port (2), address (4)), where they are: RFC 4380 section 5.1.1
fn teredo(at: View<'_>) -> Result<Step<'_>, Reason> {
    let mut rest = at;
    if let Ok((&[0, 1, client, key], behind)) = rest.header() {
        rest = behind.skip(usize::from(client).saturating_add(key.into()).saturating_add(9))?;
    }
    if let Ok((&[0, 0], behind)) = rest.header() {
        rest = behind.skip(6)?;
    }
    match rest.bytes.first().map(|first| first >> 4) {
        Some(6) => Ok(Step(Layer::Ip, rest)),
        _ => Err(Reason::NotTcp),
    }
}

/// lengths of identity and signature (2, each with its type), method and operation (1), next header (1), time (4)
fn ayiya(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[identity, signature, operation, next, ..], rest) = at.header::<8>()?;
    let identity = 1_usize.checked_shl((identity >> 4).into()).ok_or(Reason::Malformed)?;
    let rest = rest.skip(identity.saturating_add(usize::from(signature >> 4) * 4))?;
    match (operation & 0x0f, next) {
        (AYIYA_FORWARD, ip::IPV4 | ip::IPV6) => Ok(Step(Layer::Ip, rest)),
        _ => Err(Reason::NotTcp),
    }
}

const TEREDO: u16 = 3544;
const AYIYA: u16 = 5072;
const AYIYA_FORWARD: u8 = 1;
const VXLAN: u16 = 4789;
/// What Linux used before the port was assigned; Flannel still does.
const VXLAN_LINUX: u16 = 8472;
const GENEVE: u16 = 6081;
const GRE_IN_UDP: u16 = 4754;
const GTP_U: u16 = 2152;

/// Version 1, and GTP rather than GTP'.
const GTP_VERSION_1: u8 = 3;
const GTP_USER_DATA: u8 = 255;
const GTP_EXTENSION: u8 = 0x04;
/// Extension header, sequence number, N-PDU number.
const GTP_OPTIONAL: u8 = 0x07;
const MAX_GTP_EXTENSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{ethernet, ip4, payload, tcp4, tcp6, udp4};
    use crate::capture::LinkType;

    #[test]
    fn vxlan_on_the_assigned_port_and_on_linuxs() {
        let frame = ethernet(0x0800, &tcp4(b"four"));
        for port in [4789, 8472] {
            let tunnel = [&[0x08, 0, 0, 0, 0, 0, 1, 0][..], &frame].concat();
            assert_eq!(payload(LinkType::RAW, &udp4(port, &tunnel)), Ok(b"four".to_vec()));
        }
        let no_identifier = [&[0; 8][..], &frame].concat();
        assert_eq!(payload(LinkType::RAW, &udp4(4789, &no_identifier)), Err(Reason::NotTcp));
        assert_eq!(payload(LinkType::RAW, &udp4(53, &frame)), Err(Reason::NotTcp));
    }

    #[test]
    fn geneve_with_options_around_frames_and_packets() {
        let geneve = |kind: [u8; 2], inner: &[u8]| {
            let [k0, k1] = kind;
            udp4(6081, &[&[0x02, 0, k0, k1, 0, 0, 1, 0][..], &[9; 8], inner].concat())
        };
        let frame = ethernet(0x0800, &tcp4(b"four"));
        assert_eq!(payload(LinkType::RAW, &geneve([0x65, 0x58], &frame)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::RAW, &geneve([0x86, 0xdd], &tcp6(b"six"))), Ok(b"six".to_vec()));
        assert_eq!(payload(LinkType::RAW, &geneve([0x12, 0x34], &frame)), Err(Reason::NotTcp));
    }

    #[test]
    fn gre_in_udp() {
        let tunnel = [&[0, 0, 8, 0][..], &tcp4(b"four")].concat();
        assert_eq!(payload(LinkType::RAW, &udp4(4754, &tunnel)), Ok(b"four".to_vec()));
    }

    #[test]
    fn gtp_u_with_and_without_its_optional_fields_and_extensions() {
        for (flags, optional) in [
            (0x30, &[][..]),
            (0x32, &[0, 9, 0, 0]),
            (0x34, &[0, 0, 0, 0xc0, 1, 8, 0, 0]),
            (0x36, &[0, 9, 0, 0x85, 1, 1, 2, 0xc0, 2, 1, 2, 3, 4, 5, 6, 0]),
        ] {
            let inner = [optional, &tcp4(b"four")].concat();
            let tunnel = [&[flags, 255][..], &(inner.len() as u16).to_be_bytes(), &[0, 0, 0, 7], &inner].concat();
            assert_eq!(payload(LinkType::RAW, &udp4(2152, &tunnel)), Ok(b"four".to_vec()), "{flags:x}");
        }
        let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(payload(LinkType::RAW, &udp4(2152, &echo)), Err(Reason::NotTcp));
        let endless = [0x34, 255, 0, 5, 0, 0, 0, 7, 0, 0, 0, 0xc0, 0];
        assert_eq!(payload(LinkType::RAW, &udp4(2152, &endless)), Err(Reason::Malformed));
    }

    /// The same datagram in the other direction.
    fn back(mut datagram: Vec<u8>) -> Vec<u8> {
        datagram[20..24].rotate_left(2);
        datagram
    }

    #[test]
    fn teredo_with_and_without_authentication_and_origin() {
        let authentication = [&[0, 1, 2, 3][..], &[7; 5], &[0; 9]].concat();
        let origin = [0, 0, 0x12, 0x34, 1, 2, 3, 4];
        for before in [vec![], authentication.clone(), origin.to_vec(), [&authentication[..], &origin].concat()] {
            let tunnel = udp4(3544, &[before, tcp6(b"six")].concat());
            assert_eq!(payload(LinkType::RAW, &tunnel), Ok(b"six".to_vec()));
            assert_eq!(payload(LinkType::RAW, &back(tunnel)), Ok(b"six".to_vec()));
        }
        for hostile in [&[][..], &[0, 1, 255, 255], &[0, 0, 1], &[0x45; 40]] {
            assert!(payload(LinkType::RAW, &udp4(3544, hostile)).is_err(), "{hostile:x?}");
        }
    }

    #[test]
    fn ayiya_with_an_identity_and_a_signature() {
        let head = [0x41, 0x52, 0x11, 41, 0, 0, 0, 0];
        let tunnel = udp4(5072, &[&head[..], &[9; 16], &[8; 20], &tcp6(b"six")].concat());
        assert_eq!(payload(LinkType::RAW, &tunnel), Ok(b"six".to_vec()));
        assert_eq!(payload(LinkType::RAW, &back(tunnel)), Ok(b"six".to_vec()));
        let keep_alive = [&[0x41, 0x52, 0x10, 59, 0, 0, 0, 0][..], &[9; 36]].concat();
        assert_eq!(payload(LinkType::RAW, &udp4(5072, &keep_alive)), Err(Reason::NotTcp));
        let endless = [0xf1, 0xf2, 0x11, 41, 0, 0, 0, 0];
        assert_eq!(payload(LinkType::RAW, &udp4(5072, &endless)), Err(Reason::Malformed));
    }

    #[test]
    fn a_length_below_the_header_is_malformed() {
        let header = [0, 1, 0x12, 0xb5, 0, 7, 0, 0, 8, 0, 0, 0];
        assert_eq!(payload(LinkType::RAW, &ip4(17, &header)), Err(Reason::Malformed));
    }
}
