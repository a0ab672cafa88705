//! ICMP (RFC 792) and ICMPv6 (RFC 4443) errors about TCP segments.

use std::net::IpAddr;

use etherparse::LaxIpSlice;

use super::decoder::Reason;
use super::ip::{self, Ip};
use super::seq::SeqNumber;
use super::view::View;

/// An ICMP error that quotes a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The IP header of the message: its source is who complains.
    pub ip: Ip,
    /// True for ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Next-hop MTU in bytes, of "fragmentation needed" and of "packet too big".
    pub mtu: Option<u32>,
    /// The segment that could not be delivered.
    pub quoted: Quoted,
}

/// The segment that an ICMP error quotes. Its source is the receiver of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source address.
    pub source: IpAddr,
    /// Source port.
    pub source_port: u16,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub seq: SeqNumber,
}

/// type (1), code (1), checksum (2), unused or MTU (4), then the packet that is complained of
///
/// With the error comes what the quoted segment held behind its header.
///
/// # Errors
/// The message is no error about TCP, or not whole.
pub(super) fn error(ip: Ip, protocol: u8, at: View<'_>) -> Result<(IcmpError, &[u8]), Reason> {
    let (&[kind, code, _, _, m0, m1, m2, m3], rest) = at.header()?;
    let v6 = protocol == ip::ICMPV6;
    let mtu = match (v6, kind, code) {
        (false, UNREACHABLE, FRAGMENTATION_NEEDED) => u32::from_be_bytes([0, 0, m2, m3]),
        (true, V6_TOO_BIG, _) => u32::from_be_bytes([m0, m1, m2, m3]),
        (false, UNREACHABLE | TIME_EXCEEDED, _) => 0,
        (true, V6_UNREACHABLE | V6_TIME_EXCEEDED | V6_PARAMETER_PROBLEM, _) => 0,
        _ => return Err(Reason::NotTcp),
    };
    // Routers of old leave the field 0 (RFC 1191 section 5).
    let mtu = (mtu > 0).then_some(mtu);
    let (quoted, payload) = quoted(rest.bytes)?;
    Ok((IcmpError { ip, v6, kind, code, mtu, quoted }, payload))
}

/// What is quoted is cut on purpose: 8 bytes behind the IP header are enough.
fn quoted(packet: &[u8]) -> Result<(Quoted, &[u8]), Reason> {
    let (quote, _) = LaxIpSlice::from_slice(packet).map_err(|_| Reason::Malformed)?;
    let later_fragment = quote.ipv4().is_some_and(|ipv4| ipv4.header().fragments_offset().value() > 0);
    if quote.payload_ip_number().0 != ip::TCP || later_fragment {
        return Err(Reason::NotTcp);
    }
    let payload = quote.payload().payload;
    let (&[s0, s1, d0, d1, q0, q1, q2, q3], _) = payload.split_first_chunk().ok_or(Reason::Cut)?;
    let quoted = Quoted {
        source: quote.source_addr(),
        source_port: u16::from_be_bytes([s0, s1]),
        destination: quote.destination_addr(),
        destination_port: u16::from_be_bytes([d0, d1]),
        seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
    };
    let header = payload.get(12).map_or(0, |byte| usize::from(byte >> 4) * 4).max(20);
    Ok((quoted, payload.get(header..).unwrap_or_default()))
}

const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const TIME_EXCEEDED: u8 = 11;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER_PROBLEM: u8 = 4;

#[cfg(test)]
mod tests {
    use super::super::testing::{CLIENT_6, SERVER, SERVER_6, ip4, packet, tcp4, tcp6, udp4};
    use super::super::{Decoded, Decoder, IcmpError, Reason};
    use crate::capture::LinkType;

    fn decode(bytes: &[u8]) -> Result<IcmpError, Reason> {
        match Decoder::new().decode(&packet(LinkType::RAW, bytes)) {
            Decoded::Icmp(error) => Ok(error),
            Decoded::Tcp(segment) => panic!("a segment: {segment:?}"),
            Decoded::Other(reason) => Err(reason),
        }
    }

    fn v4(head: [u8; 8], quoted: &[u8]) -> Result<IcmpError, Reason> {
        decode(&ip4(1, &[&head[..], quoted].concat()))
    }

    fn v6(head: [u8; 8], quoted: &[u8]) -> Result<IcmpError, Reason> {
        let len = (8 + quoted.len()) as u16;
        let ip = [&[0x60, 0, 0, 0][..], &len.to_be_bytes(), &[58, 64], &SERVER_6, &CLIENT_6].concat();
        decode(&[&ip[..], &head, quoted].concat())
    }

    #[test]
    fn an_error_quotes_the_segment_that_it_is_about() {
        let error = v4([3, 13, 0, 0, 0, 0, 0, 0], &tcp4(b"quoted in full")).expect("an error about TCP");
        assert_eq!((error.kind, error.code, error.v6, error.mtu), (3, 13, false, None));
        assert_eq!((error.quoted.destination, error.quoted.destination_port), (SERVER.into(), 443));
        assert_eq!((error.quoted.source_port, error.quoted.seq.0), (40_000, 1_000));
        let error = v6([1, 4, 0, 0, 0, 0, 0, 0], &tcp6(b"quoted")).expect("an error about TCP");
        assert_eq!((error.v6, error.quoted.source, error.ip.source), (true, CLIENT_6.into(), SERVER_6.into()));
    }

    #[test]
    fn eight_bytes_of_the_segment_are_enough() {
        let packet = tcp4(b"long enough to be cut");
        assert!(v4([11, 0, 0, 0, 0, 0, 0, 0], &packet[..28]).is_ok());
        assert_eq!(v4([11, 0, 0, 0, 0, 0, 0, 0], &packet[..27]), Err(Reason::Cut));
    }

    #[test]
    fn the_mtu_of_the_next_hop() {
        let mtu = |error: Result<IcmpError, Reason>| error.expect("an error about TCP").mtu;
        assert_eq!(mtu(v4([3, 4, 0, 0, 0, 0, 5, 0x78], &tcp4(b""))), Some(1400));
        assert_eq!(mtu(v4([3, 4, 0, 0, 0, 0, 0, 0], &tcp4(b""))), None);
        assert_eq!(mtu(v6([2, 0, 0, 0, 0, 0, 5, 0], &tcp6(b""))), Some(1280));
        assert_eq!(mtu(v4([3, 1, 0, 0, 0, 0, 5, 0x78], &tcp4(b""))), None);
    }

    #[test]
    fn other_messages_and_other_protocols_are_no_errors_about_tcp() {
        assert_eq!(v4([8, 0, 0, 0, 0, 0, 0, 0], &tcp4(b"")), Err(Reason::NotTcp));
        assert_eq!(v4([3, 1, 0, 0, 0, 0, 0, 0], &udp4(53, b"query")), Err(Reason::NotTcp));
        assert_eq!(v6([128, 0, 0, 0, 0, 0, 0, 0], &tcp6(b"")), Err(Reason::NotTcp));
        assert_eq!(v4([3, 1, 0, 0, 0, 0, 0, 0], &[]), Err(Reason::Malformed));
        let mut later_fragment = tcp4(b"");
        later_fragment[7] = 1;
        assert_eq!(v4([3, 1, 0, 0, 0, 0, 0, 0], &later_fragment), Err(Reason::NotTcp));
    }
}
