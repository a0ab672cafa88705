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

/// `closes-every-connection`: the origin closes after every response, or every N-th one, unannounced.
#[derive(Default)]
pub(super) struct ClosesEveryConnection;

impl Watch for ClosesEveryConnection {
    fn see(&mut self, _: &Sight<'_>) {}

    fn tell(&self, capture: &Capture, _: &Edge) -> Option<Observation> {
        let (endpoint, origin, number) = capture.origins.iter().find_map(|(endpoint, origin)| {
            let always = origin.closed_after_response >= HABIT && origin.closed_after_response == origin.established;
            Some((endpoint, origin, origin.closes_after().filter(|_| always)?))
        })?;
        let (after, reuse) = match number {
            1 => ("one response".to_owned(), "cannot reuse them and may race its close"),
            more => (format!("response number {more}"), "may race its close with the next request"),
        };
        Some(Observation {
            kind: "closes-every-connection",
            summary: format!(
                "The origin {endpoint} closed all of its {} connections straight after {after}, without \
                 \"Connection: close\": the edge {reuse}.",
                origin.closed_after_response,
            ),
            evidence: origin
                .closed_samples
                .iter()
                .map(|close| Evidence::new(*close, format!("FIN straight after {after}")))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::connected;
    use crate::timeline::Peer;

    /// What is observed of `connections` on each of which the origin closes after `exchanges` responses.
    fn observed(connections: usize, exchanges: &[usize]) -> Option<Observation> {
        let mut capture = Capture::default();
        for &number in exchanges.iter().cycle().take(connections) {
            let told = (0..number).fold(connected(), |told, _| told.request("GET", "/").response(200, 5, 5));
            capture.learn(&told.fin(Peer::Origin).line);
        }
        ClosesEveryConnection.tell(&capture, &Edge::default())
    }

    #[test]
    fn an_origin_that_closes_after_every_response_or_every_tenth_is_told_with_its_packets() {
        let after_one = observed(4, &[1]).unwrap();
        assert!(after_one.summary.contains("all of its 4 connections straight after one response"), "{after_one:?}");
        assert_eq!(after_one.evidence.len(), 4);
        assert!(observed(3, &[10]).unwrap().summary.contains("straight after response number 10"));
    }

    #[test]
    fn closes_without_a_habit_are_none() {
        assert_eq!(observed(2, &[1]), None);
        assert_eq!(observed(4, &[1, 3]), None);
    }
}
