//! Flows whose connection was closed and given up.

use std::collections::{HashSet, VecDeque};

use super::flow::FlowKey;
use crate::wire::Segment;

/// Flows that are remembered.
const LIMIT: usize = 16_384;

/// A FIN or an acknowledgment that comes minutes after the close, again, begins no connection: Wireshark counts it to the
/// one that was closed, too.
#[derive(Default)]
pub(super) struct Gone {
    flows: HashSet<FlowKey, foldhash::fast::RandomState>,
    oldest_first: VecDeque<FlowKey>,
}

impl Gone {
    pub(super) fn add(&mut self, key: FlowKey) {
        if self.flows.insert(key) {
            self.oldest_first.push_back(key);
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
        closing && !segment.flags.syn() && self.flows.contains(&key)
    }
}
