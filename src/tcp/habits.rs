//! What the packets of one sender have in common: the measure for packets that only claim to be its own.

use crate::timeline::{PacketRef, Time};
use crate::wire::{Segment, SeqNumber, Timestamps};

/// Two identical segments this close together are one segment that was captured twice.
const TWICE_NS: i64 = 2_000_000;

/// A sender gives a segment that it sends again a new IP id and a new timestamp. One that has both of an earlier one
/// is its copy, this long after it.
const COPY_NS: i64 = 1_000_000_000;

/// Segments that a copy is looked for among: what is forwarded in bursts is captured in bursts.
const REMEMBERED: usize = 16;

/// IP ids of one socket that are at most this far apart count as a sequence.
const ID_STEP: u16 = 64;

/// Segments of one sender before its IP ids are trusted to be a sequence.
const ID_TRUST: u32 = 3;

/// The header fields of one sender's segments over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    ttl: Option<u8>,
    ttl_count: u32,
    other_ttl_count: u32,
    last_id: Option<u16>,
    steps: u32,
    leaps: u32,
    newest_timestamp: Option<u32>,
    newest_id: Option<u16>,
    with_timestamps: u32,
    without_timestamps: u32,
    largest_window: u16,
    /// The last segments, the oldest at `oldest` once they are as many as are remembered.
    seen: Vec<Seen>,
    oldest: u8,
    /// A part of the fingerprint of each of them; 0 for none. Nearly always it is enough to tell that there is no copy.
    marks: [u16; REMEMBERED],
    copies: u32,
    /// The TTL of copies that differ from their first in nothing else.
    forwarded_ttl: Option<u8>,
    syn: Option<(Made, PacketRef)>,
}

/// What tells a segment from the same one sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    seq: SeqNumber,
    id: Option<u16>,
    timestamp: Option<u32>,
}

impl Made {
    fn of(segment: &Segment<'_>, timestamps: Option<Timestamps>) -> Self {
        let id = segment.ip.id.filter(|&id| id != 0);
        Self { seq: segment.seq, id, timestamp: timestamps.map(|timestamps| timestamps.value) }
    }

    /// True where a sender that sends it again gives it another look.
    fn is_unique(&self) -> bool {
        self.id.is_some() || self.timestamp.is_some()
    }
}

/// True where a number that counts on and wraps around has passed `other`.
fn is_newer(number: u32, other: u32) -> bool {
    number.wrapping_sub(other).cast_signed() > 0
}

/// A segment that a copy may come of.
#[derive(Clone, Copy, Debug)]
struct Seen {
    fingerprint: u64,
    at: Time,
    ttl: u8,
}

/// Segments of one sender before it is trusted that all of them are forwarded.
const FORWARDED_TRUST: u32 = 3;

/// A hash of all that makes two segments the same one: sequence numbers, flags, window, IP id, length and the
/// beginning of the options, which are the timestamps as a rule (RFC 7323). The TTL is not among it: on a router, the
/// same packet is captured on its way in and on its way out.
#[inline]
fn fingerprint(segment: &Segment<'_>) -> u64 {
    let numbers = u64::from(segment.seq.0) << 32 | u64::from(segment.ack.0);
    let id = segment.ip.id.map_or(0, |id| u64::from(id) | 1 << 16);
    let header = u64::from(segment.flags.0) << 56 | u64::from(segment.window) << 40 | id << 23;
    let header = header ^ u64::from(segment.payload_len);
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut options = [0; OPTIONS];
    match segment.options.bytes().first_chunk() {
        Some(first) => options = *first,
        None => options.iter_mut().zip(segment.options.bytes()).for_each(|(to, from)| *to = *from),
    }
    let hash = mix(mix(0, numbers), header);
    let (words, _) = options.as_chunks::<4>();
    let hash = words.iter().fold(hash, |hash, word| mix(hash, u32::from_le_bytes(*word).into()));
    hash | 1
}

/// Bytes of the options that are compared.
const OPTIONS: usize = 12;

/// The part of a fingerprint that is looked for first, never 0.
fn mark(fingerprint: u64) -> u16 {
    (fingerprint >> 48) as u16 | 1
}

/// Every mark is looked at, without a branch, which the compiler turns into vector instructions.
fn has(marks: &[u16; REMEMBERED], mark: u16) -> bool {
    marks.iter().fold(false, |found, &other| found | (other == mark))
}

impl Habits {
    /// Forgets all of its sender: another one takes its place.
    pub(super) fn begin_again(&mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.clear();
        *self = Self { seen, ..Self::default() };
    }

    /// True where the segment is a copy of an earlier one: of a mirror port, of another interface of the same host,
    /// or of a path that doubles packets. It says nothing about its sender.
    #[inline]
    pub(super) fn seen_twice(&mut self, segment: &Segment<'_>, packet: PacketRef) -> bool {
        let fingerprint = fingerprint(segment);
        let mark = mark(fingerprint);
        if has(&self.marks, mark) && self.is_copy(fingerprint, segment, packet) {
            return true;
        }
        if segment.flags.syn() && self.is_syn_again(segment, packet) {
            self.copies = self.copies.saturating_add(1);
            return true;
        }
        self.remember(Seen { fingerprint, at: packet.time, ttl: segment.ip.ttl });
        false
    }

    /// Sees a segment that is no copy: true where that is certain. Bytes that are new are no copy; a segment without any
    /// is none that looks like no earlier one.
    #[inline]
    pub(super) fn see_next(&mut self, segment: &Segment<'_>, packet: PacketRef) -> bool {
        let fingerprint = fingerprint(segment);
        if segment.payload.is_empty() && has(&self.marks, mark(fingerprint)) {
            return false;
        }
        self.remember(Seen { fingerprint, at: packet.time, ttl: segment.ip.ttl });
        true
    }

