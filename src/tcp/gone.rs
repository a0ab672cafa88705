//! Flows whose connection was closed and given up.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use super::flow::FlowKey;
use crate::wire::Segment;

/// Flows that are remembered.
const LIMIT: usize = 16_384;

/// A FIN or an acknowledgment that comes minutes after the close, again, begins no connection: Wireshark counts it to the
/// one that was closed, too.
///
/// A flow is known by 64 bits that nobody can foretell: all of them stay in the processor's caches.
#[derive(Default)]
pub(super) struct Gone {
    seed: foldhash::quality::RandomState,
    flows: HashSet<u64, foldhash::fast::RandomState>,
    oldest_first: VecDeque<u64>,
}

impl Gone {
    pub(super) fn add(&mut self, key: FlowKey) {
        let flow = self.seed.hash_one(key);
        if self.flows.insert(flow) {
            self.oldest_first.push_back(flow);
        }
        if self.oldest_first.len() > LIMIT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.flows.remove(&oldest);
        }
    }

    /// True where the segment is a late one of such a connection: it opens nothing and brings nothing.
    pub(super) fn holds(&self, key: FlowKey, segment: &Segment<'_>) -> bool {
        let closing = segment.payload_len == 0 || segment.flags.fin() || segment.flags.rst();
        closing && !segment.flags.syn() && self.flows.contains(&self.seed.hash_one(key))
    }
}
