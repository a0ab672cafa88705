//! A segment that is kept to be told again, as small as can be.

use crate::timeline::{Endpoint, PacketRef};
use crate::wire::{Flags, Ip, Segment, SeqNumber, TcpOptions};

/// A segment, but for its addresses, ports and payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) packet: PacketRef,
    pub(super) seq: SeqNumber,
    ack: SeqNumber,
    id: Option<u16>,
    window: u16,
    urgent: u16,
    pub(super) ttl: u8,
    dont_fragment: bool,
    flags: Flags,
    options_len: u8,
    options: [u8; MAX_OPTIONS],
}

impl Header {
    /// None where its options are too long.
    #[inline]
    pub(super) fn of(packet: PacketRef, segment: &Segment<'_>) -> Option<Self> {
        let bytes = segment.options.bytes();
        let mut options = [0; MAX_OPTIONS];
        match bytes.first_chunk::<TIMESTAMPS>() {
            // As nearly every segment has them.
            Some(first) if bytes.len() == TIMESTAMPS => options.first_chunk_mut().map(|place| *place = *first)?,
            _ => options.get_mut(..bytes.len())?.copy_from_slice(bytes),
        }
        Some(Self {
            packet,
            seq: segment.seq,
            ack: segment.ack,
            id: segment.ip.id,
            window: segment.window,
            urgent: segment.urgent,
            ttl: segment.ip.ttl,
            dont_fragment: segment.ip.dont_fragment,
            flags: segment.flags,
            options_len: bytes.len() as u8,
            options,
        })
    }

    /// The segment as it was, all of its payload captured.
    pub(super) fn segment<'a>(&'a self, source: Endpoint, destination: Endpoint, payload: &'a [u8]) -> Segment<'a> {
        let ip = Ip {
            source: source.address,
            destination: destination.address,
            ttl: self.ttl,
            id: self.id,
            dont_fragment: self.dont_fragment,
        };
        Segment {
            ip,
            source_port: source.port,
            destination_port: destination.port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            urgent: self.urgent,
            options: TcpOptions::new(self.options.get(..self.options_len.into()).unwrap_or_default()),
            payload,
            payload_len: payload.len() as u32,
        }
    }
}

/// Longest options that are kept so: Linux sends 20 bytes in a SYN, macOS 24.
const MAX_OPTIONS: usize = 24;

/// Length of timestamps with their padding (RFC 7323 appendix A).
const TIMESTAMPS: usize = 12;
