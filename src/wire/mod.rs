//! One packet decoded: link layers, tunnels, IP, fragments, TCP or ICMP.
//!
//! A [`Decoder`] walks from the link layer inwards, through tags and tunnels, until it finds a TCP segment or an
//! ICMP error that quotes one. What it finds borrows from the packet; only datagrams that came in fragments are
//! copied. Lengths are those of the IP header, so padding is never payload; checksums are not looked at, because
//! network cards fill them in after the capture.

mod decoder;
mod fast;
mod fragment;
mod gre;
mod icmp;
mod ip;
mod layout;
mod link;
mod seq;
mod tcp;
#[cfg(test)]
mod testing;
mod udp;
mod view;
mod walk;
mod wlan;

pub use decoder::{Decoded, Decoder, Reason, plain};
pub use icmp::{IcmpError, Quoted};
pub use ip::Ip;
pub use layout::Layout;
pub use seq::SeqNumber;
pub use tcp::{Flags, SackBlock, Segment, TcpOptions, Timestamps};
