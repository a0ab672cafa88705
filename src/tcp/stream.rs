//! One direction's byte stream, put into order (RFC 9293 section 3.4).

use std::collections::BTreeMap;

use crate::timeline::{Mark, PacketRef};
use crate::wire::SeqNumber;

/// Bytes that one stream may hold while it waits for the bytes before them.
pub(super) const HELD_LIMIT: usize = 1 << 20;

/// Pieces that one stream may hold.
const HELD_PIECES: usize = 4096;

/// How long an acknowledged hole is given to be filled by packets that the capture has out of order.
pub(super) const GRACE_NS: i64 = 2_000_000;

/// Bytes beyond what was seen that a number may stand for, the capture having missed them.
pub(super) const NEAR: i64 = 16 << 20;

/// What a stream hands on, in order.
pub(super) struct Piece<'a> {
    pub(super) what: What<'a>,
    /// Its first byte, and the packet that it came in.
    pub(super) at: Mark,
    /// How far its sender had read the other stream, where the capture may hold that later; else 0.
    pub(super) until: u64,
}

/// What a piece of a stream is.
pub(super) enum What<'a> {
    /// The next bytes.
    Data(&'a [u8]),
    /// The capture missed the next bytes: the other side acknowledged them.
    Gap(u64),
    /// The snap length cut the next bytes off.
    Cut(u64),
    /// The stream has ended.
    End,
}

/// What a segment was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Bytes at or beyond the end of what was seen.
    New,
    /// Bytes before the end of what was seen that fill a hole.
    Fills,
    /// Bytes that were seen before.
    Repeats,
    /// One byte or none, just before the next one: a keep-alive probe (RFC 9293 section 3.8.4).
    Probe,
}

/// One payload as it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    /// Offset of its first byte; negative for bytes before the first one that is known.
    pub(super) offset: i64,
    /// The bytes that the capture holds.
    pub(super) bytes: &'a [u8],
    /// Bytes behind them that the snap length cut off.
    pub(super) cut: u64,
    /// The packet.
    pub(super) packet: PacketRef,
    /// How far its sender had read the other stream, where the capture may hold that later; else 0.
    pub(super) until: u64,
}

impl Payload<'_> {
    fn end(&self) -> i64 {
        self.offset.saturating_add_unsigned(self.bytes.len() as u64).saturating_add_unsigned(self.cut)
    }

    /// The same payload without its first `count` bytes.
    fn skip(self, count: u64) -> Self {
        let captured = self.bytes.len() as u64;
        let taken = count.min(captured);
        Self {
            offset: self.offset.saturating_add_unsigned(count),
            bytes: self.bytes.get(usize::try_from(taken).unwrap_or(usize::MAX)..).unwrap_or_default(),
            cut: self.cut.saturating_sub(count.saturating_sub(taken)),
            ..self
        }
    }
}

#[derive(Clone, Debug)]
struct Held {
    offset: u64,
    bytes: Box<[u8]>,
    cut: u64,
    packet: PacketRef,
    until: u64,
}

impl Held {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64).saturating_add(self.cut)
    }

    /// Bytes at the same offsets that are not the same.
    fn differing(&self, payload: &Payload<'_>) -> u64 {
        let (own, other) = (self.offset as i64, payload.offset);
        let skip = |by: i64| usize::try_from(by).unwrap_or(0);
        let own_bytes = self.bytes.get(skip(other.saturating_sub(own))..).unwrap_or_default();
        let other_bytes = payload.bytes.get(skip(own.saturating_sub(other))..).unwrap_or_default();
        own_bytes.iter().zip(other_bytes).filter(|(a, b)| a != b).count() as u64
    }
}

/// The state of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Sequence number of offset 0.
    base: Option<SeqNumber>,
    /// Everything before this offset was handed on.
    next: u64,
    /// Highest offset seen in a segment.
    high: u64,
    /// Highest offset that the other side acknowledged.
    acked: u64,
    /// Pieces beyond `next` by their offset, without overlap.
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    /// Bytes that came twice, with different contents.
    conflicting: u64,
    /// Offset of the FIN, and how far its sender had read the other stream.
    fin: Option<(u64, u64)>,
    ended: bool,
    /// The first packet that acknowledged bytes which the capture does not hold yet.
    hole_acked: Option<PacketRef>,
}

