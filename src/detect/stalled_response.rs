//! A response stops in the middle until the edge gives up.

use super::case::{between, request_name};
use super::reset_mid_response::progress;
use super::response_timeout::edge_gave_up;
use super::{Actor, Case, Cause, Evidence, Finding, Scope};
use crate::timeline::{Exchange, Framing, Visibility};

pub(super) const CAUSES: &[Cause] = &[STALLED_RESPONSE];

const STALLED_RESPONSE: Cause = Cause("stalled-response");

/// A response has begun, no byte of it comes for the edge's read timeout, and the edge leaves.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line.exchanges.iter().filter_map(|exchange| judge(case, exchange)).collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let response = exchange.response.as_ref()?;
    let done = response.end.is_some() || matches!(response.framing, Framing::Tunnel | Framing::UntilClose);
    if done || exchange.visibility != Visibility::Clear {
        return None;
    }
    let left = edge_gave_up(case, exchange)?;
    let latest = response.latest.packet;
    if !case.edge.waited_long_enough(left.seconds_since(latest)) {
        return None;
    }
    let came = progress(case, exchange, response);
    Some(Finding {
        cause: STALLED_RESPONSE,
        scope: Scope::Exchange(exchange.number),
        at: latest,
        actor: Actor::Origin,
        confidence: case.confidence(exchange),
        summary: format!(
            "The origin stopped inside its response to {}: {came}, then nothing for {}, until the edge gave up.",
            request_name(exchange),
            between(latest, left),
        ),
        evidence: vec![
            case.request_sent(exchange),
            Evidence::new(response.start.packet, "the response begins"),
            Evidence::new(latest, format!("its last bytes: {came}")),
            Evidence::new(left, format!("the edge gives up after {}", between(latest, left))),
        ],
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::Peer;

    #[test]
    fn a_response_that_stops_until_the_edge_gives_up_has_stalled() {
        let told = connected().request("GET", "/export").response(200, 10, 99).after(121.0).fin(Peer::Edge);
        assert_eq!(told.causes(detect), ["stalled-response"]);
    }

    #[test]
    fn an_edge_that_leaves_inside_a_flowing_response_aborted_it() {
        let told = connected().request("GET", "/export").response(200, 10, 99).fin(Peer::Edge);
        assert!(told.found_by(detect).is_empty());
    }
}
