//! The walk from the link layer inwards, one header a step.

use super::decoder::Reason;
use super::fragment::Fragment;
use super::icmp::{self, IcmpError};
use super::ip::{self, Ip};
use super::tcp::{self, Segment};
use super::view::View;
use super::{gre, link, udp};
use crate::capture::LinkType;

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer<'a> {
    /// A packet as captured on a link of this type.
    Link(LinkType),
    /// The payload of this EtherType.
    Ether(u16),
    /// The payload of this PPP protocol.
    Ppp,
    /// An IPv4 or IPv6 header, as its first four bits say.
    Ip,
    /// The payload of an IP packet: a header of this protocol number.
    Payload(Ip, u8),
    /// A part of the payload of an IP packet.
    Fragment(Fragment<'a>),
}

/// The next layer and its bytes, or why there is none.
pub(super) struct Step<'a>(pub(super) Layer<'a>, pub(super) View<'a>);

/// Where a walk ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Tcp(Segment<'a>),
    /// The error, and what it quotes behind the TCP header.
    Icmp(IcmpError, &'a [u8]),
    Fragment(Fragment<'a>),
}

/// Walks from `layer` to what the packet is about.
///
/// # Errors
/// It is about something else, or cannot be told.
pub(super) fn walk<'a>(mut layer: Layer<'a>, mut at: View<'a>) -> Result<Outcome<'a>, Reason> {
    for _ in 0..MAX_LAYERS {
        Step(layer, at) = match layer {
            Layer::Link(link) => link::link(link, at)?,
            Layer::Ether(ether_type) => link::ether(ether_type, at)?,
            Layer::Ppp => link::ppp(at)?,
            Layer::Ip => ip::header(at)?,
            Layer::Payload(ip, protocol) => match protocol {
                ip::TCP => return tcp::segment(ip, at).map(Outcome::Tcp),
                ip::ICMP | ip::ICMPV6 => {
                    return icmp::error(ip, protocol, at).map(|(error, quoted)| Outcome::Icmp(error, quoted));
                }
                ip::IPV4 | ip::IPV6 => Step(Layer::Ip, at),
                ip::UDP => udp::tunnel(at)?,
                ip::GRE => gre::tunnel(at)?,
                _ => ip::extension(ip, protocol, at)?,
            },
            Layer::Fragment(fragment) => return Ok(Outcome::Fragment(fragment)),
        };
    }
    Err(Reason::TooDeep)
}

/// Headers of one packet that are walked through: link header, VLAN tags, MPLS labels, IP headers with their
/// extensions, tunnels.
pub(super) const MAX_LAYERS: usize = 32;