impl Stream {
    /// True once a sequence number names its offset 0.
    pub(super) fn has_begun(&self) -> bool {
        self.base.is_some()
    }

    /// Everything before this offset was handed on.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Highest offset seen in a segment.
    pub(super) fn high(&self) -> u64 {
        self.high
    }

    /// Bytes that wait for the bytes before them.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// Bytes that came again with other contents, as far as the first ones were still held.
    pub(super) fn conflicting(&self) -> u64 {
        self.conflicting
    }

    /// True once the FIN and every byte before it were handed on.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// True where an acknowledgment of `offset` covers the FIN.
    pub(super) fn covers_fin(&self, offset: i64) -> bool {
        self.fin.is_some_and(|(fin, _)| offset > fin as i64)
    }

    /// How many bytes lie between the first one behind this SYN and offset 0: the sender sent them before.
    pub(super) fn begun_late_by(&self, syn: SeqNumber) -> Option<i64> {
        Some(i64::from(self.base?.since(syn + 1)))
    }

    /// The sequence number of the next byte, where every byte up to the highest one seen was handed on, none beyond it
    /// was acknowledged, and no FIN came.
    pub(super) fn settled_at(&self) -> Option<SeqNumber> {
        let whole = self.next == self.high && self.held.is_empty() && self.fin.is_none();
        let acked = self.acked <= self.next && self.hole_acked.is_none();
        self.next_number().filter(|_| whole && acked)
    }

    /// The sequence number of the byte behind those that were handed on.
    #[inline]
    pub(super) fn next_number(&self) -> Option<SeqNumber> {
        self.base.map(|base| base + self.next as u32)
    }

    /// The offset up to which a sequence number acknowledges the bytes seen; none where it acknowledges others, or
    /// fewer than an earlier one.
    #[inline]
    pub(super) fn acknowledged_by(&self, sequence: SeqNumber) -> Option<u64> {
        let news = u64::try_from(sequence.since(self.base? + self.acked as u32)).ok()?;
        let offset = self.acked.checked_add(news)?;
        (offset <= self.next).then_some(offset)
    }

    /// Goes on by the next `len` bytes, which are handed on elsewhere. Returns the offset of the first of them.
    #[inline]
    pub(super) fn advance(&mut self, len: usize) -> u64 {
        let first = self.next;
        self.next = first.saturating_add(len as u64);
        self.high = self.next;
        first
    }

    /// True where one byte more was acknowledged than ever came, and no FIN came.
    pub(super) fn acked_beyond_all(&self) -> bool {
        self.fin.is_none() && self.acked == self.high.saturating_add(1)
    }

    /// Names the sequence number of offset 0, once.
    pub(super) fn begin_at(&mut self, sequence: SeqNumber) {
        self.base.get_or_insert(sequence);
    }

    /// True where not a byte of it came, nor its end.
    pub(super) fn is_empty(&self) -> bool {
        self.high == 0 && self.held.is_empty() && self.fin.is_none()
    }

    /// Names an earlier sequence number as that of offset 0, where no byte has come yet: what was acknowledged lies
    /// behind it.
    pub(super) fn begin_anew_at(&mut self, sequence: SeqNumber) {
        let before = self.base.map_or(0, |base| base.since(sequence));
        self.base = Some(sequence);
        self.acked = self.acked.saturating_add_signed(before.into());
    }

    /// Offset of a sequence number: the one nearest to what was seen last, so that wrapped numbers count on.
    /// The first number that is asked for becomes offset 0.
    #[inline]
    pub(super) fn offset_of(&mut self, sequence: SeqNumber) -> i64 {
        let base = *self.base.get_or_insert(sequence);
        let expected = base + self.high as u32;
        (self.high as i64).saturating_add(i64::from(sequence.since(expected)))
    }

