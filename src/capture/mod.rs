//! Packets from a file, a pipe or an interface, with their time, link type and lengths.
//!
//! [`Input`] merges one or several captures by time. pcap and pcapng are recognised by their content, in clear or
//! packed with gzip or zstd. A file is read, and unpacked, in large blocks on a thread of its own; the blocks are used
//! again and again, and packets are borrowed from them.
//! [`Writer`] writes packets and what is to be said about them as pcapng.

mod ahead;
mod buffer;
mod error;
mod filter;
mod input;
mod interface;
mod link_type;
mod live;
mod order;
mod pcap;
mod pcapng;
mod reader;
mod source;
mod summary;
#[cfg(test)]
mod testing;
mod unpack;
mod writer;

pub use error::{CaptureError, Damage};
pub use filter::Filter;
pub use input::{Batch, Input, InterfaceId, Item, Packets};
pub use interface::InterfaceDescription;
pub use link_type::LinkType;
pub use live::{ANY, BLOCK_MS, Dropped, InterfaceName, Live, LiveOptions, Taken, interfaces};
pub use reader::Format;
pub use summary::{Cut, Summary};
pub use writer::Writer;

use crate::timeline::{PacketRef, Time};

/// One packet, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Number in the merged input, from 1, as Wireshark counts.
    pub number: u64,
    /// Time of capture.
    pub time: Time,
    /// What the bytes begin with.
    pub link: LinkType,
    /// Length on the wire in bytes: never less than `data`.
    pub wire_len: u32,
    /// The bytes that were captured: fewer than `wire_len` where the snap length cut the packet.
    pub data: &'a [u8],
}

impl Packet<'_> {
    /// Number and time.
    #[must_use]
    pub fn reference(&self) -> PacketRef {
        PacketRef { number: self.number, time: self.time }
    }
}
