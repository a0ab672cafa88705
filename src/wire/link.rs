//! Link layers, and what lies between them and IP: VLAN tags, MPLS labels, PPPoE.

use super::decoder::Reason;
use super::view::View;
use super::walk::{Layer, Step};
use crate::capture::LinkType;

/// The header that packets of this link type begin with.
///
/// # Errors
/// The link type is not known, or the header is not whole.
pub(super) fn link(link: LinkType, at: View<'_>) -> Result<Step<'_>, Reason> {
    match link {
        LinkType::EN10MB => ethernet(at),
        LinkType::FDDI => fddi(at),
        LinkType::LINUX_SLL => cooked_v1(at),
        LinkType::LINUX_SLL2 => cooked_v2(at),
        LinkType::NULL | LinkType::LOOP => loopback(at),
        LinkType::RAW | LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            Ok(Step(Layer::Ip, at))
        }
        LinkType::PPP | LinkType::PPP_SERIAL => hdlc(at),
        LinkType::C_HDLC => cisco_hdlc(at),
        LinkType::PPP_ETHER => Ok(Step(Layer::Ether(PPPOE_SESSION), at)),
        LinkType::NFLOG => nflog(at),
        _ => Err(Reason::UnknownLink),
    }
}

/// The payload of this EtherType.
///
/// # Errors
/// It is not IP, or a header is not whole.
pub(super) fn ether(ether_type: u16, at: View<'_>) -> Result<Step<'_>, Reason> {
    match ether_type {
        IPV4 | IPV6 => Ok(Step(Layer::Ip, at)),
        VLAN | PROVIDER_VLAN | OLD_QINQ | OLD_QINQ_2 => vlan(at),
        VN_TAG => vn_tag(at),
        MPLS | MPLS_MULTICAST => mpls(at),
        PPPOE_SESSION => pppoe(at),
        TRANSPARENT_ETHERNET => ethernet(at),
        BACKBONE => ethernet(at.skip(4)?),
        FABRIC_PATH => ethernet(at.skip(2)?),
        len if len < SMALLEST_ETHER_TYPE => snap(at.limit(len.into())),
        _ => Err(Reason::NotIp),
    }
}

/// protocol (2, or 1 where it is odd: RFC 1661 section 6.5)
pub(super) fn ppp(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[first], rest) = at.header()?;
    let (protocol, at) = if first & 1 == 1 {
        (u16::from(first), rest)
    } else {
        let (&[second], rest) = rest.header()?;
        (u16::from_be_bytes([first, second]), rest)
    };
    match protocol {
        PPP_IPV4 | PPP_IPV6 => Ok(Step(Layer::Ip, at)),
        PPP_MPLS => Ok(Step(Layer::Ether(MPLS), at)),
        _ => Err(Reason::NotIp),
    }
}

/// destination (6), source (6), EtherType (2), or below 1536 the length of an 802.3 frame
pub(super) fn ethernet(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[.., high, low], at) = at.header::<14>()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// frame control (1), destination (6), source (6), then LLC
fn fddi(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[control, ..], at) = at.header::<13>()?;
    if control & 0xf0 == FDDI_LLC { snap(at) } else { Err(Reason::NotIp) }
}

/// packet type (2), ARPHRD (2), address length (2), address (8), protocol (2)
fn cooked_v1(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[.., high, low], at) = at.header::<16>()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// protocol (2), reserved (2), interface (4), ARPHRD (2), packet type (1), address length (1), address (8)
fn cooked_v2(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[high, low, ..], at) = at.header::<20>()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// address family (4), in the byte order of a host that may not be this one
fn loopback(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&family, at) = at.header::<4>()?;
    let family = u32::from_be_bytes(family).min(u32::from_le_bytes(family));
    match family {
        AF_INET | AF_INET6_LINUX | AF_INET6_NETBSD | AF_INET6_FREEBSD | AF_INET6_DARWIN => Ok(Step(Layer::Ip, at)),
        _ => Err(Reason::NotIp),
    }
}

/// address (1) and control (1) of RFC 1662, which may be left out; or Cisco's of the same length
fn hdlc(at: View<'_>) -> Result<Step<'_>, Reason> {
    match at.header()? {
        (&[0xff, 0x03], at) => Ok(Step(Layer::Ppp, at)),
        (&[0x0f | 0x8f, 0x00], _) => cisco_hdlc(at),
        _ => Ok(Step(Layer::Ppp, at)),
    }
}

/// address (1), control (1), EtherType (2)
fn cisco_hdlc(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[_, _, high, low], at) = at.header()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// family (1), version (1), resource (2), then attributes: length (2) and type (2) in the byte order of the
/// host, value, padded to 4 bytes. The packet is one of them.
fn nflog(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[_, version, ..], mut at) = at.header::<4>()?;
    if version != 0 {
        return Err(Reason::Malformed);
    }
    for _ in 0..MAX_NFLOG_ATTRIBUTES {
        let (&[l0, l1, t0, t1], value) = at.header()?;
        // Types are small: the zero tells the byte order.
        let (len, kind) = if t1 == 0 {
            (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([t0, t1]))
        } else {
            (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([t0, t1]))
        };
        let len = usize::from(len);
        if kind == NFULA_PAYLOAD {
            return Ok(Step(Layer::Ip, value.limit(len.checked_sub(4).ok_or(Reason::Malformed)?)));
        }
        if len < 4 {
            return Err(Reason::Malformed);
        }
        at = at.skip(len.next_multiple_of(4))?;
    }
    Err(Reason::Malformed)
}

