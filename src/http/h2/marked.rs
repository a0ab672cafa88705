//! Bytes that know where in the stream they stood.

use crate::timeline::Mark;

/// A run of bytes of one direction, not yet read.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    /// Bytes that the capture does not hold; `bytes` is empty then.
    missing: u64,
    at: Mark,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], start: Mark) -> Self {
        Self { bytes, missing: 0, at: start }
    }

    pub(super) fn missing(len: u64, start: Mark) -> Self {
        Self { bytes: &[], missing: len, at: start }
    }

    /// The bytes that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn len(&self) -> u64 {
        self.missing.saturating_add(self.bytes.len() as u64)
    }

    /// Takes at most `most` bytes from the front; none where nothing is left.
    pub(super) fn take(&mut self, most: u64) -> Option<Run<'a>> {
        let len = most.min(self.len());
        let end = Mark { offset: self.at.offset.saturating_add(len.checked_sub(1)?), ..self.at };
        let (bytes, rest) = self.bytes.split_at_checked(len as usize).unwrap_or((&[], &[]));
        let run = Run { bytes, len, first: self.at, last: end };
        self.bytes = rest;
        self.missing = self.missing.saturating_sub(if bytes.is_empty() { len } else { 0 });
        self.at.offset = self.at.offset.saturating_add(len);
        Some(run)
    }
}

/// Bytes that were taken from an [`Input`]: one at least.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// Empty where the capture does not hold them.
    pub(super) bytes: &'a [u8],
    pub(super) len: u64,
    pub(super) first: Mark,
    pub(super) last: Mark,
}

/// Bytes collected from several packets.
#[derive(Clone, Default)]
pub(super) struct MarkedBytes {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// From `at` on, bytes stand in the stream at `mark` and what follows.
#[derive(Clone, Copy)]
struct Piece {
    at: usize,
    mark: Mark,
}

impl MarkedBytes {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn push(&mut self, bytes: &[u8], first: Mark) {
        if bytes.is_empty() {
            return;
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let follows = self.pieces.last().is_some_and(|piece| piece.mark_of(at) == first);
        if !follows && self.pieces.len() < MAX_PIECES {
            self.pieces.push(Piece { at, mark: first });
        }
    }

    /// Appends this range of `other`.
    pub(super) fn append(&mut self, other: &Self, range: std::ops::Range<usize>) {
        for (at, bytes, mark) in other.pieces() {
            let from = range.start.max(at);
            let to = range.end.min(at.saturating_add(bytes.len()));
            let Some(part) = bytes.get(from.saturating_sub(at)..to.saturating_sub(at)) else { continue };
            let offset = mark.offset.saturating_add(from.saturating_sub(at) as u64);
            self.push(part, Mark { offset, ..mark });
        }
    }

    /// Where byte `at` stood.
    pub(super) fn mark(&self, at: usize) -> Mark {
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(after.saturating_sub(1)).map(|piece| piece.mark_of(at)).unwrap_or_default()
    }

    /// The bytes packet by packet: where each run begins among them, the run, and where it stood.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (usize, &[u8], Mark)> {
        let ends = self.pieces.iter().skip(1).map(|piece| piece.at).chain([self.bytes.len()]);
        self.pieces
            .iter()
            .zip(ends)
            .map(|(piece, end)| (piece.at, self.bytes.get(piece.at..end).unwrap_or_default(), piece.mark))
    }

    /// Drops everything, and the memory of an unusually long run.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.pieces.clear();
        self.pieces.shrink_to(KEPT_PIECES);
    }

    /// Drops the first `len` bytes.
    pub(super) fn drop_front(&mut self, len: usize) {
        let mut rest = Self::default();
        rest.append(self, len..self.bytes.len());
        *self = rest;
    }
}

impl Piece {
    fn mark_of(&self, at: usize) -> Mark {
        let offset = self.mark.offset.saturating_add(at.saturating_sub(self.at) as u64);
        Mark { offset, ..self.mark }
    }
}

/// Packets that are told apart within one collected run; later bytes count on from the last of them.
const MAX_PIECES: usize = 1_024;

/// Memory that is kept for the next run.
const KEPT_BYTES: usize = 4 * 1024;
const KEPT_PIECES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::PacketRef;

    fn mark(number: u64, offset: u64) -> Mark {
        Mark { packet: PacketRef { number, ..PacketRef::default() }, offset }
    }

    #[test]
    fn every_byte_knows_its_packet_and_offset() {
        let mut collected = MarkedBytes::default();
        collected.push(b"ab", mark(1, 10));
        collected.push(b"c", mark(1, 12));
        collected.push(b"def", mark(2, 50));
        assert_eq!(collected.pieces().count(), 2, "what follows on in the same packet is no new piece");
        assert_eq!(collected.mark(2), mark(1, 12));
        assert_eq!(collected.mark(4), mark(2, 51));
        let mut part = MarkedBytes::default();
        part.append(&collected, 1..5);
        assert_eq!(part.bytes(), b"bcde");
        assert_eq!((part.mark(0), part.mark(2)), (mark(1, 11), mark(2, 50)));
        collected.drop_front(4);
        assert_eq!((collected.bytes(), collected.mark(0)), (&b"ef"[..], mark(2, 51)));
    }

    #[test]
    fn pieces_stay_within_their_bound() {
        let mut collected = MarkedBytes::default();
        (0..5_000).for_each(|packet| collected.push(b"x", mark(packet, packet * 9)));
        assert_eq!(collected.pieces.len(), MAX_PIECES);
        assert_eq!(collected.bytes().len(), 5_000);
    }

    #[test]
    fn missing_bytes_are_taken_like_others() {
        let mut input = Input::missing(5, mark(3, 7));
        let run = input.take(3).unwrap();
        assert_eq!((run.len, run.bytes, run.last), (3, &b""[..], mark(3, 9)));
        assert_eq!(input.take(9).unwrap().first, mark(3, 10));
        assert!(input.take(1).is_none());
    }
}
