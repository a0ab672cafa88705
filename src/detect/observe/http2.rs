//! Observations on HTTP/2 connections.

use std::collections::BTreeSet;

use super::{Sight, Tally, Watch, count};
use crate::detect::Observation;
use crate::timeline::{Capture, Edge};

/// `h2-flood`: frames that wear a peer out and break no rule (rapid reset, CONTINUATION, SETTINGS, PING, empty DATA).
#[derive(Default)]
pub(super) struct Flood {
    tally: Tally,
    patterns: BTreeSet<String>,
}

impl Watch for Flood {
    fn see(&mut self, sight: &Sight<'_>) {
        let Some(pattern) = sight.line.h2.as_ref().and_then(|h2| h2.flood.as_deref()) else { return };
        if self.patterns.len() < KEPT {
            self.patterns.insert(pattern.to_owned());
        }
        self.tally.add(sight.line.first, || format!("the connection on which {pattern}"));
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let patterns: Vec<&str> = self.patterns.iter().map(String::as_str).collect();
        let summary = format!(
            "On {} frames came so fast that they look like a flood: {}.",
            count(self.tally.count, "HTTP/2 connection"),
            patterns.join("; "),
        );
        self.tally.observation("h2-flood", summary)
    }
}

/// Sentences that one observation names.
const KEPT: usize = 4;
