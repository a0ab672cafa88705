//! Observations on the reuse of connections.

use super::{Sight, Watch};
use crate::detect::{Evidence, Observation};
use crate::timeline::{Capture, Edge};

/// Connections without reuse that make a habit.
const HABIT: u64 = 3;

/// `keepalive-shorter-than-edge`: the origin closes idle connections before the edge would.
#[derive(Default)]
pub(super) struct KeepaliveShorter;

impl Watch for KeepaliveShorter {
    fn see(&mut self, _: &Sight<'_>) {}

    fn tell(&self, capture: &Capture, edge: &Edge) -> Option<Observation> {
        let (endpoint, origin, seconds) = capture.origins.iter().find_map(|(endpoint, origin)| {
            let seconds = origin.idle_timeout_s()?;
            (seconds < edge.idle_timeout_s).then_some((endpoint, origin, seconds))
        })?;
        let closes = origin.separate_closes().count();
        let evidence = origin.separate_closes().take(super::SAMPLES);
        Some(Observation {
            kind: "keepalive-shorter-than-edge",
            summary: format!(
                "The origin {endpoint} closes idle connections after {seconds:.3} s ({closes} closes seen); the edge \
                 keeps them for {} s, so a request can meet a connection that was just closed.",
                edge.idle_timeout_s,
            ),
            evidence: evidence
                .map(|close| {
                    Evidence::new(close.packet, format!("idle close after {:.3} s", close.idle_ns as f64 / 1e9))
                })
                .collect(),
        })
    }
}

/// `closes-every-connection`: the origin closes after every response, unannounced.
#[derive(Default)]
pub(super) struct ClosesEveryConnection;

impl Watch for ClosesEveryConnection {
    fn see(&mut self, _: &Sight<'_>) {}

    fn tell(&self, capture: &Capture, _: &Edge) -> Option<Observation> {
        let (endpoint, origin) = capture.origins.iter().find(|(_, origin)| {
            origin.reused == 0
                && origin.closed_after_response >= HABIT
                && origin.closed_after_response == origin.established
        })?;
        Some(Observation {
            kind: "closes-every-connection",
            summary: format!(
                "The origin {endpoint} closed all of its {} connections straight after one response, without \
                 \"Connection: close\": the edge cannot reuse them and may race its close.",
                origin.closed_after_response,
            ),
            evidence: Vec::new(),
        })
    }
}
