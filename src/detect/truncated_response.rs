//! The origin closes before the end of a response.

use super::case::request_name;
use super::reset_mid_response::progress;
use super::{Actor, Case, Cause, Evidence, Finding, Scope};
use crate::timeline::{Ending, Exchange, Framing, PacketRef, Peer, Response, Rule};

pub(super) const CAUSES: &[Cause] = &[TRUNCATED_RESPONSE];

const TRUNCATED_RESPONSE: Cause = Cause("truncated-response");

/// FIN before Content-Length is reached, before the last chunk, or inside the head; HTTP/2: END_STREAM before
/// content-length is reached, or a close without GOAWAY inside a response.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let whole = case.line.direction.origin.unseen() == 0;
    let cut_by_close = case.unfinished().filter(|_| whole).filter_map(|exchange| {
        let response = exchange.response.as_ref()?;
        if exchange.stream.is_some() && (case.line.goaway(Peer::Origin).is_some() || is_reset(case, exchange)) {
            return None;
        }
        let Some(Ending::Closed { from: Peer::Origin, packet, by }) = case.line.ending(exchange) else { return None };
        Some(finding(case, exchange, response, packet, &format!("{by}: the origin ends its stream here")))
    });
    let cut_by_end_stream = case.line.exchanges.iter().filter_map(|exchange| {
        let response = exchange.response.as_ref()?;
        let short = response.deviations.iter().find(|deviation| deviation.rule == Rule::H2ContentLength)?;
        let Framing::Frames(Some(announced)) = response.framing else { return None };
        (response.body_bytes < announced).then(|| {
            finding(case, exchange, response, short.mark.packet, "END_STREAM: the origin ends the response here")
        })
    });
    cut_by_close.chain(cut_by_end_stream).collect()
}

/// True where either side reset the stream: it was over then, whatever the close of the connection cut (RFC 9113 section 5.4.2).
fn is_reset(case: &Case<'_>, exchange: &Exchange) -> bool {
    case.line.h2.as_ref().is_some_and(|h2| h2.resets.iter().any(|reset| Some(reset.stream) == exchange.stream))
}

fn finding(case: &Case<'_>, exchange: &Exchange, response: &Response, at: PacketRef, end: &str) -> Finding {
    let came = progress(case, exchange, response);
    Finding {
        cause: TRUNCATED_RESPONSE,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: case.confidence(exchange),
        summary: format!("The origin ended its response to {} too early: {came}.", request_name(exchange)),
        evidence: vec![
            case.request_sent(exchange),
            Evidence::new(response.start.packet, "the response begins"),
            Evidence::new(at, format!("{end}, after {came}")),
        ],
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::{H2Error, StreamReset};

    #[test]
    fn a_stream_that_was_reset_is_not_truncated_by_a_later_close() {
        let told = || connected().request("GET", "/").on_stream(1).response(200, 8, 9);
        assert_eq!(told().fin(Peer::Origin).causes(detect), ["truncated-response"]);
        let reset = told().with(|told| {
            let (packet, error) = (told.packet(), H2Error::STREAM_CLOSED);
            let reset = StreamReset { packet, from: Peer::Edge, stream: 1, error, after_response: false };
            told.line.h2.get_or_insert_default().resets.push(reset);
        });
        assert!(reset.fin(Peer::Origin).found_by(detect).is_empty());
    }

    #[test]
    fn a_fin_before_content_length_is_reached_truncates() {
        let told = connected().request("GET", "/").response(200, 8, 9).fin(Peer::Origin);
        assert_eq!(told.causes(detect), ["truncated-response"]);
    }

    #[test]
    fn an_edge_that_closes_first_was_not_cut_off() {
        let told = connected().request("GET", "/").response(200, 8, 9).fin(Peer::Edge).fin(Peer::Origin);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn an_end_of_stream_before_content_length_truncates_on_http2() {
        let told = connected().request("GET", "/").on_stream(1).response(200, 4, 9);
        let told = told.breaking(Rule::H2ContentLength, b"").with(|told| {
            let latest = told.last_response().latest;
            told.last_response().end = Some(latest);
        });
        assert_eq!(told.causes(detect), ["truncated-response"]);
    }

    #[test]
    fn what_the_capture_missed_is_not_truncated() {
        use crate::timeline::Visibility;
        let told = connected().request("GET", "/").response(200, 8, 9).fin(Peer::Origin);
        let told = told.with(|told| told.exchange().visibility = Visibility::Obscured);
        assert!(told.found_by(detect).is_empty());
    }
}
