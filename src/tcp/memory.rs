//! How much memory the open connections may take, looked at now and then.

/// A bound on the memory of all connections together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxMemory(
    /// In bytes.
    pub u64,
);

impl Default for MaxMemory {
    /// 1 GiB.
    fn default() -> Self {
        Self(1 << 30)
    }
}

/// Says when to look, and what is too much.
#[derive(Debug)]
pub(super) struct Watch {
    limit: u64,
    /// Segments until the next look.
    left: u32,
}

impl Watch {
    pub(super) fn new(limit: MaxMemory) -> Self {
        Self { limit: limit.0, left: SEGMENTS_PER_LOOK }
    }

    /// Counts one segment; true where it is time for a look.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        let due = self.left == 0;
        if due {
            self.left = SEGMENTS_PER_LOOK;
        }
        due
    }

    /// True where these take too much, which take so many bytes each.
    pub(super) fn is_exceeded(&self, taken: impl Iterator<Item = u64>) -> bool {
        taken.fold(0, u64::saturating_add) > self.limit
    }

    /// How many of these have to go: enough for a while, where it is too much.
    pub(super) fn excess(&self, taken: impl Iterator<Item = u64> + Clone) -> usize {
        let total = taken.clone().fold(0, u64::saturating_add);
        if total <= self.limit {
            return 0;
        }
        let target = self.limit.saturating_sub(self.limit / 4);
        let mut left = total;
        let enough = |bytes: &u64| {
            let more = left > target;
            left = left.saturating_sub(*bytes);
            more
        };
        taken.take_while(enough).count()
    }
}

/// Segments between two looks: in the meantime come no more than some megabytes.
const SEGMENTS_PER_LOOK: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::{MaxMemory, SEGMENTS_PER_LOOK, Watch};

    #[test]
    fn the_first_ones_go_until_three_quarters_are_left() {
        let watch = Watch::new(MaxMemory(100));
        assert_eq!(watch.excess([50, 50].into_iter()), 0);
        assert_eq!(watch.excess([10, 10, 40, 41].into_iter()), 3);
        assert_eq!(watch.excess([500].into_iter()), 1);
    }

    #[test]
    fn it_looks_now_and_then() {
        let mut watch = Watch::new(MaxMemory::default());
        assert_eq!((0..SEGMENTS_PER_LOOK * 3).filter(|_| watch.is_due()).count(), 3);
    }
}
