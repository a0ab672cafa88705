//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpAuthHeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice};

use super::decoder::Reason;
use super::fragment::{Fragment, Key};
use super::view::View;
use super::walk::{Layer, Step};

/// What an IP header says of its packet: the innermost one, where there are tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Time to live (IPv4) or hop limit (IPv6).
    pub ttl: u8,
    /// Identification; none in IPv6.
    pub id: Option<u16>,
    /// The packet may not be fragmented on its way: the DF bit of IPv4, always in IPv6.
    pub dont_fragment: bool,
}

impl Default for Ip {
    fn default() -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { source: nowhere, destination: nowhere, ttl: 0, id: None, dont_fragment: false }
    }
}

/// The IP header that `at` begins with.
///
/// # Errors
/// It is not whole, or says what cannot be.
pub(super) fn header(at: View<'_>) -> Result<Step<'_>, Reason> {
    match at.bytes.first().map(|first| first >> 4) {
        Some(4) => ipv4(at),
        Some(6) => ipv6(at),
        Some(_) => Err(Reason::Malformed),
        None => Err(if at.wire == 0 { Reason::Malformed } else { Reason::Cut }),
    }
}

/// The facts of an IPv4 header.
#[inline]
pub(super) fn ipv4_facts(header: &[u8; 20]) -> Ip {
    let &[_, _, _, _, i0, i1, fragment, _, ttl, _, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    Ip {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        ttl,
        id: Some(u16::from_be_bytes([i0, i1])),
        dont_fragment: fragment & 0x40 != 0,
    }
}

/// The facts of an IPv6 header.
#[inline]
pub(super) fn ipv6_facts(header: &[u8; 40]) -> Ip {
    let &[_, _, _, _, _, _, _, ttl, ref addresses @ ..] = header;
    let (source, destination) = addresses.split_at(16);
    let address = |bytes: &[u8]| Ipv6Addr::from(bytes.first_chunk().copied().unwrap_or_default()).into();
    Ip { source: address(source), destination: address(destination), ttl, id: None, dont_fragment: true }
}

/// version and header length (1), service (1), total length (2), identification (2), flags and fragment offset
/// (2), TTL (1), protocol (1), checksum (2), source (4), destination (4), options
fn ipv4(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (header, _) = at.header::<20>()?;
    let &[version, _, t0, t1, i0, i1, f0, f1, _, protocol, ..] = header;
    let header_len = usize::from(version & 0xf) * 4;
    // A packet that the network card is to segment, or one above 64 KiB, has no length yet.
    let total_len = match usize::from(u16::from_be_bytes([t0, t1])) {
        0 => at.wire,
        len => len,
    };
    if header_len < 20 || total_len < header_len {
        return Err(Reason::Malformed);
    }
    let ip = ipv4_facts(header);
    let payload = at.limit(total_len).skip(header_len)?;
    let fragment = u16::from_be_bytes([f0, f1]);
    if fragment & 0x3fff == 0 {
        return Ok(Step(Layer::Payload(ip, protocol), payload));
    }
    let key = Key { ip: (ip.source, ip.destination), id: u16::from_be_bytes([i0, i1]).into(), protocol };
    let offset = usize::from(fragment & 0x1fff) * 8;
    let fragment = Fragment { key, ip, protocol, offset, more: fragment & 0x2000 != 0, at: payload };
    Ok(Step(Layer::Fragment(fragment), payload))
}

/// version, class and flow label (4), payload length (2), next header (1), hop limit (1), source (16),
/// destination (16)
fn ipv6(at: View<'_>) -> Result<Step<'_>, Reason> {
    let (header, rest) = at.header::<40>()?;
    let &[_, _, _, _, l0, l1, next, ..] = header;
    let ip = ipv6_facts(header);
    // 0 is a jumbogram (RFC 2675), or a packet that the network card is to segment.
    let payload = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => rest,
        len => rest.limit(len),
    };
    Ok(Step(Layer::Payload(ip, next), payload))
}

/// An extension header (RFC 8200 section 4), which tells what comes behind it.
///
/// # Errors
/// `protocol` is none of them, or the header is not whole.
pub(super) fn extension(ip: Ip, protocol: u8, at: View<'_>) -> Result<Step<'_>, Reason> {
    let broken = || if at.wire > at.bytes.len() { Reason::Cut } else { Reason::Malformed };
    let (next, len) = match protocol {
        HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => {
            let header = Ipv6RawExtHeaderSlice::from_slice(at.bytes).map_err(|_| broken())?;
            (header.next_header(), header.slice().len())
        }
        AUTHENTICATION => {
            let header = IpAuthHeaderSlice::from_slice(at.bytes).map_err(|_| broken())?;
            (header.next_header(), header.slice().len())
        }
        FRAGMENT => return fragment(ip, at),
        _ => return Err(Reason::NotTcp),
    };
    Ok(Step(Layer::Payload(ip, next.0), at.skip(len)?))
}

/// The fragment header of IPv6 (RFC 8200 section 4.5); one that holds the whole packet is no fragment (RFC 6946).
fn fragment(ip: Ip, at: View<'_>) -> Result<Step<'_>, Reason> {
    let (header, payload) = at.header::<8>()?;
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(header) else { return Err(Reason::Malformed) };
    let protocol = header.next_header().0;
    if !header.is_fragmenting_payload() {
        return Ok(Step(Layer::Payload(ip, protocol), payload));
    }
    let fragment = Fragment {
        key: Key { ip: (ip.source, ip.destination), id: header.identification(), protocol: FRAGMENT },
        ip,
        protocol,
        offset: usize::from(header.fragment_offset().value()) * 8,
        more: header.more_fragments(),
        at: payload,
    };
    Ok(Step(Layer::Fragment(fragment), payload))
}

pub(super) const ICMP: u8 = 1;
pub(super) const IPV4: u8 = 4;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const IPV6: u8 = 41;
pub(super) const GRE: u8 = 47;
pub(super) const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::super::testing::{SERVER_6, ethernet, ip4, packet, payload, segment, tcp4, tcp6};
    use crate::capture::{LinkType, Packet};

    /// Puts extension headers between an IPv6 header and its payload.
    fn with_extensions(packet: &[u8], first: u8, extensions: &[u8]) -> Vec<u8> {
        let mut bytes = [&packet[..40], extensions, &packet[40..]].concat();
        let len = (bytes.len() - 40) as u16;
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        bytes[6] = first;
        bytes
    }

    #[test]
    fn the_facts_of_both_versions() {
        let v4 = segment(&packet(LinkType::RAW, &ip4(6, &tcp4(b"")[20..])), |segment| segment.ip).expect("TCP");
        assert_eq!((v4.ttl, v4.id, v4.dont_fragment), (61, Some(7), true));
        assert_eq!((v4.source.to_string(), v4.destination.to_string()), ("192.0.2.1".into(), "198.51.100.2".into()));
        let v6 = segment(&packet(LinkType::RAW, &tcp6(b"")), |segment| segment.ip).expect("TCP");
        assert_eq!((v6.ttl, v6.id, v6.dont_fragment, v6.destination), (61, None, true, SERVER_6.into()));
    }

    #[test]
    fn padding_is_no_payload() {
        let frame = [ethernet(0x0800, &tcp4(b"")), vec![0; 6]].concat();
        let lens = segment(&packet(LinkType::EN10MB, &frame), |segment| (segment.payload.len(), segment.payload_len));
        assert_eq!(lens, Ok((0, 0)));
        let tagged = [ethernet(0x8100, &[&[0, 1, 8, 0][..], &tcp4(b"a")].concat()), vec![0; 6]].concat();
        assert_eq!(payload(LinkType::EN10MB, &tagged), Ok(b"a".to_vec()));
    }

    #[test]
    fn a_length_of_0_is_the_length_on_the_wire() {
        let large = vec![7; 70_000];
        let mut v4 = tcp4(&[]);
        v4[2..4].fill(0);
        let mut v6 = tcp6(&[]);
        v6[4..6].fill(0);
        for head in [v4, v6] {
            let bytes = [head, large.clone()].concat();
            let cut = Packet { wire_len: bytes.len() as u32 + 500, ..packet(LinkType::RAW, &bytes) };
            let lens = segment(&cut, |segment| (segment.payload.len(), segment.payload_len));
            assert_eq!(lens, Ok((70_000, 70_500)));
        }
    }

    #[test]
    fn what_the_snap_length_cut_counts_on_the_wire() {
        for whole in [ethernet(0x0800, &tcp4(&[7; 100])), ethernet(0x86dd, &tcp6(&[7; 100]))] {
            let head = whole.len() - 100;
            for captured in head..whole.len() {
                let cut = Packet { wire_len: whole.len() as u32, ..packet(LinkType::EN10MB, &whole[..captured]) };
                let lens = segment(&cut, |segment| (segment.payload.len(), segment.payload_len));
                assert_eq!(lens, Ok((captured - head, 100)));
            }
            let cut = Packet { wire_len: whole.len() as u32, ..packet(LinkType::EN10MB, &whole[..head - 1]) };
            assert_eq!(segment(&cut, |_| ()), Err(Reason::Cut));
        }
    }

    #[test]
    fn ipv4_options_are_passed_over() {
        let mut bytes = [&tcp4(b"abc")[..20], &[1; 8], &tcp4(b"abc")[20..]].concat();
        bytes[0] = 0x47;
        let len = bytes.len() as u8;
        bytes[3] = len;
        assert_eq!(payload(LinkType::RAW, &bytes), Ok(b"abc".to_vec()));
    }

    #[test]
    fn ipv6_extension_headers_are_passed_over() {
        let hop_by_hop_then_destination_then_tcp = [&[60, 0][..], &[1; 6], &[6, 1], &[1; 14]].concat();
        let bytes = with_extensions(&tcp6(b"abc"), 0, &hop_by_hop_then_destination_then_tcp);
        assert_eq!(payload(LinkType::RAW, &bytes), Ok(b"abc".to_vec()));
        let authentication = [&[6, 4][..], &[0; 22]].concat();
        assert_eq!(payload(LinkType::RAW, &with_extensions(&tcp6(b"abc"), 51, &authentication)), Ok(b"abc".to_vec()));
        let atomic_fragment = [6, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(payload(LinkType::RAW, &with_extensions(&tcp6(b"abc"), 44, &atomic_fragment)), Ok(b"abc".to_vec()));
    }

    #[test]
    fn ip_in_ip_counts_the_inner_packet() {
        let twice = ip4(4, &ip4(41, &tcp6(b"six")));
        let inner = segment(&packet(LinkType::RAW, &twice), |segment| segment.ip.destination);
        assert_eq!(inner, Ok(SERVER_6.into()));
        let deep = (0..40).fold(tcp4(b"four"), |inner, _| ip4(4, &inner));
        assert_eq!(payload(LinkType::RAW, &deep), Err(Reason::TooDeep));
    }

    #[test]
    fn impossible_lengths_are_malformed() {
        let mut short_header = tcp4(b"abc");
        short_header[0] = 0x44;
        let mut short_total = tcp4(b"abc");
        short_total[3] = 19;
        let mut no_room_for_tcp = tcp4(b"abc");
        no_room_for_tcp[3] = 39;
        let zero_authentication = with_extensions(&tcp6(b"abc"), 51, &[6, 0, 0, 0]);
        for bytes in [short_header, short_total, no_room_for_tcp, zero_authentication] {
            assert_eq!(payload(LinkType::RAW, &bytes), Err(Reason::Malformed));
        }
        assert_eq!(payload(LinkType::RAW, &ip4(50, &[0; 40])), Err(Reason::NotTcp));
    }
}