/// DSAP (1), SSAP (1), control (1), organization (3), EtherType (2): RFC 1042
pub(super) fn snap(at: View<'_>) -> Result<Step<'_>, Reason> {
    match at.header::<8>() {
        Ok((&[0xaa, 0xaa, 0x03, 0, 0, 0, high, low], at)) => {
            Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
        }
        _ => Err(Reason::NotIp),
    }
}

/// priority and VLAN id (2), EtherType (2)
fn vlan(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[_, _, high, low], at) = at.header()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// Cisco's VN-Tag: interfaces (4), EtherType (2)
fn vn_tag(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[.., high, low], at) = at.header::<6>()?;
    Ok(Step(Layer::Ether(u16::from_be_bytes([high, low])), at))
}

/// label (20 bits), class (3), bottom of stack (1), TTL (8): RFC 3032. What comes below the last label is not
/// named: its first four bits tell IP, and a frame may come behind a pseudowire's control word (RFC 4448 section 4.6),
/// which begins with two zero bytes where an address hardly does.
fn mpls(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[_, _, label, _], at) = at.header()?;
    if label & 1 == 0 {
        return Ok(Step(Layer::Ether(MPLS), at));
    }
    match at.bytes {
        [0, 0, ..] => ethernet(at.skip(4)?),
        [first, ..] if matches!(first >> 4, 4 | 6) => Ok(Step(Layer::Ip, at)),
        _ => ethernet(at),
    }
}

/// version and type (1), code (1), session (2), length (2), then PPP: RFC 2516
fn pppoe(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (&[_, code, _, _, high, low], at) = at.header()?;
    if code != 0 {
        return Err(Reason::NotIp);
    }
    Ok(Step(Layer::Ppp, at.enclose(u16::from_be_bytes([high, low]).into())))
}

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
/// A whole Ethernet frame: the protocol type of tunnels.
pub(super) const TRANSPARENT_ETHERNET: u16 = 0x6558;
/// IEEE 802.1ah: a service tag of 4 bytes, then a whole frame.
const BACKBONE: u16 = 0x88e7;
/// Cisco FabricPath: a tag and hops in 2 bytes, then a whole frame.
const FABRIC_PATH: u16 = 0x8903;
const SMALLEST_ETHER_TYPE: u16 = 0x0600;
/// Asynchronous frames that hold LLC, whatever their priority.
const FDDI_LLC: u8 = 0x50;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;
const OLD_QINQ: u16 = 0x9100;
const OLD_QINQ_2: u16 = 0x9200;
const VN_TAG: u16 = 0x8926;
const MPLS: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;

const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: u16 = 0x0281;

const AF_INET: u32 = 2;
const AF_INET6_LINUX: u32 = 10;
const AF_INET6_NETBSD: u32 = 24;
const AF_INET6_FREEBSD: u32 = 28;
const AF_INET6_DARWIN: u32 = 30;