    /// Takes one payload, hands on what is in order now, and says what the payload was.
    #[inline]
    pub(super) fn accept(&mut self, payload: Payload<'_>, hand_on: &mut impl FnMut(Piece<'_>)) -> Arrival {
        let end = payload.end();
        if payload.offset == self.high as i64 && payload.offset == self.next as i64 {
            self.high = end as u64;
            self.deliver(payload, hand_on);
            self.drain(hand_on);
            return Arrival::New;
        }
        self.accept_out_of_order(payload, hand_on)
    }

    #[inline(never)]
    fn accept_out_of_order(&mut self, payload: Payload<'_>, hand_on: &mut impl FnMut(Piece<'_>)) -> Arrival {
        let end = payload.end();
        let arrival = self.classify(&payload);
        if end <= self.next as i64 {
            return arrival;
        }
        self.high = self.high.max(end as u64);
        let seen = (self.next as i64).saturating_sub(payload.offset).max(0) as u64;
        let payload = payload.skip(seen);
        if payload.offset == self.next as i64 && self.held.is_empty() {
            self.deliver(payload, hand_on);
        } else {
            self.hold(payload);
            self.drain(hand_on);
            if self.held_bytes > HELD_LIMIT || self.held.len() > HELD_PIECES {
                self.skip_hole(hand_on);
            }
        }
        arrival
    }

    fn classify(&self, payload: &Payload<'_>) -> Arrival {
        let (start, end, high) = (payload.offset, payload.end(), self.high as i64);
        if end.saturating_sub(start) <= 1 && end == high && start >= high.saturating_sub(1) && self.acked == self.high {
            return Arrival::Probe;
        }
        if end > high {
            return Arrival::New;
        }
        if end <= self.next as i64 || self.is_held(start.max(self.next as i64) as u64, end as u64) {
            return Arrival::Repeats;
        }
        Arrival::Fills
    }

    fn is_held(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for piece in self.overlapping(start, end) {
            if piece.offset > at {
                return false;
            }
            at = piece.end();
        }
        at >= end
    }

    /// The held pieces that have bytes between these offsets, in order.
    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Held> {
        let before = self.held.range(..start).next_back().filter(|(_, piece)| piece.end() > start);
        before.into_iter().chain(self.held.range(start..end.max(start))).map(|(_, piece)| piece)
    }

    /// The other side acknowledged everything before `offset`. Returns true where that is news.
    #[inline]
    pub(super) fn acknowledge(&mut self, offset: i64, packet: PacketRef) -> bool {
        let Ok(mut offset) = u64::try_from(offset) else { return false };
        if let Some((fin, _)) = self.fin
            && offset == fin.saturating_add(1)
        {
            offset = fin;
        }
        if offset > self.next && self.hole_acked.is_none() {
            self.hole_acked = Some(packet);
        }
        if offset <= self.acked {
            return false;
        }
        self.acked = offset;
        true
    }

    /// `fin` is an empty payload where the FIN stands.
    pub(super) fn finish_at(&mut self, fin: &Payload<'_>, hand_on: &mut impl FnMut(Piece<'_>)) {
        let Ok(offset) = u64::try_from(fin.offset) else { return };
        if self.fin.is_none() {
            self.fin = Some((offset, fin.until));
            self.high = self.high.max(offset);
        }
        self.end_if_due(fin.packet, hand_on);
    }

    /// Gives up holes whose bytes were acknowledged a while ago: the capture missed them. Returns how many
    /// bytes it missed.
    #[inline]
    pub(super) fn settle(&mut self, now: PacketRef, hand_on: &mut impl FnMut(Piece<'_>)) -> u64 {
        let Some(since) = self.hole_acked else { return 0 };
        if now.time.nanos_since(since.time) < GRACE_NS {
            return 0;
        }
        self.give_up_acked(now, hand_on)
    }

    /// Gives up every hole whose bytes were acknowledged, at once. Returns how many bytes the capture missed.
    pub(super) fn give_up_acked(&mut self, now: PacketRef, hand_on: &mut impl FnMut(Piece<'_>)) -> u64 {
        let mut missed = 0;
        while self.acked > self.next {
            let first = self.held.first_key_value().map(|(offset, piece)| (*offset, piece.packet));
            let until = first.map_or(self.acked, |(offset, _)| offset.min(self.acked));
            let len = until.saturating_sub(self.next);
            // The acknowledgment of a FIN that the capture does not hold looks like one missing byte.
            if len <= 1 && first.is_none() && self.acked >= self.high {
                break;
            }
            let packet = first.map_or(now, |(_, packet)| packet);
            hand_on(Piece { what: What::Gap(len), at: Mark { packet, offset: self.next }, until: 0 });
            missed = len.saturating_add(missed);
            self.next = until;
            self.high = self.high.max(until);
            self.drain(hand_on);
        }
        self.hole_acked = None;
        missed
    }

    fn skip_hole(&mut self, hand_on: &mut impl FnMut(Piece<'_>)) {
        if let Some((&offset, first)) = self.held.first_key_value() {
            let packet = first.packet;
            let what = What::Gap(offset.saturating_sub(self.next));
            hand_on(Piece { what, at: Mark { packet, offset: self.next }, until: 0 });
            self.next = offset;
            self.drain(hand_on);
        }
    }

    #[inline]
    fn deliver(&mut self, payload: Payload<'_>, hand_on: &mut impl FnMut(Piece<'_>)) {
        let Ok(offset) = u64::try_from(payload.offset) else { return };
        let Payload { packet, until, .. } = payload;
        if !payload.bytes.is_empty() {
            hand_on(Piece { what: What::Data(payload.bytes), at: Mark { packet, offset }, until });
        }
        self.next = offset.saturating_add(payload.bytes.len() as u64);
        if payload.cut > 0 {
            hand_on(Piece { what: What::Cut(payload.cut), at: Mark { packet, offset: self.next }, until });
            self.next = self.next.saturating_add(payload.cut);
        }
        self.end_if_due(payload.packet, hand_on);
    }

    #[inline]
    fn drain(&mut self, hand_on: &mut impl FnMut(Piece<'_>)) {
        if !self.held.is_empty() {
            self.deliver_held(hand_on);
        }
        if self.held.is_empty() && self.next >= self.acked {
            self.hole_acked = None;
        }
    }

    fn deliver_held(&mut self, hand_on: &mut impl FnMut(Piece<'_>)) {
        while self.held.first_key_value().is_some_and(|(offset, _)| *offset <= self.next) {
            let Some((_, piece)) = self.held.pop_first() else { return };
            self.held_bytes = self.held_bytes.saturating_sub(piece.bytes.len());
            if piece.end() <= self.next {
                continue;
            }
            let Held { offset, ref bytes, cut, packet, until } = piece;
            let payload = Payload { offset: offset as i64, bytes, cut, packet, until };
            self.deliver(payload.skip(self.next.saturating_sub(piece.offset)), hand_on);
        }
    }

    /// Keeps the parts of a payload that no held piece covers: the bytes seen first win.
    fn hold(&mut self, payload: Payload<'_>) {
        let (start, end) = (payload.offset as u64, payload.end() as u64);
        let mut conflicting: u64 = 0;
        let mut parts = Vec::new();
        let mut rest = payload;
        for piece in self.overlapping(start, end) {
            conflicting = conflicting.saturating_add(piece.differing(&payload));
            let at = rest.offset as u64;
            parts.push((rest, piece.offset.saturating_sub(at)));
            rest = rest.skip(piece.end().saturating_sub(at));
        }
        parts.push((rest, end.saturating_sub(rest.offset as u64)));
        self.conflicting = self.conflicting.saturating_add(conflicting);
        for (part, len) in parts {
            self.keep(part, len);
        }
    }

    /// Keeps the first `len` bytes of a payload.
    fn keep(&mut self, payload: Payload<'_>, len: u64) {
        if len == 0 {
            return;
        }
        let captured = payload.bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let bytes: Box<[u8]> = payload.bytes.get(..captured).unwrap_or_default().into();
        self.held_bytes = self.held_bytes.saturating_add(bytes.len());
        let cut = len.saturating_sub(bytes.len() as u64);
        let Payload { offset, packet, until, .. } = payload;
        self.held.insert(offset as u64, Held { offset: offset as u64, bytes, cut, packet, until });
    }

    fn end_if_due(&mut self, packet: PacketRef, hand_on: &mut impl FnMut(Piece<'_>)) {
        if let Some((_, until)) = self.fin.filter(|(fin, _)| !self.ended && self.next >= *fin) {
            self.ended = true;
            hand_on(Piece { what: What::End, at: Mark { packet, offset: self.next }, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Dice;
    use super::*;
    use crate::timeline::Time;

    /// What a stream handed on: bytes as text, `<n>` for a gap, `.` for the end.
    #[derive(Default)]
    struct Heard(String);

    impl Heard {
        fn take(&mut self, piece: Piece<'_>) {
            match piece.what {
                What::Data(bytes) => self.0.push_str(std::str::from_utf8(bytes).unwrap()),
                What::Gap(len) | What::Cut(len) => self.0.push_str(&format!("<{len}>")),
                What::End => self.0.push('.'),
            }
        }
    }

    fn packet(number: u64) -> PacketRef {
        PacketRef { number, time: Time(number as i64 * 1_000_000) }
    }

    /// Feeds segments given as (offset, bytes) into a stream that begins near the end of sequence space.
    fn hear(segments: &[(u32, &str)]) -> (String, Vec<Arrival>) {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        let first = SeqNumber(u32::MAX - 3);
        stream.begin_at(first);
        let arrivals = segments.iter().enumerate().map(|(nth, (offset, bytes))| {
            let offset = stream.offset_of(first + *offset);
            let payload = Payload { offset, bytes: bytes.as_bytes(), cut: 0, packet: packet(nth as u64), until: 0 };
            stream.accept(payload, &mut |piece| heard.take(piece))
        });
        let arrivals = arrivals.collect();
        (heard.0, arrivals)
    }

    #[test]
    fn bytes_in_order_pass_through_a_wrap_of_the_sequence_number() {
        assert_eq!(hear(&[(0, "abc"), (3, "def"), (6, "ghi")]).0, "abcdefghi");
    }

    #[test]
    fn a_hole_is_filled_by_what_comes_late() {
        let (heard, arrivals) = hear(&[(0, "abc"), (6, "ghi"), (3, "def")]);
        assert_eq!(heard, "abcdefghi");
        assert_eq!(arrivals, [Arrival::New, Arrival::New, Arrival::Fills]);
    }

    #[test]
    fn a_repeated_segment_is_heard_once() {
        let (heard, arrivals) = hear(&[(0, "abc"), (0, "abc"), (3, "def"), (1, "bcd")]);
        assert_eq!(heard, "abcdef");
        assert_eq!(arrivals, [Arrival::New, Arrival::Repeats, Arrival::New, Arrival::Repeats]);
    }

    #[test]
    fn of_bytes_sent_twice_the_first_seen_win() {
        assert_eq!(hear(&[(0, "ab"), (4, "EF"), (2, "cdXY")]).0, "abcdEF");
        assert_eq!(hear(&[(0, "ab"), (4, "EF"), (3, "defg"), (2, "c")]).0, "abcdEFg");
    }

    #[test]
    fn an_acknowledged_hole_is_a_gap_of_the_capture() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.begin_at(SeqNumber(0));
        for (offset, bytes) in [(0, "ab"), (5, "fg")] {
            let payload = Payload { offset, bytes: bytes.as_bytes(), cut: 0, packet: packet(1), until: 0 };
            stream.accept(payload, &mut |piece| heard.take(piece));
        }
        assert!(stream.acknowledge(7, packet(2)));
        assert_eq!(stream.settle(packet(2), &mut |piece| heard.take(piece)), 0, "it may still be out of order");
        assert_eq!(stream.settle(packet(9), &mut |piece| heard.take(piece)), 3);
        assert_eq!(heard.0, "ab<3>fg");
    }

    #[test]
    fn the_acknowledgment_of_an_unseen_fin_is_no_gap() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.begin_at(SeqNumber(0));
        let payload = Payload { offset: 0, bytes: b"ab", cut: 0, packet: packet(1), until: 0 };
        stream.accept(payload, &mut |piece| heard.take(piece));
        stream.acknowledge(3, packet(2));
        assert_eq!(stream.give_up_acked(packet(9), &mut |piece| heard.take(piece)), 0);
        assert_eq!(heard.0, "ab");
    }

    #[test]
    fn the_end_waits_for_the_bytes_before_it() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.begin_at(SeqNumber(0));
        let fin = Payload { offset: 4, bytes: &[], cut: 0, packet: packet(1), until: 0 };
        stream.finish_at(&fin, &mut |piece| heard.take(piece));
        for (offset, bytes) in [(2, "cd"), (0, "ab")] {
            let payload = Payload { offset, bytes: bytes.as_bytes(), cut: 0, packet: packet(2), until: 0 };
            stream.accept(payload, &mut |piece| heard.take(piece));
        }
        assert_eq!(heard.0, "abcd.");
    }

    #[test]
    fn a_segment_that_the_snap_length_cut_leaves_a_gap() {
        let (mut stream, mut heard) = (Stream::default(), Heard::default());
        stream.begin_at(SeqNumber(0));
        for (offset, bytes, cut) in [(0, "ab", 8), (10, "kl", 0)] {
            let payload = Payload { offset, bytes: bytes.as_bytes(), cut, packet: packet(1), until: 0 };
            stream.accept(payload, &mut |piece| heard.take(piece));
        }
        assert_eq!(heard.0, "ab<8>kl");
    }

    #[test]
    fn what_a_stream_holds_is_bounded() {
        let (mut stream, mut gaps) = (Stream::default(), 0);
        stream.begin_at(SeqNumber(0));
        let chunk = vec![b'x'; 64 * 1024];
        for nth in 0..100_i64 {
            let payload = Payload { offset: 10 + nth * 65_536, bytes: &chunk, cut: 0, packet: packet(1), until: 0 };
            stream.accept(payload, &mut |piece| gaps += u32::from(matches!(piece.what, What::Gap(_))));
            assert!(stream.held_bytes <= HELD_LIMIT);
        }
        assert_eq!(gaps, 1, "the hole is given up once the limit is reached");
    }

    #[test]
    fn of_all_that_a_stream_holds_only_what_overlaps_is_looked_at() {
        let mut stream = Stream::default();
        stream.begin_at(SeqNumber(0));
        // Behind a hole, every other byte: the most pieces that one stream may hold, as an attacker would send them.
        for nth in (0..HELD_PIECES as i64).rev() {
            let payload = Payload { offset: 10 + 2 * nth, bytes: b"x", cut: 0, packet: packet(1), until: 0 };
            stream.accept(payload, &mut |_| panic!("nothing is in order"));
        }
        assert_eq!(stream.held.len(), HELD_PIECES);
        assert_eq!(stream.overlapping(10, 11).count(), 1);
        assert_eq!(stream.overlapping(11, 12).count(), 0);
        assert_eq!(stream.overlapping(4_000, 4_100).count(), 50);
        assert!(stream.is_held(4_000, 4_001) && !stream.is_held(4_000, 4_002));
    }

    #[test]
    fn any_order_repetition_and_segmentation_gives_the_same_stream() {
        let text: Vec<u8> = (0..600).map(|nth| b'a' + (nth % 26) as u8).collect();
        for seed in 1..300 {
            let mut dice = Dice::of(seed);
            let mut segments = Vec::new();
            let mut at = 0;
            while at < text.len() {
                let end = (at + 1 + dice.below(60)).min(text.len());
                // Some segments reach back into the one before, some come twice.
                let start = at.saturating_sub(dice.below(10));
                for _ in 0..=dice.below(2) {
                    segments.push((start, end));
                }
                at = end;
            }
            for nth in (1..segments.len()).rev() {
                segments.swap(nth, dice.below(nth + 1));
            }
            let (mut stream, mut heard) = (Stream::default(), Heard::default());
            stream.begin_at(SeqNumber(0));
            for (start, end) in segments {
                let payload =
                    Payload { offset: start as i64, bytes: &text[start..end], cut: 0, packet: packet(1), until: 0 };
                stream.accept(payload, &mut |piece| heard.take(piece));
            }
            assert_eq!(heard.0.as_bytes(), text, "seed {seed}");
        }
    }
}
