//! A frame or a header block of the origin that RFC 9113 forbids.

use super::case::request_name;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Reaction, Scope};
use crate::timeline::{
    Deviation, Exchange, Framing, H2, H2Error, PacketRef, Peer, Response, Rule, StreamReset, Visibility,
};

pub(super) const CAUSES: &[Cause] = &[H2_PROTOCOL_ERROR];

const H2_PROTOCOL_ERROR: Cause = Cause("h2-protocol-error");

/// A broken rule in a response, or on the connection while exchanges are open; or the edge's own RST_STREAM or
/// GOAWAY that says the origin broke the protocol.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(h2) = &case.line.h2 else { return Vec::new() };
    let mut findings: Vec<Finding> = Vec::new();
    for exchange in &case.line.exchanges {
        findings.extend(in_response(case, exchange).or_else(|| complaint(case, h2, exchange)));
    }
    for deviation in &h2.deviations {
        findings.extend(on_connection(case, deviation));
    }
    findings
}

fn in_response(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let response = exchange.response.as_ref()?;
    let deviation = response.deviations.iter().find(|deviation| match deviation.rule {
        // A body shorter than announced is a truncated response.
        Rule::H2ContentLength => !is_short(response),
        // What comes behind a whole response fails it only where the edge says so.
        Rule::H2FrameAfterEnd => response.end.is_none() || complains(case, exchange),
        _ => true,
    })?;
    if accepted(case, exchange) {
        return None;
    }
    Some(finding(
        case,
        exchange,
        deviation.mark.packet,
        broken_rule(deviation, "response"),
        reaction_evidence(case, deviation),
    ))
}

fn is_short(response: &Response) -> bool {
    matches!(response.framing, Framing::Frames(Some(announced)) if response.body_bytes < announced)
}

/// True where the edge reset the stream, or ended the connection with an error. STREAM_CLOSED only says that what
/// came too late was thrown away.
fn complains(case: &Case<'_>, exchange: &Exchange) -> bool {
    let Some(h2) = &case.line.h2 else { return false };
    let reset = h2.resets.iter().any(|reset| {
        let blames = reset.from == Peer::Edge && reset.error != H2Error::STREAM_CLOSED;
        blames && Some(reset.stream) == exchange.stream
    });
    reset || h2.goaways.iter().any(|goaway| goaway.from == Peer::Edge && goaway.error.blames_peer())
}

/// True where the edge went on with the connection and did not reset the stream.
fn accepted(case: &Case<'_>, exchange: &Exchange) -> bool {
    let reset = case.line.h2.as_ref().is_some_and(|h2| {
        h2.resets.iter().any(|reset| reset.from == Peer::Edge && Some(reset.stream) == exchange.stream)
    });
    !reset && matches!(case.reaction(exchange), Reaction::CarriedOn(_))
}

/// The edge says that the origin broke the protocol, and the rule itself was not seen.
fn complaint(case: &Case<'_>, h2: &H2, exchange: &Exchange) -> Option<Finding> {
    let unfinished = exchange.response.as_ref().is_none_or(|response| response.end.is_none());
    // What comes on a stream behind its end costs nobody the response (RFC 9113 section 5.1).
    let late = |reset: &StreamReset| {
        let ended = exchange.response.as_ref().and_then(|response| response.end);
        let over = reset.after_response || ended.is_some_and(|end| end.packet.number < reset.packet.number);
        // What was on its way when the edge cancelled the stream comes behind that end.
        let cancelled = exchange.request.cancelled.is_some_and(|left| left.number <= reset.packet.number);
        // Where the capture misses bytes of either side, the end may be among them, or its stream was not known then.
        let missed = case.line.has_holes() || exchange.visibility == Visibility::Obscured;
        reset.error == H2Error::STREAM_CLOSED && (over || cancelled || missed)
    };
    let reset = h2.resets.iter().find(|reset| {
        let blames = reset.from == Peer::Edge && reset.error.blames_peer();
        blames && Some(reset.stream) == exchange.stream && !late(reset)
    });
    if let Some(reset) = reset {
        let what = format!("the edge resets the stream with {}", reset.error);
        return Some(finding(case, exchange, reset.packet, what, Vec::new()));
    }
    let goaway = h2.goaways.iter().find(|goaway| goaway.from == Peer::Edge && goaway.error.blames_peer())?;
    let after = exchange.request.start.packet.number > goaway.packet.number;
    if !unfinished || after || h2.deviations.iter().any(|deviation| is_open(case, exchange, deviation)) {
        return None;
    }
    let before = h2.deviations.iter().rfind(|deviation| deviation.mark.packet.number <= goaway.packet.number);
    let told = before.map_or_else(String::new, |deviation| format!(": {}", broken_rule(deviation, "connection")));
    let what = format!("the edge ends the connection with GOAWAY {}{told}", goaway.error);
    Some(finding(case, exchange, goaway.packet, what, Vec::new()))
}

/// True where the exchange was under way when the connection broke a rule, and the edge did not go on after it.
fn is_open(case: &Case<'_>, exchange: &Exchange, deviation: &Deviation) -> bool {
    let at = deviation.mark.packet;
    let ended = exchange.response.as_ref().and_then(|response| response.end);
    exchange.request.start.packet.number <= at.number
        && ended.is_none_or(|end| end.packet.number >= at.number)
        && !accepted(case, exchange)
}

