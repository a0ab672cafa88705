//! What the packets of one sender have in common: the measure for packets that only claim to be its own.

use crate::timeline::PacketRef;
use crate::wire::{Flags, Segment, SeqNumber};

/// Two identical segments this close together are one segment that was captured twice.
const TWICE_NS: i64 = 2_000_000;

/// IP ids of one socket that are at most this far apart count as a sequence.
const ID_STEP: u16 = 64;

/// Segments of one sender before its IP ids are trusted to be a sequence.
const ID_TRUST: u32 = 3;

/// The header fields of one sender's segments over time.
#[derive(Debug, Default)]
pub(super) struct Habits {
    ttl: Option<u8>,
    ttl_count: u32,
    other_ttl_count: u32,
    last_id: Option<u16>,
    steps: u32,
    leaps: u32,
    last: Option<(Header, PacketRef)>,
}

/// What makes two segments the same one.
#[derive(Debug, PartialEq)]
struct Header {
    sequence: SeqNumber,
    acknowledgment: SeqNumber,
    flags: Flags,
    window: u16,
    id: Option<u16>,
    payload_len: u32,
    /// The beginning of the options: as a rule the timestamps (RFC 7323), which tell a copy from a repetition.
    options: [u8; OPTIONS],
}

impl Header {
    #[inline]
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            sequence: segment.seq,
            acknowledgment: segment.ack,
            flags: segment.flags,
            window: segment.window,
            id: segment.ip.id,
            payload_len: segment.payload_len,
            options: beginning(segment.options.bytes()),
        }
    }
}

/// Bytes of the options that are compared.
const OPTIONS: usize = 12;

#[inline]
fn beginning(options: &[u8]) -> [u8; OPTIONS] {
    if let Some(&beginning) = options.first_chunk() {
        return beginning;
    }
    let mut beginning = [0; OPTIONS];
    for (place, &byte) in beginning.iter_mut().zip(options) {
        *place = byte;
    }
    beginning
}

impl Habits {
    /// True where the segment is the one before it, captured a second time: at a mirror port, or on the way
    /// through several interfaces of one host. Retransmissions come later, or with another IP id or timestamp.
    #[inline]
    pub(super) fn seen_twice(&mut self, segment: &Segment<'_>, packet: PacketRef) -> bool {
        let header = Header::of(segment);
        let twice = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| *last == header && packet.time.nanos_since(at.time) <= TWICE_NS);
        if !twice {
            self.last = Some((header, packet));
        }
        twice
    }

    /// Learns from a segment whose sender is beyond doubt: anything but a RST.
    #[inline]
    pub(super) fn learn(&mut self, segment: &Segment<'_>) {
        match self.ttl {
            None => self.ttl = Some(segment.ip.ttl),
            Some(ttl) if ttl == segment.ip.ttl => {}
            Some(_) => self.other_ttl_count = self.other_ttl_count.saturating_add(1),
        }
        self.ttl_count = self.ttl_count.saturating_add(1);
        let Some(id) = segment.ip.id else { return };
        // Linux sends SYN-ACKs, and resets without a socket, with id 0.
        if id == 0 {
            return;
        }
        if let Some(last) = self.last_id {
            if id.wrapping_sub(last) <= ID_STEP {
                self.steps = self.steps.saturating_add(1);
            } else {
                self.leaps = self.leaps.saturating_add(1);
            }
        }
        self.last_id = Some(id);
    }

    /// The TTL or hop limit that the sender's packets have; none where they differ among themselves.
    pub(super) fn usual_ttl(&self) -> Option<u8> {
        self.ttl.filter(|_| self.other_ttl_count == 0)
    }

    /// The first TTL or hop limit seen.
    pub(super) fn ttl(&self) -> Option<u8> {
        self.ttl
    }

    /// The last IP id, where the sender's ids are a sequence that `id` does not continue.
    pub(super) fn id_off(&self, id: u16) -> Option<u16> {
        let last = self.last_id?;
        let sequence = self.steps >= ID_TRUST && self.leaps == 0;
        (sequence && id != 0 && id.wrapping_sub(last) > ID_STEP * 16).then_some(last)
    }
}
