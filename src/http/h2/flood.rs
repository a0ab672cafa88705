//! Patterns that wear a peer out and break no rule: counted by the second, told in one sentence.

use crate::timeline::{ByPeer, Peer, Time};

/// What is counted on one connection.
#[derive(Clone, Default)]
pub(super) struct Flood {
    resets: Rate,
    sent: ByPeer<Sent>,
}

/// What is counted of one peer's frames.
#[derive(Clone, Default)]
struct Sent {
    settings: Rate,
    pings: Rate,
    empty_data: Rate,
    /// Most CONTINUATION frames of one header block.
    continuations: u32,
}

impl Flood {
    /// The edge reset a stream on which no response had begun.
    pub(super) fn reset_before_response(&mut self, now: Time) {
        self.resets.count(now);
    }

    pub(super) fn settings(&mut self, from: Peer, now: Time) {
        self.sent[from].settings.count(now);
    }

    pub(super) fn ping(&mut self, from: Peer, now: Time) {
        self.sent[from].pings.count(now);
    }

    /// DATA without data and without END_STREAM.
    pub(super) fn empty_data(&mut self, from: Peer, now: Time) {
        self.sent[from].empty_data.count(now);
    }

    /// A header block has come to this many CONTINUATION frames.
    pub(super) fn continuations(&mut self, from: Peer, frames: u32) {
        self.sent[from].continuations = self.sent[from].continuations.max(frames);
    }

    /// The patterns that were met, as one sentence.
    pub(super) fn sentence(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(count) = self.resets.flood(RESETS_PER_SECOND) {
            parts.push(format!("the edge reset {count} streams before any response"));
        }
        for from in [Peer::Edge, Peer::Origin] {
            let sent = &self.sent[from];
            if let Some(count) = sent.settings.flood(SETTINGS_PER_SECOND) {
                parts.push(format!("the {from} sent {count} SETTINGS frames"));
            }
            if let Some(count) = sent.pings.flood(PINGS_PER_SECOND) {
                parts.push(format!("the {from} sent {count} PING frames"));
            }
            if let Some(count) = sent.empty_data.flood(EMPTY_DATA_PER_SECOND) {
                parts.push(format!("the {from} sent {count} empty DATA frames"));
            }
            if sent.continuations >= CONTINUATIONS_PER_BLOCK {
                parts.push(format!("the {from} sent {} CONTINUATION frames in one header block", sent.continuations));
            }
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// How often something happened, in all and at most within a second.
#[derive(Clone, Default)]
struct Rate {
    total: u64,
    second: Time,
    in_second: u32,
    most: u32,
}

impl Rate {
    fn count(&mut self, now: Time) {
        if self.total == 0 || now.nanos_since(self.second) >= SECOND_NS {
            self.second = now;
            self.in_second = 0;
        }
        self.total = self.total.saturating_add(1);
        self.in_second = self.in_second.saturating_add(1);
        self.most = self.most.max(self.in_second);
    }

    /// The total, where it came to this many within a second.
    fn flood(&self, per_second: u32) -> Option<u64> {
        (self.most >= per_second).then_some(self.total)
    }
}

const SECOND_NS: i64 = 1_000_000_000;

/// A browser that leaves a page cancels what it has open: 100 streams, seldom 256.
const RESETS_PER_SECOND: u32 = 500;
/// A healthy connection has a handful in all.
const SETTINGS_PER_SECOND: u32 = 100;
/// gRPC sends one each round trip to measure the bandwidth, so a local network may see hundreds.
const PINGS_PER_SECOND: u32 = 2_000;
const EMPTY_DATA_PER_SECOND: u32 = 1_000;
/// 64 frames of the default size are a megabyte.
const CONTINUATIONS_PER_BLOCK: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_at_one_time_are_a_flood() {
        let mut flood = Flood::default();
        (0..5_000).for_each(|nth| flood.reset_before_response(Time(nth * SECOND_NS / 100)));
        assert_eq!(flood.sentence(), None);
        (0..500).for_each(|_| flood.reset_before_response(Time(60 * SECOND_NS)));
        assert_eq!(flood.sentence().as_deref(), Some("the edge reset 5500 streams before any response"));
    }

    #[test]
    fn each_pattern_is_told_with_its_peer() {
        let mut flood = Flood::default();
        (0..2_000).for_each(|_| flood.ping(Peer::Edge, Time(0)));
        (0..100).for_each(|_| flood.settings(Peer::Origin, Time(0)));
        (0..1_000).for_each(|_| flood.empty_data(Peer::Origin, Time(0)));
        flood.continuations(Peer::Origin, 64);
        let sentence = "the edge sent 2000 PING frames; the origin sent 100 SETTINGS frames; \
                        the origin sent 1000 empty DATA frames; \
                        the origin sent 64 CONTINUATION frames in one header block";
        assert_eq!(flood.sentence().as_deref(), Some(sentence));
    }
}
