//! A body that is as long as it said, but whose compressed stream is cut or corrupt.

use super::case::request_name;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Reaction, Scope};
use crate::timeline::Coding;

pub(super) const CAUSES: &[Cause] = &[BROKEN_CONTENT_ENCODING];

const BROKEN_CONTENT_ENCODING: Cause = Cause("broken-content-encoding");

/// Complete by its framing, broken by its content coding, and the edge did not go on.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for exchange in &case.line.exchanges {
        let Some(response) = &exchange.response else { continue };
        let (Coding::Broken { coding, problem }, Some(end)) = (&response.coding, response.end) else { continue };
        let Reaction::Left(left) = case.reaction(exchange) else { continue };
        findings.push(Finding {
            cause: BROKEN_CONTENT_ENCODING,
            scope: Scope::Exchange(exchange.number),
            at: end.packet,
            actor: Actor::Origin,
            confidence: Confidence::Certain,
            summary: format!(
                "The origin's response to {} is complete by its length, but its {coding} stream is broken: {problem}.",
                request_name(exchange),
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(response.start.packet, format!("the response begins, Content-Encoding {coding}")),
                Evidence::new(end.packet, format!("its last byte; the {coding} stream does not decode: {problem}")),
                Evidence::new(left, "the edge leaves the connection"),
            ],
            edge_status: None,
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::Peer;

    fn broken() -> Told {
        connected().request("GET", "/").response(200, 5, 5).with(|told| {
            told.last_response().coding = Coding::Broken { coding: "gzip".into(), problem: "it is cut".into() };
        })
    }

    #[test]
    fn a_broken_body_after_which_the_edge_left_is_found() {
        assert_eq!(broken().fin(Peer::Edge).causes(detect), ["broken-content-encoding"]);
    }

    #[test]
    fn an_origin_that_closed_itself_leaves_no_witness() {
        assert!(broken().fin(Peer::Origin).fin(Peer::Edge).found_by(detect).is_empty());
    }
}