const NFULA_PAYLOAD: u16 = 9;
/// Attributes of a netfilter log packet before its payload: there are some 20 types.
const MAX_NFLOG_ATTRIBUTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{ethernet, payload, tcp4, tcp6};
    use crate::capture::LinkType;

    /// The payload behind each link header, for an IPv4 and an IPv6 packet.
    fn behind(link: LinkType, header: impl Fn([u8; 2]) -> Vec<u8>) -> [Result<Vec<u8>, Reason>; 2] {
        let v4 = [header([0x08, 0x00]), tcp4(b"four")].concat();
        let v6 = [header([0x86, 0xdd]), tcp6(b"six")].concat();
        [payload(link, &v4), payload(link, &v6)]
    }

    fn both() -> [Result<Vec<u8>, Reason>; 2] {
        [Ok(b"four".to_vec()), Ok(b"six".to_vec())]
    }

    #[test]
    fn every_link_header_that_names_its_payload() {
        assert_eq!(behind(LinkType::EN10MB, |kind| ethernet(u16::from_be_bytes(kind), &[])), both());
        assert_eq!(behind(LinkType::LINUX_SLL, |kind| [&[0; 14][..], &kind].concat()), both());
        assert_eq!(behind(LinkType::LINUX_SLL2, |kind| [&kind[..], &[0; 18]].concat()), both());
        assert_eq!(behind(LinkType::C_HDLC, |kind| [&[0x0f, 0][..], &kind].concat()), both());
        assert_eq!(behind(LinkType::PPP_SERIAL, |kind| [&[0x0f, 0][..], &kind].concat()), both());
    }

    #[test]
    fn raw_packets_tell_their_version() {
        for link in [LinkType::RAW, LinkType::IPV4, LinkType::IPV6, LinkType(12), LinkType(14)] {
            assert_eq!(behind(link, |_| Vec::new()), both(), "{link}");
        }
        assert_eq!(payload(LinkType::RAW, &[0x50; 40]), Err(Reason::Malformed));
    }

    #[test]
    fn loopback_families_of_every_bsd_in_both_byte_orders() {
        for family in [2_u32, 10, 24, 28, 30] {
            for header in [family.to_be_bytes(), family.to_le_bytes()] {
                assert_eq!(behind(LinkType::NULL, |_| header.to_vec()), both());
                assert_eq!(behind(LinkType::LOOP, |_| header.to_vec()), both());
            }
        }
        assert_eq!(payload(LinkType::NULL, &[7, 0, 0, 0, 1, 2, 3]), Err(Reason::NotIp));
    }

    #[test]
    fn ppp_with_and_without_its_compressed_fields() {
        for header in [&[0xff, 0x03, 0x00, 0x21][..], &[0x00, 0x21], &[0xff, 0x03, 0x21], &[0x21]] {
            assert_eq!(payload(LinkType::PPP, &[header, &tcp4(b"four")].concat()), Ok(b"four".to_vec()));
        }
        assert_eq!(payload(LinkType::PPP, &[0xc0, 0x21, 1, 1]), Err(Reason::NotIp));
    }

    #[test]
    fn tags_may_be_stacked_up_to_the_bound() {
        let tagged = |tags: usize| {
            let tag = [&[0, 1][..], &[0x81, 0]].concat();
            ethernet(0x88a8, &[&tag.repeat(tags)[..], &[0, 1, 8, 0], &tcp4(b"four")].concat())
        };
        assert_eq!(payload(LinkType::EN10MB, &tagged(0)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::EN10MB, &tagged(10)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::EN10MB, &tagged(100)), Err(Reason::TooDeep));
    }

    #[test]
    fn a_backbone_tag_is_followed_by_a_whole_frame() {
        let inner = ethernet(0x8100, &[&[0, 5, 8, 0][..], &tcp4(b"four")].concat());
        let outer = ethernet(0x88a8, &[&[0, 9, 0x88, 0xe7, 0, 0, 1, 0][..], &inner].concat());
        assert_eq!(payload(LinkType::EN10MB, &outer), Ok(b"four".to_vec()));
    }

    #[test]
    fn fddi_frames_hold_llc() {
        let frame = |control: u8| [&[control][..], &[0; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &tcp4(b"four")].concat();
        assert_eq!(payload(LinkType::FDDI, &frame(0x50)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::FDDI, &frame(0x57)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::FDDI, &frame(0x80)), Err(Reason::NotIp), "a token");
    }

    #[test]
    fn mpls_labels_lead_to_ip_or_to_a_frame() {
        let labels = [0, 1, 0, 64, 0, 2, 1, 64];
        let frame = ethernet(0x0800, &tcp4(b"four"));
        for inner in [tcp4(b"four"), frame.clone(), [&[0; 4][..], &frame].concat()] {
            let frame = ethernet(0x8847, &[&labels[..], &inner].concat());
            assert_eq!(payload(LinkType::EN10MB, &frame), Ok(b"four".to_vec()));
        }
    }

    #[test]
    fn pppoe_sessions_and_not_discovery() {
        let inner = [&[0, 0x21][..], &tcp4(b"four")].concat();
        let session = [&[0x11, 0, 0, 9][..], &(inner.len() as u16).to_be_bytes(), &inner, &[0; 8]].concat();
        assert_eq!(payload(LinkType::EN10MB, &ethernet(0x8864, &session)), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::PPP_ETHER, &session), Ok(b"four".to_vec()));
        let discovery = [0x11, 9, 0, 0, 0, 0];
        assert_eq!(payload(LinkType::PPP_ETHER, &discovery), Err(Reason::NotIp));
    }

    #[test]
    fn netfilter_logs_of_hosts_of_both_byte_orders() {
        let inner = tcp4(b"four");
        let len = 4 + inner.len() as u16;
        let little = [&[2, 0, 0, 5][..], &[5, 0, 1, 0, 9, 0, 0, 0], &len.to_le_bytes(), &[9, 0], &inner].concat();
        let big = [&[2, 0, 0, 5][..], &[0, 5, 0, 1, 9, 0, 0, 0], &len.to_be_bytes(), &[0, 9], &inner].concat();
        assert_eq!(payload(LinkType::NFLOG, &little), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::NFLOG, &big), Ok(b"four".to_vec()));
        assert_eq!(payload(LinkType::NFLOG, &[2, 0, 0, 5, 0, 0, 1, 0]), Err(Reason::Malformed));
    }

    #[test]
    fn what_holds_no_ip_says_so() {
        assert_eq!(payload(LinkType::EN10MB, &ethernet(0x0806, &[0; 28])), Err(Reason::NotIp));
        assert_eq!(payload(LinkType::EN10MB, &ethernet(38, &[0x42; 38])), Err(Reason::NotIp));
        assert_eq!(payload(LinkType::IEEE802_11_RADIO, &[0; 60]), Err(Reason::UnknownLink));
        assert_eq!(payload(LinkType::EN10MB, &[0; 13]), Err(Reason::Malformed));
    }
}
