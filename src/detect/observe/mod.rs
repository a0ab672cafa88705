//! What is worth knowing though nobody saw a 52x page: one watcher an observation.
//!
//! Watchers see every connection once, and speak at the end: an observation is one sentence with its numbers
//! for the whole capture, not one for each packet.

mod certificates;
mod exchanges;
mod http2;
mod reuse;
mod stray;
mod transport;

use super::{Evidence, Observation, Scope};
use crate::timeline::{Capture, Edge, PacketRef, Timeline};

/// Packets that one observation names.
const SAMPLES: usize = 5;

/// A connection that a watcher is shown.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The connection.
    pub line: &'a Timeline,
    /// The edge that is assumed.
    pub edge: &'a Edge,
    /// What of it is an incident already, sorted.
    pub failed: &'a [Scope],
}

impl Sight<'_> {
    /// True where this exchange is an incident.
    #[must_use]
    pub fn failed(&self, exchange: u32) -> bool {
        let failed = |scope| self.failed.binary_search(&scope).is_ok();
        failed(Scope::Connection) || failed(Scope::Exchange(exchange))
    }
}

/// Gathers one kind of observation.
trait Watch {
    fn see(&mut self, sight: &Sight<'_>);
    fn tell(&self, capture: &Capture, edge: &Edge) -> Option<Observation>;
}

/// All watchers.
pub struct Watchers(Vec<Box<dyn Watch>>);

impl Default for Watchers {
    fn default() -> Self {
        Self(vec![
            Box::<exchanges::ClientAbort>::default(),
            Box::<exchanges::AfterClose>::default(),
            Box::<exchanges::OriginError>::default(),
            Box::<exchanges::SlowResponse>::default(),
            Box::<exchanges::LimitNear>::default(),
            Box::<exchanges::Tolerated>::default(),
            Box::<http2::Flood>::default(),
            Box::<stray::UnsolicitedBytes>::default(),
            Box::<reuse::KeepaliveShorter>::default(),
            Box::<reuse::ClosesEveryConnection>::default(),
            Box::<certificates::ExpiresSoon>::default(),
            Box::<certificates::WouldFailStrict>::default(),
            Box::<transport::PacketLoss>::default(),
            Box::<transport::ZeroWindow>::default(),
            Box::<transport::SynFlood>::default(),
            Box::<transport::CaptureLoss>::default(),
            Box::<transport::CaptureCut>::default(),
            Box::<transport::ConflictingBytes>::default(),
            Box::<transport::OneDirectionOnly>::default(),
        ])
    }
}

impl Watchers {
    /// Shows a finished connection to every watcher.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for watcher in &mut self.0 {
            watcher.see(sight);
        }
    }

    /// What they all have to say.
    #[must_use]
    pub fn tell(&self, capture: &Capture, edge: &Edge) -> Vec<Observation> {
        self.0.iter().filter_map(|watcher| watcher.tell(capture, edge)).collect()
    }
}

/// A count with the first packets that it was made of.
#[derive(Clone, Debug, Default)]
struct Tally {
    count: u64,
    samples: Vec<Evidence>,
}

impl Tally {
    fn add(&mut self, packet: PacketRef, note: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        let late = self.samples.last().is_some_and(|last| last.packet.number <= packet.number);
        if self.samples.len() >= SAMPLES && late {
            return;
        }
        self.samples.push(Evidence::new(packet, note()));
        self.samples.sort_by_key(|evidence| evidence.packet.number);
        self.samples.truncate(SAMPLES);
    }

    fn observation(&self, kind: &'static str, summary: String) -> Option<Observation> {
        (self.count > 0).then(|| Observation { kind, summary, evidence: self.samples.clone() })
    }
}

/// "1 exchange", "2 exchanges".
fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
