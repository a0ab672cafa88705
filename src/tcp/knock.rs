//! A connection that is only being opened, kept as small as a flood of SYNs demands.
//!
//! Whatever comes after the SYN and a plain SYN-ACK makes it a [`Connection`], which is told both from the start:
//! nothing is concluded here that is not concluded there.

use super::application::Application;
use super::connection::Connection;
use super::flow::{between, destination, source};
use super::spare::{Beginning, Spare};
use crate::timeline::{Endpoint, HalfOpen, PacketRef, Peer};
use crate::wire::{Flags, Ip, Segment, SeqNumber, TcpOptions};

/// A SYN, and the SYN-ACK that answers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knock {
    pub(super) index: u32,
    pub(super) edge: Endpoint,
    pub(super) origin: Endpoint,
    pub(super) syn: Header,
    pub(super) answer: Option<Header>,
}

impl Knock {
    /// The connection that `segment` opens; none where it is no plain SYN.
    pub(super) fn of(index: u32, packet: PacketRef, segment: &Segment<'_>) -> Option<Self> {
        let syn = Header::of(packet, segment).filter(|_| segment.flags.syn() && !segment.flags.ack())?;
        Some(Self { index, edge: source(segment), origin: destination(segment), syn, answer: None })
    }

    /// Takes the first SYN-ACK that acknowledges the SYN; false for any other segment.
    pub(super) fn take_answer(&mut self, source: Endpoint, packet: PacketRef, segment: &Segment<'_>) -> bool {
        let answers = segment.flags.syn() && segment.flags.ack() && segment.ack == self.syn.seq + 1;
        let first = self.answer.is_none() && source == self.origin && source != self.edge;
        if !answers || !first {
            return false;
        }
        let Some(answer) = Header::of(packet, segment) else { return false };
        self.answer = Some(answer);
        true
    }

    /// What is left of it where it is given up.
    pub(super) fn half_open(&self) -> HalfOpen {
        HalfOpen { edge: self.edge, syn: self.syn.packet, packets: 1_u64.saturating_add(self.answer.is_some().into()) }
    }

    /// The connection that it is, told from its SYN on.
    pub(super) fn connection<A: Application>(&self, spare: &mut Spare<A>, app: A) -> Box<Connection<A>> {
        let Self { index, edge, origin, .. } = *self;
        let beginning = Beginning { index, edge, origin, first: self.syn.packet, roles_open: false };
        let mut connection = spare.begin(&beginning, app);
        connection.segment(Peer::Edge, self.syn.packet, &self.syn.segment(self.edge, self.origin));
        if let Some(answer) = &self.answer {
            connection.segment(Peer::Origin, answer.packet, &answer.segment(self.origin, self.edge));
        }
        connection
    }
}

/// A segment without payload, but for its addresses and ports.
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
    /// None for a segment that says more than a SYN or a SYN-ACK does.
    fn of(packet: PacketRef, segment: &Segment<'_>) -> Option<Self> {
        if segment.payload_len > 0 || segment.flags.rst() || segment.flags.fin() {
            return None;
        }
        let bytes = segment.options.bytes();
        let mut options = [0; MAX_OPTIONS];
        options.get_mut(..bytes.len())?.copy_from_slice(bytes);
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

    fn segment(&self, source: Endpoint, destination: Endpoint) -> Segment<'_> {
        let said = between(source, destination);
        let ip = Ip { ttl: self.ttl, id: self.id, dont_fragment: self.dont_fragment, ..said.ip };
        Segment {
            ip,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            urgent: self.urgent,
            options: TcpOptions::new(self.options.get(..self.options_len.into()).unwrap_or_default()),
            ..said
        }
    }
}

/// Longest options that are kept so: Linux sends 20 bytes in a SYN, macOS 24.
const MAX_OPTIONS: usize = 24;
