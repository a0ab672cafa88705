//! The origin resets the connection inside a response.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Evidence, Finding, Scope};
use crate::timeline::{Ending, Exchange, Peer, Response, RstLook, RstSender, Visibility};

pub(super) const CAUSES: &[Cause] = &[RESET_MID_RESPONSE];

const RESET_MID_RESPONSE: Cause = Cause("reset-mid-response");

/// A response has begun, and a RST of the origin comes before it is complete.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if case.line.direction.origin.unseen() > 0 {
        // The response, or the rest of it, was sent and is not in the capture.
        return findings;
    }
    for exchange in case.unfinished() {
        let Some(response) = &exchange.response else { continue };
        let Some(Ending::Reset { from: Peer::Origin, rst }) = case.line.ending(exchange) else { continue };
        // A kernel that no longer knows the connection and counts one byte more closed it before, unseen: what came may
        // have been all.
        let sent = i64::try_from(case.line.direction.origin.sent).unwrap_or(i64::MAX);
        let closed_unseen = rst.look == RstLook::NoConnection && rst.offset > sent;
        if rst.sender != RstSender::Claimed || (closed_unseen && exchange.visibility == Visibility::Inferred) {
            continue;
        }
        let came = progress(case, exchange, response);
        findings.push(Finding {
            cause: RESET_MID_RESPONSE,
            scope: Scope::Exchange(exchange.number),
            at: rst.packet,
            actor: Actor::Origin,
            confidence: case.confidence(exchange),
            summary: format!(
                "The origin reset the connection inside its response to {}: {came}.",
                request_name(exchange)
            ),
            evidence: vec![
                case.request_sent(exchange),
                Evidence::new(response.start.packet, "the response begins"),
                Evidence::new(response.latest.packet, format!("the last bytes of it: {came}")),
                Evidence::new(
                    rst.packet,
                    format!(
                        "RST from the origin {} later: {}",
                        between(response.latest.packet, rst.packet),
                        rst.made_by(case.line.closed_before(Peer::Origin, rst.packet)),
                    ),
                ),
            ],
            edge_status: None,
        });
    }
    findings
}

/// How much of a response came, against what it announced.
pub(super) fn progress(case: &Case<'_>, exchange: &Exchange, response: &Response) -> String {
    use crate::timeline::Framing;
    let cut = case.line.tls.as_ref().and_then(|tls| tls.cut_record);
    if let Some(cut) = cut.filter(|cut| response.head_end.is_none() && cut.start.offset >= response.start.offset) {
        return cut.to_string();
    }
    if exchange.visibility == Visibility::Inferred {
        return "encrypted, so its length is not known".to_owned();
    }
    if response.head_end.is_none() {
        return format!("{} bytes of its head, which never ended", response.head_bytes.max(1));
    }
    match response.framing {
        Framing::Length(announced) | Framing::Frames(Some(announced)) => {
            format!("{} of {announced} body bytes", response.body_bytes)
        }
        Framing::Chunked => format!("{} body bytes and no last chunk", response.body_bytes),
        _ => format!("{} body bytes", response.body_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::RstLook;

    #[test]
    fn a_reset_inside_a_response_names_how_much_came() {
        let told = connected().request("GET", "/big").response(200, 4_000, 9_000).rst(Peer::Origin, RstLook::Abort);
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("4000 of 9000 body bytes"), "{}", found[0].summary);
    }

    #[test]
    fn a_reset_after_a_complete_response_is_none() {
        let told = connected().request("GET", "/").response(200, 9, 9).rst(Peer::Origin, RstLook::Abort);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn an_edge_that_resets_inside_a_response_aborted_it_itself() {
        let told = connected().request("GET", "/big").response(200, 1, 9).rst(Peer::Edge, RstLook::Abort);
        assert!(told.rst(Peer::Origin, RstLook::NoConnection).found_by(detect).is_empty());
    }
}