    #[inline]
    fn remember(&mut self, seen: Seen) {
        let mark = mark(seen.fingerprint);
        let place = usize::from(self.oldest);
        if let Some(own) = self.marks.get_mut(place) {
            *own = mark;
        }
        match self.seen.get_mut(place) {
            Some(oldest) => *oldest = seen,
            None => self.seen.push(seen),
        }
        self.oldest = (place.wrapping_add(1) % REMEMBERED) as u8;
    }

    /// True for a late copy of the sender's SYN. It begins no other connection, even where this one has been closed.
    pub(super) fn is_syn_again(&self, segment: &Segment<'_>, packet: PacketRef) -> bool {
        self.syn.is_some_and(|(syn, at)| {
            let soon = packet.time.nanos_since(at.time) < COPY_NS;
            soon && syn.is_unique() && syn == Made::of(segment, segment.options.timestamps())
        })
    }

    #[cold]
    fn is_copy(&mut self, fingerprint: u64, segment: &Segment<'_>, packet: PacketRef) -> bool {
        let Some(first) = self.seen.iter().find(|seen| seen.fingerprint == fingerprint) else { return false };
        let told_apart = segment.ip.id.is_some_and(|id| id != 0) && segment.options.timestamps().is_some();
        let within = if told_apart { COPY_NS } else { TWICE_NS };
        let copy = packet.time.nanos_since(first.at) <= within;
        if copy {
            self.copies = self.copies.saturating_add(1);
            if first.ttl != segment.ip.ttl {
                self.forwarded_ttl = Some(segment.ip.ttl);
            }
        }
        copy
    }

    /// True where some packets are in the capture with two TTLs: it was taken on a router between the two.
    pub(super) fn forwarded(&self) -> bool {
        self.forwarded_ttl.is_some()
    }

    /// True where every packet of the sender is in the capture with two TTLs: one that is not did not come the same way.
    pub(super) fn always_forwarded(&self) -> bool {
        self.forwarded() && self.ttl_count >= FORWARDED_TRUST && self.copies >= self.ttl_count
    }

    /// True where the sender made the segment after all that were seen of it: by its timestamp, or else by its IP id.
    /// Late copies of a path that doubles packets are older.
    pub(super) fn is_later(&self, segment: &Segment<'_>) -> bool {
        match (self.newest_timestamp, segment.options.timestamps(), self.newest_id, segment.ip.id) {
            (Some(newest), Some(now), _, _) => is_newer(now.value, newest),
            (_, _, Some(newest), Some(now)) => is_newer(u32::from(now) << 16, u32::from(newest) << 16),
            _ => true,
        }
    }

    /// Learns of any segment when it was made: of a RST nothing else, its sender may be another.
    pub(super) fn learn_time(&mut self, segment: &Segment<'_>) {
        self.learn_timestamps(segment.options.timestamps());
    }

    #[inline]
    fn learn_timestamps(&mut self, timestamps: Option<Timestamps>) {
        if let Some(Timestamps { value: now, .. }) = timestamps
            && self.newest_timestamp.is_none_or(|newest| is_newer(now, newest))
        {
            self.newest_timestamp = Some(now);
        }
    }

    /// Learns from a segment whose sender is beyond doubt: anything but a RST.
    #[inline]
    pub(super) fn learn(&mut self, segment: &Segment<'_>, packet: PacketRef) {
        match self.ttl {
            None => self.ttl = Some(segment.ip.ttl),
            Some(ttl) if ttl == segment.ip.ttl => {}
            Some(_) => self.other_ttl_count = self.other_ttl_count.saturating_add(1),
        }
        self.ttl_count = self.ttl_count.saturating_add(1);
        let timestamps = segment.options.timestamps();
        self.learn_timestamps(timestamps);
        if segment.flags.syn() {
            self.syn.get_or_insert_with(|| (Made::of(segment, timestamps), packet));
        }
        // The window of a SYN is never scaled (RFC 7323 section 2.2).
        if !segment.flags.syn() {
            self.largest_window = self.largest_window.max(segment.window);
            let with = timestamps.is_some();
            self.with_timestamps = self.with_timestamps.saturating_add(with.into());
            self.without_timestamps = self.without_timestamps.saturating_add((!with).into());
        }
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
        if self.newest_id.is_none_or(|newest| is_newer(u32::from(id) << 16, u32::from(newest) << 16)) {
            self.newest_id = Some(id);
        }
    }

    /// The TTL or hop limit that the sender's packets have; none where they differ among themselves.
    pub(super) fn usual_ttl(&self) -> Option<u8> {
        self.ttl.filter(|_| self.other_ttl_count == 0)
    }

    /// True for the TTL that the sender's packets have behind the router that they were captured on.
    pub(super) fn forwards_with(&self, ttl: u8) -> bool {
        self.forwarded_ttl == Some(ttl)
    }

    /// The first TTL or hop limit seen.
    pub(super) fn ttl(&self) -> Option<u8> {
        self.ttl
    }

    /// True where every segment but the SYN had timestamps, of enough to tell.
    pub(super) fn always_has_timestamps(&self) -> bool {
        self.with_timestamps >= 2 && self.without_timestamps == 0
    }

    /// The largest window of a segment other than a SYN, not scaled; 0 where there was none.
    pub(super) fn largest_window(&self) -> u16 {
        self.largest_window
    }

    /// The last IP id, where the sender's ids are a sequence that `id` does not continue.
    pub(super) fn id_off(&self, id: u16) -> Option<u16> {
        let last = self.last_id?;
        let sequence = self.steps >= ID_TRUST && self.leaps == 0;
        (sequence && id != 0 && id.wrapping_sub(last) > ID_STEP * 16).then_some(last)
    }
}
