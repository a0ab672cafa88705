//! Segments of one connection that are kept to be told again, one behind the other in one piece of memory.

use crate::timeline::{PacketRef, Peer, Time};
use crate::wire::{Flags, Ip, Segment, SeqNumber, TcpOptions};

/// Words of eight bytes that a segment takes beside its options and its payload.
const WORDS: usize = 5;

/// The peer that sends it is the origin.
const FROM_ORIGIN: u8 = 1;

/// Its IP header has an id.
const HAS_ID: u8 = 2;

/// Its IP header forbids fragments.
const DONT_FRAGMENT: u8 = 4;

/// Segments in the order of the capture, but for their addresses and ports. All of their payload was captured.
#[derive(Debug, Default)]
pub(super) struct Log(Vec<u8>);

/// A segment with its sender and its packet.
pub(super) struct Kept<'a> {
    pub(super) from: Peer,
    pub(super) packet: PacketRef,
    /// Its addresses and ports are those that were given.
    pub(super) segment: Segment<'a>,
}

impl Log {
    /// Bytes that one segment takes at most beside its payload: TCP has room for 40 bytes of options.
    pub(super) const SEGMENT: usize = WORDS * 8 + 40;

    /// Forgets all, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The bytes at these places, which [`Log::push`] gave.
    pub(super) fn bytes(&self, from: usize, len: usize) -> &[u8] {
        from.checked_add(len).and_then(|end| self.0.get(from..end)).unwrap_or_default()
    }

    /// Adds a segment; its payload stands at the place that is given back.
    #[inline]
    pub(super) fn push(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) -> usize {
        let (options, payload) = (segment.options.bytes(), segment.payload);
        let bits = if from == Peer::Origin { FROM_ORIGIN } else { 0 }
            | if segment.ip.id.is_some() { HAS_ID } else { 0 }
            | if segment.ip.dont_fragment { DONT_FRAGMENT } else { 0 };
        let words = [
            packet.number,
            packet.time.0.cast_unsigned(),
            u64::from(segment.seq.0) << 32 | u64::from(segment.ack.0),
            u64::from(segment.window) << 48
                | u64::from(segment.urgent) << 32
                | u64::from(segment.ip.id.unwrap_or(0)) << 16
                | u64::from(segment.flags.0) << 8
                | u64::from(segment.ip.ttl),
            (payload.len() as u64) << 32 | (options.len() as u64) << 8 | u64::from(bits),
        ];
        self.0.extend_from_slice(words.map(u64::to_le_bytes).as_flattened());
        self.0.extend_from_slice(options);
        let place = self.0.len();
        self.0.extend_from_slice(payload);
        place
    }

    /// All of them, `header` giving addresses and ports by their sender.
    pub(super) fn segments<'a>(
        &'a self,
        header: impl Fn(Peer) -> Segment<'static> + 'a,
    ) -> impl Iterator<Item = Kept<'a>> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (kept, behind) = read(rest, &header)?;
            rest = behind;
            Some(kept)
        })
    }
}

fn read<'a>(bytes: &'a [u8], header: impl Fn(Peer) -> Segment<'static>) -> Option<(Kept<'a>, &'a [u8])> {
    let (words, _) = bytes.as_chunks::<8>();
    let [number, time, numbers, fields, lengths] = words.first_chunk::<WORDS>()?.map(u64::from_le_bytes);
    let rest = bytes.get(WORDS * 8..)?;
    let (options, rest) = rest.split_at_checked((lengths >> 8 & 0xff) as usize)?;
    let (payload, rest) = rest.split_at_checked((lengths >> 32) as usize)?;
    let bits = lengths as u8;
    let from = if bits & FROM_ORIGIN != 0 { Peer::Origin } else { Peer::Edge };
    let header = header(from);
    let segment = Segment {
        ip: Ip {
            ttl: fields as u8,
            id: (bits & HAS_ID != 0).then_some((fields >> 16) as u16),
            dont_fragment: bits & DONT_FRAGMENT != 0,
            ..header.ip
        },
        seq: SeqNumber((numbers >> 32) as u32),
        ack: SeqNumber(numbers as u32),
        flags: Flags((fields >> 8) as u8),
        window: (fields >> 48) as u16,
        urgent: (fields >> 32) as u16,
        options: TcpOptions::new(options),
        payload,
        payload_len: payload.len() as u32,
        ..header
    };
    Some((Kept { from, packet: PacketRef { number, time: Time(time.cast_signed()) }, segment }, rest))
}
