//! The numbers of a peer's records (RFC 8446 section 5.3), where the capture may miss some.

use std::ops::RangeInclusive;

/// The number of the next record, and how many records before it may be missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    next: u64,
    missing: u64,
    /// Numbers that may still be tried in vain.
    patience: u64,
    /// Records that were missing before the one that was read last.
    jumped: u64,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { next: 0, missing: 0, patience: MAX_TRIED_IN_VAIN, jumped: 0 }
    }
}

impl Sequence {
    /// The numbers that the next record may have, the likeliest first.
    pub(super) fn candidates(self) -> RangeInclusive<u64> {
        self.next..=self.next.saturating_add(self.missing.min(self.patience))
    }

    /// The record with this number was read.
    pub(super) fn read(&mut self, number: u64) {
        self.jumped = number.saturating_sub(self.next);
        self.next = number.saturating_add(1);
        self.missing = 0;
    }

    /// How many records are missing before the one that was read last.
    pub(super) fn jumped(self) -> u64 {
        self.jumped
    }

    /// One record could not be read.
    pub(super) fn skip(&mut self) {
        self.patience = self.patience.saturating_sub(self.missing);
        if self.next == 0 {
            // It may have been under another key.
            self.missing = self.missing.saturating_add(1).min(MAX_MISSING);
        } else {
            self.next = self.next.saturating_add(1);
        }
    }

    /// `bytes` of the stream are missing, and the records in them.
    pub(super) fn lose(&mut self, bytes: u64) {
        let most = bytes.div_ceil(LEAST_RECORD);
        self.missing = self.missing.saturating_add(most).min(MAX_MISSING);
    }
}

/// Bytes of the shortest encrypted record with its header.
const LEAST_RECORD: u64 = 5 + 17;
/// Most numbers that are tried for one record.
const MAX_MISSING: u64 = 512;
/// Most numbers that are tried in vain in all: each costs as much as decrypting the record.
const MAX_TRIED_IN_VAIN: u64 = 8 * MAX_MISSING;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_loss_later_numbers_may_fit() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.candidates(), 0..=0);
        sequence.read(0);
        sequence.lose(100);
        assert_eq!(sequence.candidates(), 1..=6);
        sequence.read(3);
        assert_eq!(sequence.jumped(), 2);
        assert_eq!(sequence.candidates(), 4..=4);
        sequence.skip();
        assert_eq!(sequence.candidates(), 5..=5);
    }

    #[test]
    fn a_record_of_another_key_may_have_come_before_the_first() {
        let mut sequence = Sequence::default();
        sequence.skip();
        assert_eq!(sequence.candidates(), 0..=1);
    }

    #[test]
    fn patience_ends() {
        let mut sequence = Sequence::default();
        sequence.read(0);
        sequence.lose(u64::MAX);
        for _ in 0..100 {
            sequence.skip();
        }
        assert_eq!(sequence.candidates(), 101..=101);
    }

    #[test]
    fn a_huge_loss_stays_within_the_bound() {
        let mut sequence = Sequence::default();
        sequence.lose(u64::MAX);
        sequence.lose(u64::MAX);
        assert_eq!(sequence.candidates(), 0..=MAX_MISSING);
    }
}
