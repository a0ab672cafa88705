//! The short way for what most packets are: TCP in IP in Ethernet, or in what Linux makes of any link, whole and plain.

use super::tcp::{self, Segment};
use super::view::View;
use super::{ip, link};
use crate::capture::LinkType;

/// The segment of a frame; none where the long way has to look: tags, options, fragments, cut packets.
#[inline(always)]
pub(super) fn segment(link: LinkType, frame: &[u8]) -> Option<Segment<'_>> {
    let (ether_type, packet) = match link {
        LinkType::EN10MB => {
            let (&[.., high, low], packet) = frame.split_first_chunk::<14>()?;
            ([high, low], packet)
        }
        LinkType::LINUX_SLL => {
            let (&[.., high, low], packet) = frame.split_first_chunk::<16>()?;
            ([high, low], packet)
        }
        LinkType::LINUX_SLL2 => {
            let (&[high, low, ..], packet) = frame.split_first_chunk::<20>()?;
            ([high, low], packet)
        }
        _ => return None,
    };
    match u16::from_be_bytes(ether_type) {
        link::IPV4 => ipv4(packet),
        link::IPV6 => ipv6(packet),
        _ => None,
    }
}

#[inline(always)]
fn ipv4(packet: &[u8]) -> Option<Segment<'_>> {
    let (header, rest) = packet.split_first_chunk::<20>()?;
    let &[version, _, l0, l1, _, _, f0, f1, _, protocol, ..] = header;
    let fragment = u16::from_be_bytes([f0, f1]) & 0x3fff;
    if version != 0x45 || fragment != 0 || protocol != ip::TCP {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([l0, l1])).checked_sub(20)?;
    tcp::segment(ip::ipv4_facts(header), View::new(rest.get(..len)?, len)).ok()
}

#[inline]
fn ipv6(packet: &[u8]) -> Option<Segment<'_>> {
    let (header, rest) = packet.split_first_chunk::<40>()?;
    let &[version, _, _, _, l0, l1, next, ..] = header;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if version >> 4 != 6 || len == 0 || next != ip::TCP {
        return None;
    }
    tcp::segment(ip::ipv6_facts(header), View::new(rest.get(..len)?, len)).ok()
}
