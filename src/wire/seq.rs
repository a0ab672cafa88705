//! TCP sequence numbers.

use std::fmt;
use std::ops::Add;

/// A sequence number: it wraps at 2^32 (RFC 9293 section 3.4), so it is neither ordered nor subtracted as a
/// plain integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Bytes from `earlier` to `self`; negative where `self` comes before it. Right as long as they are less
    /// than 2^31 apart.
    #[must_use]
    #[inline]
    pub fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// True where `self` comes before `other`.
    #[must_use]
    #[inline]
    pub fn is_before(self, other: Self) -> bool {
        self.since(other) < 0
    }

    /// True where `self` comes after `other`.
    #[must_use]
    #[inline]
    pub fn is_after(self, other: Self) -> bool {
        self.since(other) > 0
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNumber;

    #[test]
    fn order_and_distance_hold_across_the_wrap() {
        let last = SeqNumber(u32::MAX);
        assert_eq!((last + 5).since(last), 5);
        assert_eq!(last.since(last + 5), -5);
        assert!(last.is_before(last + 1) && (last + 1).is_after(last));
        assert!(!last.is_before(last) && !last.is_after(last));
    }
}
