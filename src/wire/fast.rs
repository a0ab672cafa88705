//! The short way for what most packets are: TCP in IPv4 in Ethernet, whole and plain.

use super::tcp::{self, Segment};
use super::view::View;
use super::{ip, link};

/// The segment of an Ethernet frame; none where the long way has to look: tags, options, fragments, cut packets.
#[inline]
pub(super) fn segment(frame: &[u8]) -> Option<Segment<'_>> {
    let (&[.., t0, t1], packet) = frame.split_first_chunk::<14>()?;
    let (header, rest) = packet.split_first_chunk::<20>()?;
    let &[version, _, l0, l1, _, _, f0, f1, _, protocol, ..] = header;
    let fragment = u16::from_be_bytes([f0, f1]) & 0x3fff;
    let plain = u16::from_be_bytes([t0, t1]) == link::IPV4 && version == 0x45 && fragment == 0 && protocol == ip::TCP;
    if !plain {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([l0, l1])).checked_sub(20)?;
    let payload = rest.get(..len)?;
    tcp::segment(ip::ipv4_facts(header), View::new(payload, len)).ok()
}