/// A connection error fails every exchange that was open then.
fn on_connection(case: &Case<'_>, deviation: &Deviation) -> Vec<Finding> {
    let at = deviation.mark.packet;
    let told = reaction_evidence(case, deviation);
    case.line
        .exchanges
        .iter()
        .filter(|exchange| is_open(case, exchange, deviation))
        .map(|exchange| finding(case, exchange, at, broken_rule(deviation, "connection"), told.clone()))
        .collect()
}

fn broken_rule(deviation: &Deviation, whose: &str) -> String {
    format!("its {whose} {} ({})", deviation.rule.text(), deviation.rule.section())
}

fn reaction_evidence(case: &Case<'_>, deviation: &Deviation) -> Vec<Evidence> {
    let after = |packet: PacketRef| packet.number >= deviation.mark.packet.number;
    let Some(h2) = &case.line.h2 else { return Vec::new() };
    let goaways = h2.goaways.iter().filter(|goaway| goaway.from == Peer::Edge && after(goaway.packet));
    let resets = h2.resets.iter().filter(|reset| reset.from == Peer::Edge && after(reset.packet));
    let told =
        goaways.map(|goaway| Evidence::new(goaway.packet, format!("the edge answers with GOAWAY {}", goaway.error)));
    let told = told.chain(resets.map(|reset| {
        Evidence::new(reset.packet, format!("the edge resets stream {} with {}", reset.stream, reset.error))
    }));
    told.take(2).collect()
}

fn finding(case: &Case<'_>, exchange: &Exchange, at: PacketRef, what: String, more: Vec<Evidence>) -> Finding {
    let mut evidence = vec![case.request_sent(exchange), Evidence::new(at, what.clone())];
    evidence.extend(more);
    Finding {
        cause: H2_PROTOCOL_ERROR,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: case.confidence(exchange).max(Confidence::Likely),
        summary: format!("The origin broke HTTP/2 on {}: {what}.", request_name(exchange)),
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::GoAway;

    fn breaking(rule: Rule, came: u64, announced: u64) -> Told {
        let told = connected().request("GET", "/").on_stream(1).response(200, came, announced).breaking(rule, b"");
        told.with(|told| {
            let latest = told.last_response().latest;
            told.last_response().end = Some(latest);
        })
    }

    #[test]
    fn a_broken_rule_is_an_error() {
        assert_eq!(breaking(Rule::H2FieldNameUpperCase, 5, 5).fin(Peer::Edge).causes(detect), ["h2-protocol-error"]);
        assert_eq!(breaking(Rule::H2ContentLength, 7, 5).fin(Peer::Edge).causes(detect), ["h2-protocol-error"]);
    }

    #[test]
    fn the_edge_may_complain_of_an_old_fault_on_a_later_request() {
        let told = connected().request("GET", "/").on_stream(1).response(200, 5, 5).with(|told| {
            let mark = crate::timeline::Mark { packet: told.packet(), offset: 0 };
            let deviation = Deviation { rule: Rule::H2SettingsNotFirst, at: 0, mark, bytes: Vec::new() };
            told.line.h2.get_or_insert_default().deviations.push(deviation);
        });
        let told = told.request("GET", "/next").on_stream(3).with(|told| {
            let (packet, error) = (told.packet(), H2Error::PROTOCOL_ERROR);
            let goaway = GoAway { packet, from: Peer::Edge, last_stream: 0, error, debug: String::new() };
            told.line.h2.get_or_insert_default().goaways.push(goaway);
        });
        let found = told.fin(Peer::Edge).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scope, Scope::Exchange(2));
        assert!(found[0].summary.contains("does not begin with a SETTINGS frame"), "{}", found[0].summary);
    }

    #[test]
    fn a_body_shorter_than_announced_is_a_truncated_response() {
        assert!(breaking(Rule::H2ContentLength, 3, 5).fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn a_stream_that_was_closed_is_no_fault_where_its_end_may_be_among_what_the_capture_misses() {
        let told = || {
            connected().request("GET", "/").on_stream(1).with(|told| {
                let (packet, error) = (told.packet(), H2Error::STREAM_CLOSED);
                let reset = StreamReset { packet, from: Peer::Edge, stream: 1, error, after_response: false };
                told.line.h2.get_or_insert_default().resets.push(reset);
            })
        };
        assert_eq!(told().causes(detect), ["h2-protocol-error"]);
        assert!(told().with(|told| told.line.direction.edge.missed_by_capture = 9).found_by(detect).is_empty());
        assert!(told().with(|told| told.exchange().visibility = Visibility::Obscured).found_by(detect).is_empty());
        let over = told().with(|told| told.line.h2.as_mut().unwrap().resets[0].after_response = true);
        assert!(over.found_by(detect).is_empty());
        let cancelled = told().with(|told| told.exchange().request.cancelled = Some(told.line.first));
        assert!(cancelled.found_by(detect).is_empty(), "what was on its way then breaks nothing");
    }

    #[test]
    fn a_frame_behind_a_whole_response_fails_it_only_where_the_edge_complains() {
        let told = || breaking(Rule::H2FrameAfterEnd, 5, 5);
        assert!(told().fin(Peer::Edge).found_by(detect).is_empty());
        let complaint = told().with(|told| {
            let (packet, error) = (told.packet(), H2Error::PROTOCOL_ERROR);
            let goaway = GoAway { packet, from: Peer::Edge, last_stream: 0, error, debug: String::new() };
            told.line.h2.get_or_insert_default().goaways.push(goaway);
        });
        assert_eq!(complaint.causes(detect), ["h2-protocol-error"]);
    }
}
