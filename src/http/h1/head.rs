//! The head of a message: collected until it is whole, with the packet of each of its bytes.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::timeline::Mark;

/// Bytes of a head that are kept. A longer one is counted to its end, and judged by what was kept.
pub(super) const HEAD_LIMIT: usize = 1 << 20;

/// Which packet brought which byte of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<(u64, Mark)>);

impl Places {
    /// The message's bytes from `at` on came with `mark`.
    pub(super) fn add(&mut self, at: u64, mark: Mark) {
        self.0.push((at, mark));
    }

    /// The mark of byte `at` of the message.
    pub(super) fn mark(&self, at: u64) -> Mark {
        let piece = self.0.iter().rev().find(|(start, _)| *start <= at).or_else(|| self.0.first());
        piece.map_or_else(Mark::default, |(start, mark)| Mark {
            packet: mark.packet,
            offset: mark.offset.saturating_add(at.saturating_sub(*start)),
        })
    }
}

/// A head that is not whole yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Partial {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Places,
    /// Bytes seen, whether kept or not.
    pub(super) len: u64,
}

impl Partial {
    /// Adds bytes up to the end of the head. Returns how many were taken, and whether the head is whole.
    pub(super) fn take(&mut self, bytes: &[u8], start: Mark) -> (usize, bool) {
        if self.bytes.len() < HEAD_LIMIT {
            self.places.add(self.len, start);
        }
        // The end may lie across the border: three bytes back are enough to see it.
        let kept = self.bytes.len();
        let from = kept.saturating_sub(3);
        let tail: Vec<u8> = self.bytes.get(from..).unwrap_or_default().to_vec();
        let seam: Vec<u8> = tail.iter().chain(bytes.iter().take(3)).copied().collect();
        let taken = match end_of_head(&seam).filter(|&end| end > tail.len()) {
            Some(end) => Some(end.saturating_sub(tail.len())),
            None => end_of_head(bytes),
        };
        let count = taken.unwrap_or(bytes.len());
        self.len = self.len.saturating_add(count as u64);
        let room = HEAD_LIMIT.saturating_sub(kept);
        self.bytes.extend_from_slice(bytes.get(..count.min(room)).unwrap_or_default());
        (count, taken.is_some())
    }
}

/// Length of the head that `bytes` begin with: up to and with its empty line, LF alone being taken for CRLF
/// (RFC 9112 section 2.2).
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|at| match bytes.get(at.saturating_add(1)..)? {
        [b'\n', ..] => Some(at.saturating_add(2)),
        [b'\r', b'\n', ..] => Some(at.saturating_add(3)),
        _ => None,
    })
}

/// The lines of a head: content, offset, and how each ended.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = head.get(at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest);
        let raw = rest.get(..end.unwrap_or(rest.len()))?;
        let content = raw.strip_suffix(b"\r").unwrap_or(raw);
        let line = Line {
            at,
            content,
            len: end.map_or(raw.len(), |end| end.saturating_add(1)),
            crlf: content.len() < raw.len(),
        };
        at = at.saturating_add(line.len);
        Some(line)
    })
}

/// The head with its folded lines put together: each fold (obs-fold) is replaced by as many spaces
/// (RFC 9112 section 5.2), so that every byte keeps its place.
pub(super) fn unfold(head: &[u8]) -> Cow<'_, [u8]> {
    let folds: Vec<usize> = lines(head)
        .skip(2)
        .filter(|line| matches!(line.content.first(), Some(b' ' | b'\t')))
        .map(|line| line.at)
        .collect();
    let mut unfolded = Cow::Borrowed(head);
    for at in folds {
        let ends = unfolded.to_mut().get_mut(at.saturating_sub(2)..at).unwrap_or_default();
        ends.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    }
    unfolded
}

/// One line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Offset in the head.
    pub(super) at: usize,
    /// Without its end.
    pub(super) content: &'a [u8],
    /// Length with its end.
    pub(super) len: usize,
    /// Ended by CRLF, not by LF alone.
    pub(super) crlf: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_its_empty_line() {
        assert_eq!(end_of_head(b"a\r\nb\r\n\r\nbody"), Some(8));
        assert_eq!(end_of_head(b"a\nb\n\nbody"), Some(5));
        assert_eq!(end_of_head(b"a\r\nb\n\r\nbody"), Some(7));
        assert_eq!(end_of_head(b"a\r\nb\r\n\r"), None);
    }

    #[test]
    fn folded_lines_are_put_together_in_place() {
        assert_eq!(*unfold(b"1\r\nA: b\r\n c\n\td\r\n\r\n"), *b"1\r\nA: b   c \td\r\n\r\n");
        assert!(matches!(unfold(b"1\r\n A: b\r\nC: d\r\n\r\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_head_is_whole_at_the_same_byte_however_it_is_split() {
        let message = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
        for split in 1..message.len() {
            let mut partial = Partial::default();
            let (first, second) = message.split_at(split);
            let (taken, whole) = partial.take(first, Mark::default());
            let taken = if whole { taken } else { taken + partial.take(second, Mark::default()).0 };
            assert_eq!(taken, 25, "split at {split}");
            assert_eq!(partial.bytes, &message[..25]);
        }
    }
}
