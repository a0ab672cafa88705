//! Packets of the ring, as they stand in its files.

use crate::capture::{InterfaceDescription, LinkType, Writer};
use crate::cli::live::feed::Arrived;
use crate::timeline::Time;

/// Packets that are written together.
#[derive(Debug, Default)]
pub(in crate::cli::live) struct Block {
    packets: Vec<Header>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    number: u64,
    time: Time,
    link: LinkType,
    wire_len: u32,
    len: usize,
}

impl Block {
    pub(super) fn packet(&mut self, number: u64, packet: &Arrived<'_>) {
        let (time, link, wire_len) = (packet.time, packet.link, packet.wire_len);
        self.packets.push(Header { number, time, link, wire_len, len: packet.data.len() });
        self.bytes.extend_from_slice(packet.data);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len().saturating_add(self.packets.len().saturating_mul(OVERHEAD))
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Number and time of the first packet.
    pub(super) fn first(&self) -> Option<(u64, Time)> {
        self.packets.first().map(|header| (header.number, header.time))
    }

    /// Number of the last packet.
    pub(super) fn last(&self) -> Option<u64> {
        self.packets.last().map(|header| header.number)
    }

    /// The packets as blocks of a pcapng section, in which `links` have their interfaces already.
    pub(super) fn encode(&self, writer: &mut Writer<Vec<u8>>, links: &mut Vec<LinkType>) -> std::io::Result<()> {
        let mut rest = self.bytes.as_slice();
        for header in &self.packets {
            let Some((data, behind)) = rest.split_at_checked(header.len) else { break };
            rest = behind;
            let interface = match links.iter().position(|link| *link == header.link) {
                Some(place) => u32::try_from(place).unwrap_or(u32::MAX),
                None => {
                    links.push(header.link);
                    let description =
                        InterfaceDescription { link: header.link, snap_len: 0, name: None, description: None };
                    writer.interface(&description, "")?
                }
            };
            writer.packet(interface, header.time, header.wire_len, data, &[])?;
        }
        Ok(())
    }
}

/// Bytes that a packet takes in the file beside its own.
const OVERHEAD: usize = 36;
