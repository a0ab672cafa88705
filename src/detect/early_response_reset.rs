//! The origin answers while the request body still comes, and resets: the edge may lose the answer.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Close, Exchange, Framing, Peer, RstSender, Visibility};

pub(super) const CAUSES: &[Cause] = &[EARLY_RESPONSE_RESET];

const EARLY_RESPONSE_RESET: Cause = Cause("early-response-reset");

/// A final response (or none) begins before the request is complete, and a RST of the origin follows: unread
/// bytes turn its close into a reset (RFC 9112 section 9.6).
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line
        .exchanges
        .iter()
        .filter(|exchange| exchange.visibility == Visibility::Clear && exchange.stream.is_none())
        .filter_map(|exchange| judge(case, exchange))
        .collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let response = exchange.response.as_ref()?;
    let ended = exchange.request.end.map(|end| end.packet.number);
    // A request without a body that stands behind its answer in the capture was captured late, no more.
    let has_body = exchange.request.framing != Framing::None;
    let before_its_end = ended.is_none_or(|end| has_body && end > response.start.packet.number);
    // A body that arrived whole can still be unread: only a refusal leaves it so.
    let unread = exchange.request.body_bytes > 0 && response.status.is_some_and(|status| status >= 400);
    let early = before_its_end || unread;
    let rst = case.line.closes().find_map(|close| match close {
        Close::Rst { from: Peer::Origin, rst } if rst.packet.number > response.start.packet.number => Some(rst),
        _ => None,
    })?;
    let edge_left_first = case.line.first_close(Peer::Edge).is_some_and(|close| {
        close.packet().number < rst.packet.number && close.packet().number > response.start.packet.number
    });
    // An edge that says close_notify behind the response has read it (RFC 8446 section 6.1).
    let edge_said_goodbye = case.line.tls.iter().flat_map(|tls| &tls.alerts).any(|alert| {
        let between = response.latest.packet.number..rst.packet.number;
        alert.from == Peer::Edge && between.contains(&alert.packet.number)
    });
    if !early || edge_left_first || (edge_said_goodbye && response.end.is_some()) || rst.sender != RstSender::Claimed {
        return None;
    }
    let status = response.status.map_or_else(|| "a response".to_owned(), |status| format!("status {status}"));
    let body = exchange.request.body_bytes;
    Some(Finding {
        cause: EARLY_RESPONSE_RESET,
        scope: Scope::Exchange(exchange.number),
        at: response.start.packet,
        actor: Actor::Origin,
        confidence: Confidence::Certain,
        summary: format!(
            "The origin answered {} with {status} after {body} bytes of its body and reset the connection {} later: \
             the reset can overtake the answer.",
            request_name(exchange),
            between(response.start.packet, rst.packet),
        ),
        evidence: vec![
            case.request_sent(exchange),
            Evidence::new(response.start.packet, format!("{status}, while the request body still comes")),
            Evidence::new(rst.packet, "RST from the origin: it closed with bytes of the request unread"),
        ],
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::RstLook;

    #[test]
    fn an_edge_that_says_close_notify_has_read_the_answer() {
        use crate::timeline::{Alert, AlertDescription, HandshakePhase};
        let told = connected().request("POST", "/upload").response(413, 5, 5).with(|told| {
            told.exchange().request.body_bytes = 80_000;
            let packet = told.packet();
            let (phase, description) = (HandshakePhase::Established, Some(AlertDescription::CLOSE_NOTIFY));
            let alert = Alert { packet, from: Peer::Edge, level: Some(1), description, phase };
            told.line.tls.get_or_insert_default().alerts.push(alert);
        });
        assert!(told.rst(Peer::Origin, RstLook::Abort).found_by(detect).is_empty());
    }

    #[test]
    fn an_answer_inside_the_request_and_then_a_reset_may_be_lost() {
        let told = connected().request("POST", "/upload").response(413, 5, 5).with(|told| {
            told.exchange().request.end = None;
            told.exchange().request.body_bytes = 80_000;
        });
        let found = told.rst(Peer::Origin, RstLook::Abort).found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("with status 413 after 80000 bytes"), "{}", found[0].summary);
    }

    #[test]
    fn a_reset_long_after_a_whole_exchange_is_none() {
        let told = connected().request("GET", "/").response(200, 5, 5).rst(Peer::Origin, RstLook::Abort);
        assert!(told.found_by(detect).is_empty());
    }
}
