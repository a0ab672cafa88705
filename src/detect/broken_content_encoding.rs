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
