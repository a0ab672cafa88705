//! A failed exchange or connection with its verdict.

use std::rc::Rc;

use super::{Comparison, Entry, Leg, Pattern};
use crate::detect::{Finding, Observation};
use crate::timeline::{Edge, Timeline};

/// One failed exchange or connection: what a visitor saw as a 52x page.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Short, and the same whenever the same packets are read: a hash of the connection's addresses, its first
    /// packet's time and the exchange.
    pub id: String,
    /// The root cause.
    pub finding: Finding,
    /// What the catalogue says of it.
    pub entry: &'static Entry,
    /// The status that the edge shows.
    pub edge_status: u16,
    /// The status that the edge could read from the origin; 0 where there was none.
    pub origin_status: u16,
    /// The whole connection.
    pub timeline: Rc<Timeline>,
    /// What else was weighed.
    pub also: Vec<Alternative>,
    /// The way of the request through a chain of proxies from the outermost hop to the one that failed; empty where
    /// it is the only one.
    pub hops: Vec<Leg>,
}

/// A cause that was weighed and lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its id.
    pub cause: &'static str,
    /// Why it is not the root cause.
    pub why_not: String,
}

/// Everything that an analysis found: the reports' only input beside the captures' own summaries.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The edge that was assumed.
    pub edge: Edge,
    /// Connections seen.
    pub connections: u64,
    /// Exchanges seen.
    pub exchanges: u64,
    /// Request/response pairs that were complete and clean.
    pub exchanges_ok: u64,
    /// Failed exchanges and connections, in the order of their first fault.
    pub incidents: Vec<Incident>,
    /// Worth knowing.
    pub observations: Vec<Observation>,
    /// What many incidents have in common.
    pub patterns: Vec<Pattern>,
    /// What the edge's own log makes of them, where one was given.
    pub edge_log: Option<Comparison>,
    /// Every connection in order of its index, where they were asked for.
    pub records: Vec<Rc<Timeline>>,
    /// What weakens the verdicts: "3 connections have no SYN", "keys are missing for 2 connections".
    pub caveats: Vec<String>,
}
