//! The origin resets an HTTP/2 stream before its response is complete.

use super::case::request_name;
use super::{Actor, Case, Cause, Evidence, Finding, Scope};
use crate::timeline::Peer;

pub(super) const CAUSES: &[Cause] = &[H2_STREAM_RESET];

const H2_STREAM_RESET: Cause = Cause("h2-stream-reset");

/// RST_STREAM by the origin while the response is missing or incomplete (RFC 9113 section 6.4).
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(h2) = &case.line.h2 else { return Vec::new() };
    let mut findings = Vec::new();
    for exchange in case.unfinished() {
        let by_origin = h2
            .resets
            .iter()
            .find(|reset| reset.from == Peer::Origin && Some(reset.stream) == exchange.stream && !reset.after_response);
        let Some(reset) = by_origin else { continue };
        let progress = match &exchange.response {
            Some(response) => format!("after {} bytes of its response", response.body_bytes),
            None => "before any response".to_owned(),
        };
        findings.push(Finding {
            cause: H2_STREAM_RESET,
            scope: Scope::Exchange(exchange.number),
            at: reset.packet,
            actor: Actor::Origin,
            confidence: case.confidence(exchange),
            summary: format!(
                "The origin reset the HTTP/2 stream of {} with {} {progress}.",
                request_name(exchange),
                reset.error,
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(reset.packet, format!("RST_STREAM {} on stream {}", reset.error, reset.stream)),
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
    use crate::timeline::{H2Error, StreamReset};

    fn reset(from: Peer) -> Told {
        connected().request("GET", "/").on_stream(3).with(|told| {
            let packet = told.packet();
            let reset = StreamReset { packet, from, stream: 3, error: H2Error(2), after_response: false };
            told.line.h2.get_or_insert_default().resets.push(reset);
        })
    }

    #[test]
    fn a_stream_that_the_origin_resets_without_answer_is_found() {
        let found = reset(Peer::Origin).found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("INTERNAL_ERROR (0x2) before any response"), "{}", found[0].summary);
    }

    #[test]
    fn a_stream_that_the_edge_resets_is_its_own_choice() {
        assert!(reset(Peer::Edge).found_by(detect).is_empty());
    }
}
