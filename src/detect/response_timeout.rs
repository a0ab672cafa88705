//! The origin takes a request and does not answer until the edge gives up.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Exchange, PacketRef, Peer, Visibility};

pub(super) const CAUSES: &[Cause] = &[RESPONSE_TIMEOUT];

const RESPONSE_TIMEOUT: Cause = Cause("response-timeout");

/// Request acknowledged, no byte of a final response, and the edge leaves after its read timeout. An edge that
/// leaves earlier was called off by its visitor: no incident.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line.exchanges.iter().filter_map(|exchange| judge(case, exchange)).collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    if exchange.response.is_some() || exchange.visibility == Visibility::Obscured {
        return None;
    }
    let sent = exchange.request.end.unwrap_or(exchange.request.start);
    let left = edge_gave_up(case, exchange)?;
    // Interim responses restart the wait.
    let since = exchange.interim.last().map_or(sent.packet, |interim| interim.at.packet);
    let waited = left.seconds_since(since);
    let delivered = case.line.delivered(Peer::Edge, exchange.request.start.offset.saturating_add(1));
    if !case.edge.waited_long_enough(waited) || !delivered {
        return None;
    }
    let mut evidence = vec![case.request_sent(exchange)];
    if let Some(acked) = case.line.direction.edge.acked_at.filter(|acked| acked.number < left.number) {
        evidence.push(Evidence::new(acked, "the origin's kernel has acknowledged the request"));
    }
    evidence.push(Evidence::new(left, format!("the edge gives up after {}", between(since, left))));
    Some(Finding {
        cause: RESPONSE_TIMEOUT,
        scope: Scope::Exchange(exchange.number),
        at: left,
        actor: Actor::Origin,
        confidence: case.confidence(exchange).min(if case.edge.response_timeout_given {
            Confidence::Certain
        } else {
            Confidence::Likely
        }),
        summary: format!(
            "The origin took {} and sent nothing for {}; the edge gave up.",
            request_name(exchange),
            between(since, left),
        ),
        evidence,
        edge_status: None,
    })
}

/// The packet in which the edge abandoned the exchange, the origin being still silent.
pub(super) fn edge_gave_up(case: &Case<'_>, exchange: &Exchange) -> Option<PacketRef> {
    if let Some(cancelled) = exchange.request.cancelled {
        return Some(cancelled);
    }
    let ending = case.line.ending(exchange)?;
    (ending.from() == Peer::Edge).then(|| ending.packet())
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;

    #[test]
    fn an_edge_that_leaves_after_its_read_timeout_gave_up() {
        let told = connected().request("GET", "/slow").after(120.0).fin(Peer::Edge);
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("sent nothing for 120.001 s"), "{}", found[0].summary);
    }

    #[test]
    fn an_edge_that_leaves_earlier_was_called_off_by_its_visitor() {
        assert!(connected().request("GET", "/slow").after(30.0).fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn a_timeout_that_the_user_names_counts() {
        let told = connected().request("GET", "/slow").after(3.0).fin(Peer::Edge).with(|told| {
            told.edge = told.edge.clone().with_response_timeout(3.0);
        });
        assert_eq!(told.causes(detect), ["response-timeout"]);
    }

    #[test]
    fn a_request_that_never_arrived_was_not_left_unanswered_by_the_origin() {
        let told = connected().request("GET", "/").with(|told| told.line.direction.edge.acked = 0);
        assert!(told.after(120.0).fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn a_cancelled_stream_is_given_up_like_a_connection() {
        let told = connected().request("GET", "/slow").on_stream(1).after(121.0).with(|told| {
            let packet = told.packet();
            told.exchange().request.cancelled = Some(packet);
        });
        assert_eq!(told.causes(detect), ["response-timeout"]);
    }
}
