//! Segments that the capture holds before the SYN that begins their connection.
//!
//! Of several queues, interfaces or processors each has its own order: the first request may stand before the SYN. The
//! numbers of both streams count from the SYN (RFC 9293 section 3.4.1), so what has overtaken it waits for it.

use super::flow::source;
use super::stream::{GRACE_NS, NEAR};
use crate::timeline::PacketRef;
use crate::wire::{Segment, SeqNumber, TcpOptions};

/// Segments that wait on one connection.
const SEGMENTS: usize = 64;

/// Bytes of payload that wait on one connection.
const BYTES: usize = 64 * 1024;

/// Segments in the order of the capture: one at least.
#[derive(Clone, Debug)]
pub(super) struct Early {
    segments: Vec<Kept>,
    bytes: usize,
    since: PacketRef,
}

/// A segment with its bytes.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) packet: PacketRef,
    header: Segment<'static>,
    options: Box<[u8]>,
    payload: Box<[u8]>,
}

impl Kept {
    fn of(packet: PacketRef, segment: &Segment<'_>) -> Self {
        Self {
            packet,
            header: Segment { options: TcpOptions::default(), payload: &[], ..*segment },
            options: segment.options.bytes().into(),
            payload: segment.payload.into(),
        }
    }

    pub(super) fn segment(&self) -> Segment<'_> {
        Segment { options: TcpOptions::new(&self.options), payload: &self.payload, ..self.header }
    }

    /// True where it belongs to the connection that the SYN or SYN-ACK begins: it counts on from its number, or
    /// acknowledges it.
    fn counts_from(&self, syn: &Segment<'_>) -> bool {
        let first = syn.seq + 1;
        let near = |number: SeqNumber| (0..=NEAR).contains(&i64::from(number.since(first)));
        if source(&self.header) == source(syn) {
            near(self.header.seq)
        } else {
            !self.header.flags.ack() || near(self.header.ack)
        }
    }
}

impl Early {
    pub(super) fn new(packet: PacketRef, segment: &Segment<'_>) -> Self {
        Self { segments: vec![Kept::of(packet, segment)], bytes: segment.payload.len(), since: packet }
    }

    /// Takes one more; false where nothing is to be waited for any longer: the SYN, or behind a FIN whose sender may be
    /// either, what tells who is the client.
    pub(super) fn push(&mut self, packet: PacketRef, segment: &Segment<'_>, roles_open: bool) -> bool {
        let soon = packet.time.nanos_since(self.since.time) < GRACE_NS;
        let waits = soon || (roles_open && self.has_fin() && segment.payload.is_empty());
        if !waits || self.segments.len() >= SEGMENTS || self.bytes > BYTES {
            return false;
        }
        self.bytes = self.bytes.saturating_add(segment.payload.len());
        self.segments.push(Kept::of(packet, segment));
        true
    }

    /// True where all of it belongs to the connection that the SYN or SYN-ACK begins.
    pub(super) fn belongs_to(&self, syn: &Segment<'_>) -> bool {
        self.segments.iter().all(|kept| kept.counts_from(syn))
    }

    /// True where both sides have said that they close.
    pub(super) fn finished(&self) -> bool {
        let mut fins = self.segments.iter().map(|kept| &kept.header).filter(|header| header.flags.fin());
        fins.next().is_some_and(|first| fins.any(|other| source(other) != source(first)))
    }

    /// True where a side has said that it closes.
    pub(super) fn has_fin(&self) -> bool {
        self.segments.iter().any(|kept| kept.header.flags.fin())
    }

    /// The first segment with payload.
    pub(super) fn first_payload(&self) -> Option<Segment<'_>> {
        self.segments.iter().map(Kept::segment).find(|segment| !segment.payload.is_empty())
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn into_segments(self) -> Vec<Kept> {
        self.segments
    }
}
