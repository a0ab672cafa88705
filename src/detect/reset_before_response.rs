//! The origin resets the connection after a request, before a byte of response.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Close, Ending, Peer, RstLook, RstSender};

pub(super) const CAUSES: &[Cause] = &[RESET_BEFORE_RESPONSE];

const RESET_BEFORE_RESPONSE: Cause = Cause("reset-before-response");

/// Request delivered, then a RST of the origin, and not one byte of a final response between.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if case.line.direction.origin.unseen() > 0 {
        // The response, or the rest of it, was sent and is not in the capture.
        return findings;
    }
    for exchange in case.unanswered() {
        let Some(Ending::Reset { from: Peer::Origin, rst }) = case.line.ending(exchange) else { continue };
        if rst.sender != RstSender::Claimed {
            continue;
        }
        let waited = between(exchange.request.start.packet, rst.packet);
        let look = rst.made_by(case.line.closed_before(Peer::Origin, rst.packet));
        findings.push(Finding {
            cause: RESET_BEFORE_RESPONSE,
            scope: Scope::Exchange(exchange.number),
            at: rst.packet,
            actor: Actor::Origin,
            // A kernel that knows nothing of the connection lost it before: when and why is not in this capture.
            confidence: match rst.look {
                RstLook::NoConnection => case.confidence(exchange).min(Confidence::Likely),
                _ => case.confidence(exchange),
            },
            summary: format!(
                "The origin answered {} with a reset after {waited} and not a byte of response: {look}.",
                request_name(exchange),
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(rst.packet, format!("RST from the origin {waited} later: {look}")),
            ],
            edge_status: None,
        });
    }
    findings.extend(turned_away(case));
    findings
}

/// The connection stood, and the origin reset it before the edge sent its request.
fn turned_away(case: &Case<'_>) -> Option<Finding> {
    let Close::Rst { rst, .. } = case.turned_away()? else { return None };
    let waited = between(case.line.first, rst.packet);
    Some(Finding {
        cause: RESET_BEFORE_RESPONSE,
        scope: Scope::Connection,
        at: rst.packet,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!("The origin took the connection and reset it {waited} after its SYN, before any request."),
        evidence: vec![Evidence::new(rst.packet, "RST from the origin, and not a byte of either side before it")],
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;

    #[test]
    fn a_connection_that_is_reset_as_soon_as_it_stands_was_turned_away() {
        assert_eq!(connected().rst(Peer::Origin, RstLook::Abort).causes(detect), ["reset-before-response"]);
        assert!(connected().after(1.5).rst(Peer::Origin, RstLook::Abort).found_by(detect).is_empty(), "idle");
        assert!(connected().fin(Peer::Edge).rst(Peer::Origin, RstLook::Abort).found_by(detect).is_empty(), "a probe");
    }

    #[test]
    fn a_reset_between_request_and_response_is_found() {
        let told = connected().request("GET", "/").rst(Peer::Origin, RstLook::Abort);
        assert_eq!(told.causes(detect), ["reset-before-response"]);
    }

    #[test]
    fn of_a_connection_that_the_origin_no_longer_knows_the_end_was_not_seen() {
        let told = connected().request("GET", "/").rst(Peer::Origin, RstLook::NoConnection);
        assert_eq!(told.found_by(detect)[0].confidence, Confidence::Likely);
        let told = connected().request("GET", "/").rst(Peer::Origin, RstLook::Abort);
        assert_eq!(told.found_by(detect)[0].confidence, Confidence::Certain);
    }

    #[test]
    fn bytes_that_only_the_reset_counts_may_have_been_the_response() {
        let told = connected().request("GET", "/").rst(Peer::Origin, RstLook::Abort);
        let told = told.with(|told| told.line.direction.origin.rsts[0].offset += 60);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_reset_that_a_box_forged_is_not_the_origins() {
        let told = connected().request("GET", "/").rst(Peer::Origin, RstLook::Abort);
        let told = told.with(|told| told.line.direction.origin.rsts[0].sender = RstSender::Middlebox);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_reset_in_answer_to_the_edges_own_close_hurts_nobody() {
        let told = connected().request("GET", "/").fin(Peer::Edge).rst(Peer::Origin, RstLook::NoConnection);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_reset_of_an_idle_connection_hurts_nobody() {
        let told = connected().request("GET", "/").response(200, 5, 5).rst(Peer::Origin, RstLook::Abort);
        assert!(told.found_by(detect).is_empty());
    }
}
