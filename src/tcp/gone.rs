//! Flows whose connection was closed and given up.

use std::hash::BuildHasher;

use super::flow::FlowKey;
use crate::wire::Segment;

/// Buckets of flows.
const BUCKETS: usize = 2048;

/// Flows of one bucket: so many are one line of the processor's caches.
const WAYS: usize = 8;

/// A FIN or an acknowledgment that comes minutes after the close, again, begins no connection: Wireshark counts it to the
/// one that was closed, too.
///
/// A flow is known by 64 bits that nobody can foretell, and remembered until as many others of its bucket are gone as
/// that holds: one in some ten thousand.
#[derive(Default)]
pub(super) struct Gone {
    seed: foldhash::quality::RandomState,
    /// None until the first flow is gone.
    buckets: Vec<Bucket>,
}

/// The latest first; 0 is none.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([u64; WAYS]);

impl Gone {
    pub(super) fn add(&mut self, key: FlowKey) {
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS];
        }
        let (flow, bucket) = self.place(key);
        if let Some(Bucket(flows)) = self.buckets.get_mut(bucket)
            && !flows.contains(&flow)
        {
            flows.rotate_right(1);
            flows[0] = flow;
        }
    }

    /// True where the segment is a late one of such a connection: it opens nothing and brings nothing.
    pub(super) fn holds(&self, key: FlowKey, segment: &Segment<'_>) -> bool {
        let closing = segment.payload_len == 0 || segment.flags.fin() || segment.flags.rst();
        if !closing || segment.flags.syn() || self.buckets.is_empty() {
            return false;
        }
        let (flow, bucket) = self.place(key);
        self.buckets.get(bucket).is_some_and(|Bucket(flows)| flows.contains(&flow))
    }

    fn place(&self, key: FlowKey) -> (u64, usize) {
        let flow = self.seed.hash_one(key) | 1;
        (flow, (flow >> 32) as usize % BUCKETS)
    }
}
