//! The origin takes a request and closes without a byte of response.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Close, Ending, Peer};

pub(super) const CAUSES: &[Cause] = &[EMPTY_RESPONSE];

const EMPTY_RESPONSE: Cause = Cause("empty-response");

/// Request delivered, then the origin's FIN, and not one byte of a final response between. On HTTP/2 that is the
/// end of all streams: `h2_goaway.rs` tells it.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if case.line.direction.origin.unseen() > 0 {
        // The response, or the rest of it, was sent and is not in the capture.
        return findings;
    }
    for exchange in case.unanswered().filter(|exchange| exchange.stream.is_none()) {
        let Some(Ending::Closed { from: Peer::Origin, packet, by }) = case.line.ending(exchange) else { continue };
        let request = exchange.request.start.packet;
        // Its close may have been under way when the request came.
        let when = match packet.number < request.number {
            true => format!("{} before it came", between(packet, request)),
            false => format!("{} later", between(request, packet)),
        };
        findings.push(Finding {
            cause: EMPTY_RESPONSE,
            scope: Scope::Exchange(exchange.number),
            at: packet,
            actor: Actor::Origin,
            confidence: case.confidence(exchange),
            summary: format!(
                "The origin took {} and closed the connection {when} without sending a byte of response.",
                request_name(exchange),
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(packet, format!("the origin closes ({by}) {when}, nothing sent in between")),
            ],
            edge_status: None,
        });
    }
    findings.extend(turned_away(case));
    findings
}

/// The connection stood, and the origin closed it before the edge sent its request.
fn turned_away(case: &Case<'_>) -> Option<Finding> {
    let Close::Fin { fin, .. } = case.turned_away()? else { return None };
    let waited = between(case.line.first, fin.packet);
    Some(Finding {
        cause: EMPTY_RESPONSE,
        scope: Scope::Connection,
        at: fin.packet,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!("The origin took the connection and closed it {waited} after its SYN, before any request."),
        evidence: vec![Evidence::new(fin.packet, "FIN from the origin, and not a byte of either side before it")],
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;

    #[test]
    fn a_connection_that_is_closed_as_soon_as_it_stands_was_turned_away() {
        assert_eq!(connected().fin(Peer::Origin).causes(detect), ["empty-response"]);
        assert!(connected().after(1.5).fin(Peer::Origin).found_by(detect).is_empty(), "idle");
        assert!(connected().fin(Peer::Edge).fin(Peer::Origin).found_by(detect).is_empty(), "a probe");
    }

    #[test]
    fn a_response_that_only_the_fin_counts_was_sent() {
        let told =
            connected().request("GET", "/").with(|told| told.line.direction.origin.sent += 200).fin(Peer::Origin);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_request_and_then_the_origins_fin_is_an_empty_response() {
        let told = connected().request("GET", "/").response(200, 5, 5).request("GET", "/cart").fin(Peer::Origin);
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].cause, found[0].scope), (EMPTY_RESPONSE, Scope::Exchange(2)));
        assert_eq!(found[0].at, told.line.direction.origin.fins[0].packet);
    }

    #[test]
    fn a_fin_that_was_sent_before_the_request_arrived_is_a_race_and_no_empty_response() {
        let told = connected().request("GET", "/").response(200, 5, 5).fin(Peer::Origin).request("GET", "/cart");
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn an_edge_that_leaves_first_got_no_empty_response() {
        let told = connected().request("GET", "/").fin(Peer::Edge).fin(Peer::Origin);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_response_of_which_a_byte_came_is_not_empty() {
        let told = connected().request("GET", "/").response(200, 1, 5).fin(Peer::Origin);
        assert!(told.found_by(detect).is_empty());
    }
}
